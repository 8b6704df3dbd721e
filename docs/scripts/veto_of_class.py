"""Veto segments of one class: written for others to use, with efficiency and dead time.

    python veto_of_class.py ARCHIVE Whistle --ifo L1 -o whistles.xml

Efficiency is the share of the class's own glitches, and of all glitches, inside the segments; dead
time is the share of the live time that they remove. A ratio of one is that of segments at random.
"""

import argparse
import sys

import glitchvae as gv
from glitchvae.discovery.vetoes import score_veto, veto_segments, write_segments


def main() -> None:
    """Make the segments, write them, and say what they do."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("archive")
    parser.add_argument("name", help="class")
    parser.add_argument("--ifo", required=True)
    parser.add_argument("--probability", type=float, default=0.5, help="least, of the name")
    parser.add_argument("--padding", type=float, default=0.1, help="seconds at both ends")
    parser.add_argument("-o", "--output", required=True, help=".xml, .h5 or .txt")
    given = parser.parse_args()
    archive = gv.open_archive(given.archive)
    everything = archive.events(ifo=given.ifo).embeddings
    rows = archive.events(ifo=given.ifo, class_name=given.name).embeddings
    rows = rows.take(rows.class_probability >= given.probability)
    if not len(rows):
        sys.exit(f"no glitch of {given.ifo} is named {given.name} with that probability")
    live = archive.live_time(given.ifo)
    vetoes = veto_segments(rows.gps, rows.duration, padding=given.padding)
    write_segments(given.output, {given.ifo: vetoes}, name=given.name, known={given.ifo: live})
    print(f"{len(rows)} glitches of {given.name}, {len(vetoes)} segments, {given.output}")
    for what, gps in ((given.name, rows.gps), ("all glitches", everything.gps)):
        score = score_veto(given.ifo, vetoes, gps, live)
        print(
            f"{what}: efficiency {score.efficiency:.1%}, dead time {score.dead_time:.3%},"
            f" ratio {score.ratio:.3g}"
        )


try:
    main()
except gv.GlitchvaeError as error:
    sys.exit(str(error))

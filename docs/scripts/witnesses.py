"""Auxiliary channels that see one class of glitches, as CSV on stdout, the surest first.

    python witnesses.py ARCHIVE Scattered_Light --ifo L1 PEM-A.h5 SUS-B.h5 ...

Each table holds the triggers of one channel, in any form that `glitchvae embed --triggers` reads;
the channel is called as its file. A witness has a small p-value, which counts all channels, windows
and thresholds that were tried. Its veto segments would remove `efficiency` of the class for
`dead_time` of the live time.
"""

import argparse
import csv
import sys
from pathlib import Path

import glitchvae as gv
from glitchvae.discovery.witnesses import rank_witnesses
from glitchvae.triggers import read_triggers

COLUMNS = ("channel", "significance", "p_value", "window", "threshold", "triggers")


def main() -> None:
    """Write a row for each channel."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("archive")
    parser.add_argument("name", help="class")
    parser.add_argument("tables", nargs="+")
    parser.add_argument("--ifo", required=True)
    parser.add_argument("--snr", type=float, default=7.5, help="least, of the glitches")
    given = parser.parse_args()
    archive = gv.open_archive(given.archive)
    live = archive.live_time(given.ifo, given.snr)
    rows = archive.events(ifo=given.ifo, class_name=given.name, snr=given.snr).embeddings
    channels = {}
    for table in given.tables:
        try:
            channels[Path(table).name.split(".")[0]] = read_triggers(table, ifo=given.ifo)
        except gv.GlitchvaeError as error:
            print(f"left out: {error}", file=sys.stderr)
    out = csv.writer(sys.stdout)
    out.writerow((*COLUMNS, "inside", "glitches", "efficiency", "dead_time"))
    for one in rank_witnesses(rows.gps, channels, live):
        numbers = (f"{getattr(one, key):.4g}" for key in COLUMNS[1:])
        shares = (f"{value:.4g}" for value in (one.efficiency, one.dead_time))
        out.writerow((one.channel, *numbers, one.inside, one.glitches, *shares))


try:
    main()
except gv.GlitchvaeError as error:
    sys.exit(str(error))

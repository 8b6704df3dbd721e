"""The glitches of other detectors that look most like one glitch.

    python neighbours_across_detectors.py ARCHIVE 1264316116.42 -k 5 -o alike.png

Like is what has a near code, whenever it was. A distance says something beside the others: of the
nearest glitch of the same detector, and of the middle of all. The picture has them in time order.
"""

import argparse
import sys

import numpy as np

import glitchvae as gv


def main() -> None:
    """Print the nearest glitches of each detector, and draw them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("archive")
    parser.add_argument("glitch", help="GPS time or identifier")
    parser.add_argument("-k", type=int, default=5, help="glitches of each detector")
    parser.add_argument("-o", "--output", help="picture of them")
    given = parser.parse_args()
    archive = gv.open_archive(given.archive)
    try:
        glitch: str | float = float(given.glitch)
    except ValueError:
        glitch = given.glitch
    alike, distances = archive.similar(glitch, k=len(archive.events()))
    rows, chosen = alike.embeddings, []
    print(f"middle of all: {np.median(distances):.3g}")
    for ifo in np.unique(rows.ifo.astype(str)):
        own = np.flatnonzero(rows.ifo == ifo)[: given.k]
        chosen += own.tolist()
        for row in own:
            print(
                f"{ifo}  {rows.gps[row]:.3f}  SNR {rows.snr[row]:.1f}  {rows.class_name[row]}"
                f"  distance {distances[row]:.3g}"
            )
    if given.output:
        ids = ", ".join(f"'{rows.event_id[row]}'" for row in chosen)
        archive.events(where=f"event_id IN ({ids})").images.plot(given.output)


try:
    main()
except gv.GlitchvaeError as error:
    sys.exit(str(error))

"""Rate of each class by day (UTC), with live time and 90 % intervals, as CSV on stdout.

    python rates_by_day.py ARCHIVE --ifo L1 --snr 7.5

A day counts as long as it was searched at this SNR or lower. A class without a glitch on a day has
a rate of zero there, with its upper limit.
"""

import argparse
import csv
import sys

import numpy as np
from gwpy.time import from_gps
from igwn_segments import segment, segmentlist

import glitchvae as gv
from glitchvae.report.times import day_of
from glitchvae.statistics import poisson_interval


def main() -> None:
    """Write a row for each class and day."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("archive")
    parser.add_argument("--ifo", required=True)
    parser.add_argument("--snr", type=float, default=7.5)
    given = parser.parse_args()
    archive = gv.open_archive(given.archive)
    live = archive.live_time(given.ifo, given.snr)
    rows = archive.events(ifo=given.ifo, snr=given.snr).embeddings
    out = csv.writer(sys.stdout)
    out.writerow(("day", "class", "glitches", "live_hours", "per_hour", "lowest", "highest"))
    since = float(live[0][0])
    while since < live[-1][1]:
        day = from_gps(since).date().isoformat()
        start, end = day_of(day)
        hours = float(abs(live & segmentlist([segment(start, end)]))) / 3600
        inside = (rows.gps >= start) & (rows.gps < end)
        for name in np.unique(rows.class_name.astype(str)):
            count = int((inside & (rows.class_name == name)).sum())
            low, high = poisson_interval(count)
            if hours:
                rates = [f"{value / hours:.4g}" for value in (count, low, high)]
                out.writerow((day, name or "(no image)", count, f"{hours:.3f}", *rates))
        since = end


try:
    main()
except gv.GlitchvaeError as error:
    sys.exit(str(error))

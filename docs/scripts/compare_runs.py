"""Two runs or two models side by side, as CSV on stdout.

    python compare_runs.py O3A O3B --ifo L1            rates of each class in two archives
    python compare_runs.py ARCHIVE --models default mine   what each model names the same glitches

Rates: the ratio of the second to the first, and the chance that two equal rates differ so much (a
two-sided binomial test on the live times; with many classes, some are below 0.05 by chance).
Models: how many glitches get each pair of names, the most frequent first.
"""

import argparse
import csv
import sys
from collections import Counter

from scipy.stats import binomtest

import glitchvae as gv


def rates(first: gv.GlitchArchive, second: gv.GlitchArchive, ifo: str, snr: float) -> list[tuple]:
    """Class, glitches and rates per hour of both, ratio, p-value."""
    hours = [float(abs(each.live_time(ifo, snr))) / 3600 for each in (first, second)]
    counts = [
        Counter(each.events(ifo=ifo, snr=snr).embeddings.class_name) for each in (first, second)
    ]
    rows = [("class", "first", "second", "first_per_hour", "second_per_hour", "ratio", "p_value")]
    for name in sorted(set(counts[0]) | set(counts[1])):
        a, b = (count[name] for count in counts)
        p = binomtest(b, a + b, hours[1] / sum(hours)).pvalue
        per_hour = (a / hours[0], b / hours[1])
        ratio = per_hour[1] / per_hour[0] if a else float("inf")
        rows.append((name or "(no image)", a, b, *(f"{x:.4g}" for x in (*per_hour, ratio, p))))
    return rows


def names(archive: gv.GlitchArchive, models: list[str]) -> list[tuple]:
    """Names by both models, and how many glitches have them."""
    said = [archive.events(model=model).embeddings for model in models]
    named = [dict(zip(each.event_id, each.class_name, strict=True)) for each in said]
    pairs = Counter((named[0][e], named[1][e]) for e in named[0] if e in named[1])
    return [(*models, "glitches"), *((a, b, n) for (a, b), n in pairs.most_common())]


parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("archives", nargs="+")
parser.add_argument("--ifo", default="L1")
parser.add_argument("--snr", type=float, default=7.5)
parser.add_argument("--models", nargs=2)
given = parser.parse_args()
try:
    opened = [gv.open_archive(path) for path in given.archives]
    table = names(opened[0], given.models) if given.models else rates(*opened, given.ifo, given.snr)
except gv.GlitchvaeError as error:
    sys.exit(str(error))
csv.writer(sys.stdout).writerows(table)

"""Make the small tables the simulator ships from the real data it never ships.

    python docs/fit_simulation_tables.py FOLDER_OF_REAL_DATA

Writes `glitchvae/data/noise/*.csv` (thinned amplitude spectral densities) and
`glitchvae/data/simulate/*.toml` (quantiles and rank correlations per class).
"""

import csv
import gzip
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
import tomli_w
from scipy import ndimage, special, stats

PACKAGE = Path(__file__).parents[1] / "glitchvae" / "data"
CURVES = {
    "O3-H1": "aligo_O3actual_H1.txt.gz",
    "O3-L1": "aligo_O3actual_L1.txt.gz",
    "O3-V1": "avirgo_O3actual.txt.gz",
    "O4-design": "aligo_O4high.txt.gz",
}
LEVELS = (0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99)
LINE = 1.5  # a sample this far above the local median belongs to a line
POINTS = 400


def thin_curve(frequencies, asd):
    """A smooth background on a logarithmic grid, and every sample of a line."""
    grid = np.geomspace(frequencies[0], frequencies[-1], 4000)
    smooth = np.exp(ndimage.median_filter(np.interp(grid, frequencies, np.log(asd)), 61))
    background = np.interp(frequencies, grid, smooth)
    loud = ndimage.binary_dilation(asd > LINE * background, iterations=1)
    points = np.geomspace(frequencies[0], frequencies[-1], POINTS)
    near_line = np.interp(points, frequencies, loud.astype(float)) > 0
    kept = np.concatenate([points[~near_line], frequencies[loud]])
    values = np.concatenate([np.interp(points, grid, smooth)[~near_line], asd[loud]])
    order = np.argsort(kept)
    edge = [(frequencies[0], asd[0])] if kept[order][0] > frequencies[0] else []
    return edge + list(zip(kept[order], values[order], strict=True))


def write_curves(folder):
    for name, file in CURVES.items():
        frequencies, asd = np.loadtxt(folder / "noise" / file).T
        rows = thin_curve(frequencies, asd)
        lines = ["frequency,asd", *(f"{f:.6g},{a:.5g}" for f, a in rows)]
        (PACKAGE / "noise" / f"{name}.csv").write_text("\n".join(lines) + "\n")
        print(name, len(rows), "points")


def read_rows(path):
    with gzip.open(path, "rt") as stream:
        return list(csv.DictReader(stream))


def describe(rows, columns):
    """Quantiles of each column and the correlation of their normal scores."""
    values = np.array([[float(row[c]) for c in columns] for row in rows])
    quantiles = np.quantile(values, LEVELS, axis=0)
    scores = special.ndtri((np.apply_along_axis(stats.rankdata, 0, values) - 0.5) / len(values))
    spread = scores.std(axis=0)
    constant = spread < 1e-9
    correlation = np.eye(len(columns))
    if len(values) > 2:
        safe = np.where(constant, 1.0, spread)
        centred = (scores - scores.mean(axis=0)) / safe
        correlation = centred.T @ centred / len(values)
        np.fill_diagonal(correlation, 1.0)
    return {
        "count": len(rows),
        "columns": list(columns),
        "quantiles": [[float(f"{q:.5g}") for q in column] for column in quantiles.T],
        "correlation": np.round(correlation, 3).tolist(),
    }


def write_distributions(name, groups, columns, note):
    table = {label: describe(rows, columns) for label, rows in sorted(groups.items())}
    content = {"note": note, "levels": list(LEVELS), "classes": table}
    (PACKAGE / "simulate" / f"{name}.toml").write_text(tomli_w.dumps(content))
    print(name, {label: entry["count"] for label, entry in table.items()})


def write_balance(**balances):
    counts = {
        name: {label: len(rows) for label, rows in sorted(groups.items())}
        for name, groups in balances.items()
    }
    note = "Events per class: training set v1.1 (Zenodo 1476156), and O3a at L1 (Zenodo 5649212)."
    text = tomli_w.dumps({"note": note, **counts})
    (PACKAGE / "simulate" / "balance.toml").write_text(text)


def group(rows, key):
    groups = defaultdict(list)
    for row in rows:
        groups[row[key]].append(row)
    return groups


def main(folder):
    spy = folder / "gravityspy"
    write_curves(folder)
    triggers = group(read_rows(spy / "trainingset_v1d1_metadata_without_urls.csv.gz"), "label")
    write_distributions(
        "triggers",
        triggers,
        ("snr", "peak_frequency", "bandwidth", "duration"),
        "Omicron's columns of the Gravity Spy training set v1.1 (Zenodo 1476156), by label.",
    )
    observed = group(read_rows(spy / "o3a_L1_labels.csv.gz"), "label")
    write_balance(official=triggers, o3=observed)
    fits = [
        row
        for row in read_rows(spy / "o3_fits_of_short_glitches.csv.gz")
        if float(row["residual"]) < 3 or row["ml_label"] == "Koi_Fish"
    ]
    write_distributions(
        "short_glitches",
        group(fits, "ml_label"),
        ("snr", "f0", "gbw", "phase"),
        "Fits of a log-normal spectrum to O3 glitches (Bondarescu et al., arXiv:2309.06594).",
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))

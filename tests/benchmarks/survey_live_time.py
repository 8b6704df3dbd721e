"""Live time of an archive against a table that is computed from the files alone.

    python -m tests.benchmarks.survey_live_time FOLDER... [--whole]

Reads every GWOSC file below the folders with h5py and numpy, without any reader of glitchvae,
and counts per detector the seconds that are good and those that a search can look at. Embeds
the files in one job, one job each, in two overlapping halves of each, and in a job that is
killed and started again, and compares what the archives' ledgers say. Prints a table.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import h5py
import numpy as np

CONSTANT, NOTHING, SHORTEST, EDGE = 1 / 16, 5e-24, 8.0, 1.0

OVERLAP = 5  # whole seconds that the halves share


def good_samples(path):
    """Detector, start, step and which samples of a GWOSC file are good."""
    with h5py.File(path) as file:
        data = file["strain/Strain"]
        values, step = data[:], float(data.attrs["Xspacing"])
        start = float(data.attrs["Xstart"])
        ifo = file["meta/Detector"][()].decode()
        mask = file["quality/simple/DQmask"][:]  # equal shares of the file; bit 0 is DATA
    share = np.arange(len(values)) * len(mask) // len(values)
    good = np.isfinite(values) & (mask[share] & 1 == 1)
    return ifo, start, step, good & ~constant(values, step) & ~faint(values, step)


def constant(values, step):
    """Samples of runs of one value that last `CONSTANT` or longer, one sample after the other."""
    found, first = np.zeros(len(values), bool), 0
    for i in range(1, len(values) + 1):
        if i == len(values) or values[i] != values[first]:
            if (i - first) * step >= CONSTANT + step / 2:
                found[first:i] = True
            first = i
    return found


def faint(values, step):
    """Samples of runs below `NOTHING` that last longer than `CONSTANT`: no detector is so quiet."""
    found, first = np.zeros(len(values), bool), None
    for i in range(len(values) + 1):
        if i < len(values) and abs(values[i]) < NOTHING:
            first = i if first is None else first
        elif first is not None:
            if (i - first) * step >= CONSTANT + step / 2:
                found[first:i] = True
            first = None
    return found


def reference(paths):
    """Seconds covered and searched of each detector."""
    stretches = {}
    for path in paths:
        ifo, start, step, good = good_samples(path)
        edges = np.flatnonzero(np.diff(np.concatenate([[0], good.astype(int), [0]])))
        for first, last in edges.reshape(-1, 2):
            stretches.setdefault((ifo, step), []).append(
                (start + first * step, start + last * step)
            )
    table = {}
    for (ifo, _), own in stretches.items():
        covered = searched = 0.0
        for first, last in merged(sorted(own)):
            covered += last - first
            searched += (last - first - 2 * EDGE) * (last - first >= SHORTEST)
        before = table.get(ifo, (0.0, 0.0))
        table[ifo] = (before[0] + covered, before[1] + searched)
    return dict(sorted(table.items()))


def merged(stretches):
    """Stretches in the order of time, those joined that touch."""
    found = []
    for first, last in stretches:
        if found and first <= found[-1][1] + 1e-4:
            found[-1][1] = max(last, found[-1][1])
        else:
            found.append([first, last])
    return found


def halve(path, folder):
    """Two files that together hold what one holds, `OVERLAP` seconds in both."""
    with h5py.File(path) as file:
        data = file["strain/Strain"]
        seconds = round(len(data) * float(data.attrs["Xspacing"]))
    middle = seconds // 2
    return [
        cut(path, 0, middle + OVERLAP, Path(folder) / f"{path.stem}_a.hdf5"),
        cut(path, middle, seconds, Path(folder) / f"{path.stem}_b.hdf5"),
    ]


def cut(path, first, last, target):
    """Write the whole seconds [first, last) of a GWOSC file as one."""
    with h5py.File(path) as file, h5py.File(target, "w") as part:
        for name in ("meta", "strain", "quality"):
            file.copy(name, part)
        part["meta/Duration"][()] = last - first
        part["meta/GPSstart"][()] = file["meta/GPSstart"][()] + first
        step = float(file["strain/Strain"].attrs["Xspacing"])
        masks = ("quality/simple/DQmask", "quality/injections/Injmask")
        for name, rate in (("strain/Strain", 1 / step), *((mask, 1) for mask in masks)):
            attributes = dict(file[name].attrs)
            rows = file[name][round(first * rate) : round(last * rate)]
            del part[name]
            part.create_dataset(name, data=rows)
            part[name].attrs.update(attributes)
        part["strain/Strain"].attrs["Xstart"] = file["strain/Strain"].attrs["Xstart"] + first
        part["strain/Strain"].attrs["Npoints"] = round((last - first) / step)
    return target


def embed(archive, paths, model="default", *, kill_after=None):
    """Run the command; once it told of `kill_after` files send SIGKILL. Returns CPU seconds."""
    command = [
        *(sys.executable, "-m", "glitchvae", "embed", *map(str, paths)),
        *("--archive", str(archive), "--model", str(model)),
        *("--imaging", "light", "--no-uncertainty"),
    ]
    before = os.times()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        if kill_after is not None:
            journals = "parts/.running-*/ledger/searched-*.parquet"
            while process.poll() is None and len(list(Path(archive).glob(journals))) < kill_after:
                time.sleep(0.05)
            process.send_signal(signal.SIGKILL)
        _, errors = process.communicate()
    if kill_after is None and process.returncode:
        raise RuntimeError(errors.decode())
    after = os.times()
    return (after.children_user + after.children_system) - (
        before.children_user + before.children_system
    )


def told(archive):
    """Seconds covered and searched of each detector, as the archive says."""
    from glitchvae.archive import Archive

    ledger = Archive(archive).ledger()
    live, covered = ledger.live(), ledger.covered()
    return {ifo: (float(abs(covered[ifo])), float(abs(live[ifo]))) for ifo in sorted(live)}


def survey(paths, folder, model="default", *, ways=("one job", "one job each", "halves", "killed")):
    """What archives say that were filled in several ways, by the way."""
    found = {}
    for way in ways:
        archive = Path(folder) / way.replace(" ", "-")
        if way == "one job":
            embed(archive, paths, model)
        elif way == "one job each":
            for path in paths:
                embed(archive, [path], model)
        elif way == "halves":
            (Path(folder) / "cut").mkdir(exist_ok=True)
            halves = [halve(path, Path(folder) / "cut") for path in paths]
            for number in (1, 0):  # the later halves first
                embed(archive, [pair[number] for pair in halves], model)
        else:
            for files in (3, 9, 14):
                embed(archive, paths, model, kill_after=files)
            embed(archive, paths, model)
        found[way] = told(archive)
    return found


def print_table(expected, found):
    """A table of seconds as Markdown."""
    print("| detector | what | from the files | " + " | ".join(found) + " |")
    print("|---|---|---|" + "---|" * len(found))
    for ifo, pair in expected.items():
        for number, what in enumerate(("covered", "searched")):
            cells = [f"{table.get(ifo, (0, 0))[number]:.3f}" for table in found.values()]
            print(f"| {ifo} | {what} | {pair[number]:.3f} | " + " | ".join(cells) + " |")


def main(arguments):
    """Print the table of all files below some folders."""
    paths = sorted(p for folder in arguments for p in Path(folder).rglob("*.hdf5"))
    expected = reference(paths)
    with tempfile.TemporaryDirectory() as folder:
        print_table(expected, survey(paths, folder))


if __name__ == "__main__":
    main(sys.argv[1:])

"""Rebuild the real sets that a model learnt from, out of their public sources.

    python rebuild_real_sets.py MODEL OUT --training-set trainingsetv1d1.h5
    python rebuild_real_sets.py MODEL OUT --pictures FOLDER --table gravityspy.csv

MODEL names a shipped model or a folder; its card lists the events. O1 and O2 events are in the
Gravity Spy training set, told by their identifiers. O3 events are published as pictures of 4 s;
a Gravity Spy table with the times of the same identifiers tells which ones they are. The sets
written into OUT are `events` for the recipe `real_event_folds`.
"""

import argparse
from pathlib import Path

import numpy as np

from glitchvae.classes.model_card import find_model, read_card
from glitchvae.dataset import add_metadata, read_images
from glitchvae.spectrogram import SpectrogramSet
from glitchvae.triggers import read_triggers


def of_training_set(path: str, ids: set[str]) -> SpectrogramSet:
    """Events of the training set by their identifiers."""
    return read_images(path, events=ids)


def of_pictures(folder: str, table: str, ids: set[str]) -> SpectrogramSet:
    """Events of one view by detector and time."""
    found = add_metadata(read_images(folder, from_view=4.0), read_triggers(table))
    names = [f"{ifo}-{gps:.4f}" for ifo, gps in zip(found.ifo, found.gps, strict=True)]
    return found.take(np.isin(names, list(ids)))


def main() -> None:
    """Write what the sources hold of each set of the card, and say how much that is."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("model", "out", "--training-set", "--pictures", "--table"):
        parser.add_argument(name)
    given = parser.parse_args()
    for real in read_card(find_model(given.model)).real_sets:
        ids = set(real.ids)
        timed = all(name[2] == "-" for name in ids)
        if timed and given.pictures and given.table:
            found = of_pictures(given.pictures, given.table, ids)
        elif not timed and given.training_set:
            found = of_training_set(given.training_set, ids)
        else:
            continue
        path = Path(given.out) / f"{Path(real.name).stem}.h5"
        found.write(path)
        print(f"{path}: {len(found)} of {len(ids)} events")


if __name__ == "__main__":
    main()

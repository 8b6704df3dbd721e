"""The recipe on a made-up file of the published layout: streamed, split by split, resumed."""

import csv
import json
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO

import h5py
import numpy as np
import pytest

from glitchvae.checkpoint import read_card
from glitchvae.recipes import find_recipe, load_main, run_recipe
from glitchvae.simulate import FAMILIES

RECIPE = "train_on_gravity_spy"
SIZES = {"train": 5587, "validation": 1200, "test": 1179}
"""Events of the published file, version 1.1."""


def write_published(path, sizes, rng, kinds=None):
    """A file of the published layout; classes are bands at heights of their own."""
    classes = sorted(set(FAMILIES) - {"Fast_Scattering", "Blip_Low_Frequency"})[:kinds]
    noise = rng.uniform(0, 0.12, (64, 1, 140, 170)).astype(np.float32)
    with h5py.File(path, "w") as file:
        number = 0
        for split, size in sizes.items():
            for _ in range(size):
                k = number % len(classes)
                event = file.create_group(f"{classes[k]}/{split}/id{number:05d}")
                for view in ("0.5", "1.0", "2.0", "4.0"):
                    picture = noise[rng.integers(64)].copy()
                    picture[0, 6 * k : 6 * k + 6, 60:110] += rng.uniform(0.4, 0.8)
                    event.create_dataset(f"{view}.png", data=picture)
                number += 1
    return number


def run(out, *changes, tiny=False):
    with redirect_stdout(StringIO()) as told, redirect_stderr(StringIO()) as said:
        run_recipe(find_recipe(RECIPE), out, changes=changes, tiny=tiny)
    return told.getvalue(), said.getvalue()


def read(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.mark.whole
def test_a_rehearsal_adapts_and_compares(tmp_path):
    told, said = run(tmp_path / "out", "adapt.largest_fall=1.0", tiny=True)
    rows = read(tmp_path / "out" / "comparison.csv")
    assert {row["method"] for row in rows} == {"codes, linear probe", "codes, 5 nearest"}
    assert "test events" in told
    assert "peak memory" in said
    # The archive has fewer events than the weights need: the model says so.
    card = read_card(tmp_path / "out" / "own" / "model").adapted
    assert any("the weights stay" in note for note in card["notes"])
    assert json.loads((tmp_path / "out" / "own" / "after" / "probe.json").read_text())
    assert callable(load_main(find_recipe(RECIPE)))


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_a_file_of_the_full_size_is_streamed(tmp_path, rng):
    path = tmp_path / "trainingsetv1d1.h5"
    assert write_published(path, SIZES, rng) == 7966
    changes = (
        f"data={path}",
        'splits = ["own"]',
        "table1 = false",
        "adapt.steps = 3",
        "adapt.simulated = 200",
        "adapt.hold_out = 100",
        "adapt.largest_fall = 1.0",
    )
    told, said = run(tmp_path / "out", *changes)
    assert "own          codes, linear probe   1179 test events" in told
    card = read_card(tmp_path / "out" / "own" / "model")
    assert card.adapted["events"] == SIZES["train"] + SIZES["validation"]
    memory = float(said.rsplit("peak memory ", 1)[1].split(" MB")[0].replace(",", ""))
    assert memory < 6000
    again, _ = run(tmp_path / "out", *changes)
    assert again == told

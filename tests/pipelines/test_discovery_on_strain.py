"""The recipe that asks strain without a new class, rehearsed with an untrained little model."""

import csv
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO

import numpy as np
import pytest

from glitchvae.recipes import find_recipe, load_recipe, run_recipe
from glitchvae.simulate import UNCATALOGUED, strain_of
from glitchvae.simulate.noise import asd

recipe = find_recipe("discovery_on_strain")
study = load_recipe(recipe)


def read(path):
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("name", list(study.SHAPES))
def test_each_shape_fits_the_lowest_rate_and_the_time_it_has(name, rng):
    family, curve = study.SHAPES[name], asd("L1")
    assert name not in UNCATALOGUED
    times, values = family.waveform(family.draw(rng), 1024.0)
    assert times.shape == values.shape
    assert np.abs(values[[0, -1]]).max() < 1e-3 * np.abs(values).max()
    spectrum = np.abs(np.fft.rfft(values)) ** 2
    heard = np.fft.rfftfreq(len(values), 1 / 1024.0)
    inside = (heard > 20.0) & (heard < 400.0)
    assert spectrum[inside].sum() > 0.9 * spectrum.sum()
    glitch = strain_of(family, {**family.draw(rng), "snr": 12.0}, 1024.0, curve)
    assert np.isfinite(glitch.strain).all()
    assert np.abs(glitch.strain).max() > 0


@pytest.mark.slow
def test_a_rehearsal_writes_every_table(tmp_path, save_untrained):
    codes = np.random.default_rng(2).normal(size=(60, 6))
    labels = np.array(["Blip", "Whistle", "Tomte"] * 20, dtype=object)
    model = save_untrained(tmp_path / "model", codes, labels, latent_size=6, seed=1)
    text = recipe.config.read_text(encoding="utf-8")
    config = tmp_path / "strain.toml"
    text = text.replace('"default"', f'"{model}"')
    config.write_text(text, encoding="utf-8")
    with redirect_stdout(StringIO()), redirect_stderr(StringIO()):
        run_recipe(recipe, tmp_path / "out", config=config, tiny=True)
    as_it_is, injected, found = (
        read(tmp_path / "out" / f"{name}.csv") for name in ("as_it_is", "injected", "found")
    )
    assert {float(row["threshold"]) for row in as_it_is} == {7.5}
    assert {row["shape"] for row in injected} == {"Vee"}
    assert injected[0]["question"] == "alone"
    assert all(0 <= float(row["purity"]) <= 1 for row in injected)
    assert sum(int(row["of"]) for row in found) == len(injected)

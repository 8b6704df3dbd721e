"""The recipe that compares objectives by how hard their codes are, on untrained models."""

import csv
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO

import numpy as np
import pytest
import tomli_w
import torch
from glitchvae_recipe_hardest_codes.hardness import encode_images

from glitchvae.checkpoint import save_checkpoint
from glitchvae.classes.prototypes import Prototypes
from glitchvae.errors import InputError
from glitchvae.models import GlitchVAE, GlitchVAESettings, prepare
from glitchvae.probes import pool_images
from glitchvae.recipes import find_recipe, run_recipe
from glitchvae.spectrogram import SpectrogramSet
from tests.cards import blank_card

MODEL = GlitchVAESettings(image_shape=(14, 17), widths=(4, 8), hidden=16, latent_size=4)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A set of two classes, one brighter, and two models that were never trained."""
    folder, rng = tmp_path_factory.mktemp("study"), np.random.default_rng(0)
    label = np.array(["Blip", "Tomte", "Whistle"] * 20, dtype=object)
    images = rng.uniform(0, 5, (60, 4, 140, 170))
    images[label == "Tomte", :, :70] += 15
    images[label == "Whistle", :, 70:] += 15
    names = ("snr", "peak_frequency", "q", "duration", "bandwidth", "block_duration")
    made = SpectrogramSet(
        images=images,
        event_id=[str(i) for i in range(60)],
        gps=1000.0 + 600 * np.arange(60),
        ifo=["H1"] * 60,
        f_max=np.full(60, 2048.0),
        status=["ok"] * 60,
        label=label,
        split=np.array(["train", "train", "train", "test"], dtype=object).repeat(3).tolist() * 5,
        **{name: np.full(60, 10.0) for name in names},
    )
    made.write(folder / "set.h5")
    card = blank_card("glitch", latent_size=4)
    x, _ = prepare(torch.from_numpy(pool_images(made.images, 10)))
    for seed, name in enumerate(("VAE-0", "beta-VAE-0")):
        torch.manual_seed(seed)
        model, run = GlitchVAE(MODEL).eval(), folder / "runs" / name
        codes = encode_images(model, x)
        save_checkpoint(run, model, card, Prototypes.fit(codes, label))
        (run / "predictions.csv").touch()
    return folder


def compare(study, out, **changes):
    values = {
        "runs": str(study / "runs"),
        "data": [str(study / "set.h5")],
        "pool": 10,
        "steps": 5,
        **changes,
    }
    out.mkdir(exist_ok=True)
    (out / "mine.toml").write_text(tomli_w.dumps(values))
    with redirect_stdout(StringIO()) as told, redirect_stderr(StringIO()):
        run_recipe(find_recipe("hardest_codes"), out, config=out / "mine.toml")
    return told.getvalue()


def test_every_model_is_measured_and_compared(study, tmp_path):
    told = compare(study, tmp_path)
    assert told.splitlines()[-1].startswith("| beta-VAE |")
    assert told == (tmp_path / "against.md").read_text()
    with (tmp_path / "hardness.csv").open(newline="") as file:
        rows = {row["objective"]: row for row in csv.DictReader(file)}
    assert set(rows) == {"VAE", "beta-VAE"}
    assert all(0 <= float(row["time shift 15"]) <= 1 for row in rows.values())
    assert (tmp_path / "hardness.png").read_bytes().startswith(b"\x89PNG")


def test_what_is_not_there_is_said(study, tmp_path):
    with pytest.raises(InputError, match="found DIP"):
        compare(study, tmp_path, baseline="DIP")
    with pytest.raises(InputError, match=r"nowhere: no models of Table 1"):
        compare(study, tmp_path, runs=str(tmp_path / "nowhere"))


@pytest.mark.slow
def test_a_rehearsal_trains_the_models_first(tmp_path):
    with redirect_stdout(StringIO()) as told, redirect_stderr(StringIO()):
        run_recipe(find_recipe("hardest_codes"), tmp_path, tiny=True)
    assert "| Seatbelt-VAE |" in told.getvalue()

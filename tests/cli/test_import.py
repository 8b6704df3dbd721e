"""`--import`: an objective, a network and a metric of one's own, from the command line alone."""

import sys

import numpy as np
import pytest
from click.testing import CliRunner

from glitchvae.checkpoint import load_checkpoint, read_card
from glitchvae.cli import main
from glitchvae.spectrogram import SpectrogramSet

MODULE = '''
from typing import Literal

import torch
from torch import nn

from glitchvae.objectives import Constant, Objective


class InfoVAE(Objective):
    """D + R + lambda MMD(q(z), p(z)), Zhao et al. 2019."""

    name: Literal["info_mine"] = "info_mine"
    scale: float = 10.0

    def schedules(self):
        return {"scale": Constant(self.scale)}

    def latent_terms(self, latents, batch, discriminator=None):
        z, p = latents.z, torch.randn_like(latents.z)
        k = lambda a, b: (-torch.cdist(a, b).square() / a.shape[1]).exp().mean()
        terms = super().latent_terms(latents, batch, discriminator)
        return {**terms, "mmd": k(z, z) + k(p, p) - 2 * k(z, p)}

    def total(self, terms, weights):
        return terms["reconstruction"] + terms["rate"] + weights["scale"] * terms["mmd"]


class Net(nn.Module):
    def __init__(self, size=3):
        super().__init__()
        self.arguments = {"size": size}
        self.up = nn.Linear(5 * 14 * 17, 2 * size)
        self.down = nn.Linear(size, 4 * 14 * 17)

    def encode(self, x):
        return self.up(x.flatten(1)).chunk(2, dim=1)

    def decode(self, z):
        return self.down(z).sigmoid().unflatten(1, (4, 14, 17))


def spread(codes, factors, rng, protocol):
    return {"spread": float(codes.std())}
'''
SETTINGS = """
steps = 2
batch_size = 4
[model]
architecture = "gv_mine:Net"
arguments = {size = 2}
image_shape = [4, 14, 17]
takes_views = true
"""


@pytest.fixture
def here(tmp_path, rng, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [p for p in sys.path if p])
    monkeypatch.delitem(sys.modules, "gv_mine", raising=False)
    count = 24
    numbers = dict.fromkeys(
        ("gps", "snr", "peak_frequency", "q", "duration", "bandwidth", "f_max", "block_duration"),
        np.arange(count) * 512.0,
    )
    SpectrogramSet(
        images=rng.exponential(1.0, (count, 4, 140, 170)).astype(np.float16),
        event_id=np.array([f"e{i}" for i in range(count)]),
        ifo=np.array(["H1"] * count),
        status=np.array(["ok"] * count),
        label=np.array(["Blip", "Tomte"] * (count // 2)),
        imaging={"name": "light"},
        **numbers,
    ).write(tmp_path / "set.h5")
    (tmp_path / "gv_mine.py").write_text(MODULE)
    (tmp_path / "run.toml").write_text(SETTINGS)
    yield tmp_path
    sys.modules.pop("gv_mine", None)


def invoke(*arguments):
    return CliRunner().invoke(main, arguments)


def test_an_objective_and_a_network_are_trained_resumed_and_opened(here):
    own = ["--import", "gv_mine"]
    train = ["train", "set.h5", "--config", "run.toml", "--device", "cpu", "-o", "run"]
    done = invoke(*train, *own, "--objective", "info_mine")
    assert done.exit_code == 0, done.output
    card = read_card(here / "run")
    assert card.objective == {"name": "info_mine", "scale": 10.0, "class": "gv_mine:InfoVAE"}
    assert card.model["network"] == "gv_mine:Net"
    assert card.model["arguments"] == {"size": 2}
    assert "mmd" in (here / "run" / "log.csv").read_text()
    on = ["train", "set.h5", "--resume", "--steps", "4", "--device", "cpu", "-o", "run"]
    del sys.modules["gv_mine"]
    refused = invoke(*on)
    assert refused.exit_code == 3
    assert "--import gv_mine" in refused.stderr
    done = invoke(*on, *own)
    assert done.exit_code == 0, done.output
    assert load_checkpoint(here / "run").card.steps == 4
    del sys.modules["gv_mine"]
    encode = ["probe", "set.h5", "--model", "run", "--device", "cpu", "--block", "512"]
    refused = invoke(*encode)
    assert refused.exit_code == 3
    assert "--import gv_mine" in refused.stderr
    done = invoke(*encode, *own)
    assert done.exit_code == 0, done.output
    assert "linear probe" in done.stdout


def test_a_module_that_is_not_there_is_one_sentence_and_exit_status_3(here):
    done = invoke("train", "set.h5", "--import", "gv_nowhere", "-o", "run")
    assert done.exit_code == 3
    assert done.stderr.startswith("Error: gv_nowhere: there is no such module")
    told = invoke("train", "set.h5", "--import", "gv_nowhere", "-o", "run", "--json")
    assert '"where": "gv_nowhere"' in told.stdout

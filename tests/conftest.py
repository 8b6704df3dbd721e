"""Fixtures shared by all tests: real data, figures that were drawn, a fixed generator."""

import os
from pathlib import Path

# Before torch is imported: a test that forks after torch has started threads would hang.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pytest
import torch

from glitchvae.checkpoint import DataCard, ModelCard, save_checkpoint
from glitchvae.classes.prototypes import Prototypes
from glitchvae.models import GlitchVAE, GlitchVAESettings
from glitchvae.plots import page
from tests.emulated_cuda import emulated_cuda

DEFAULT_DATA = Path(__file__).parents[1] / ".." / "shared" / "data"


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real detector data, or a skip that says what is missing."""
    folder = Path(os.environ.get("GLITCHVAE_TEST_DATA", DEFAULT_DATA)).resolve()
    if not (folder / "strain").is_dir():
        pytest.skip(f"no real data at {folder}; set GLITCHVAE_TEST_DATA to the folder that has it")
    return folder


@pytest.fixture(scope="session")
def save_untrained():
    """Writes an untrained little model, for tests in which its codes may be anything."""

    def save(folder, codes=None, labels=None, *, latent_size=3, seed=0):
        torch.manual_seed(seed)
        model = GlitchVAE(GlitchVAESettings(widths=(4,), hidden=8, latent_size=latent_size))
        card = ModelCard(
            architecture="", model={}, latent_size=0, objective={}, steps=0, seed=seed,
            data=DataCard(digest=""),
        )  # fmt: skip
        prototypes = None if codes is None else Prototypes.fit(codes, labels)
        save_checkpoint(folder, model, card, prototypes)
        return folder

    return save


@pytest.fixture(params=["emulated", pytest.param("real", marks=pytest.mark.gpu)])
def cuda(request):
    """A CUDA device: one that is emulated, and with `-m gpu` the machine's own."""
    if request.param == "emulated":
        with emulated_cuda() as device:
            yield device
    elif torch.cuda.is_available():
        yield torch.device("cuda", 0)
    else:
        pytest.skip("no CUDA device")


@pytest.fixture
def saved(monkeypatch):
    """The figures that were drawn, beside being written."""
    figures = []
    write = page.save

    def keep(figure, path):
        figures.append(figure)
        write(figure, path)

    monkeypatch.setattr(page, "save", keep)
    return figures


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20260914)

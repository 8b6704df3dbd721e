"""A small untrained model and a short stretch of strain for the commands that embed."""

import numpy as np
import pytest

from glitchvae.simulate import simulate_strain
from glitchvae.strain import write_gwosc


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory, save_untrained):
    """Folder of an untrained checkpoint with prototypes fitted to noise."""
    codes = np.random.default_rng(2).normal(size=(60, 6))
    labels = np.array(["Blip", "Whistle", "Tomte"] * 20, dtype=object)
    folder = tmp_path_factory.mktemp("models") / "tiny"
    return save_untrained(folder, codes, labels, latent_size=6, seed=1)


@pytest.fixture(scope="session")
def simulated_files(tmp_path_factory):
    """48 s of H1 and of L1, four glitches each, at a rate that is quick to search."""
    folder = tmp_path_factory.mktemp("strain")
    paths = []
    for seed, ifo in ((3, "H1"), (4, "L1")):
        strain, _ = simulate_strain(48.0, ifo, seed, sample_rate=1024.0, glitches=4)
        paths.append(folder / f"{ifo[0]}-{ifo}_SIMULATED-48.hdf5")
        write_gwosc(paths[-1], strain)
    return paths


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A place of one's own, where nothing is set; the map is PCA's, as UMAP compiles for long."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("glitchvae.report.plane.neighbour_map", lambda codes, seed: {})
    for name in ("GLITCHVAE_ARCHIVE", "GLITCHVAE_CATALOG"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path

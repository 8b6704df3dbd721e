"""Fixtures shared by all tests: where the real data are, and a fixed generator."""

import os
from pathlib import Path

# Before torch is imported: a test that forks after torch has started threads would hang.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pytest

DEFAULT_DATA = Path(__file__).parents[1] / ".." / "shared" / "data"


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real detector data, or a skip that says what is missing."""
    folder = Path(os.environ.get("GLITCHVAE_TEST_DATA", DEFAULT_DATA)).resolve()
    if not (folder / "strain").is_dir():
        pytest.skip(f"no real data at {folder}; set GLITCHVAE_TEST_DATA to the folder that has it")
    return folder


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20260914)

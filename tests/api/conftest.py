"""Small pictures with factors, and a model of them."""

import numpy as np
import pytest

import glitchvae as gv


def squares() -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """(240, 16, 16) black and white squares of three sizes at some places."""
    x, y, size = (factor.ravel() for factor in np.indices((10, 8, 3)))
    place = np.arange(16)
    across, up = (abs(place - 3 - f[:, None]) <= size[:, None] for f in (x, y))
    return up[:, :, None] & across[:, None, :], {"x": x, "y": y, "size": size}


@pytest.fixture(scope="session")
def pictures() -> np.ndarray:
    return squares()[0]


@pytest.fixture(scope="session")
def data() -> gv.Dataset:
    images, factors = squares()
    split = np.where(np.arange(len(images)) % 4, "train", "test")
    return gv.Dataset(images, labels=factors["size"], split=split, factors=factors, name="squares")


@pytest.fixture(scope="session")
def model(pictures) -> gv.Model:
    return gv.train(
        pictures, "beta", steps=60, network="chen-mlp", latent_size=4, batch_size=32, device="cpu"
    )


@pytest.fixture(scope="session")
def glitches() -> gv.Dataset:
    return gv.simulate_dataset(24, seed=7)


@pytest.fixture(scope="session")
def default() -> gv.Model:
    return gv.load_model(device="cpu")

"""Small pictures with factors, and a model of them."""

import numpy as np
import pytest
import torch

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
        pictures, "beta", steps=60, model="reference", latent_size=4, batch_size=32, device="cpu"
    )


@pytest.fixture(scope="session")
def glitches() -> gv.Dataset:
    return gv.simulate_dataset(24, seed=12)


@pytest.fixture(scope="session")
def default() -> gv.Model:
    return gv.load_model(device="cpu")


class Own(torch.nn.Module):
    """A VAE of the user's own for the squares."""

    def __init__(self, size: int = 3) -> None:
        super().__init__()
        self.up, self.down = torch.nn.Linear(256, 2 * size), torch.nn.Linear(size, 256)
        self.drop = torch.nn.Dropout(0.1)

    def encode(self, x):
        return self.up(self.drop(x).view(len(x), -1)).chunk(2, dim=1)

    def decode(self, z):
        return self.down(z).sigmoid().view(-1, 1, 16, 16)


@pytest.fixture
def own_vae() -> Own:
    torch.manual_seed(0)
    return Own()

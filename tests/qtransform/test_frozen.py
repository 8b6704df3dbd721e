"""A frozen scan is the scan at its reference, and has the right gradient."""

import numpy as np
import pytest
import torch

from glitchvae.errors import InputError
from glitchvae.qtransform import FrozenScan, Grid, Tiling, scan

RATE, DURATION = 512.0, 8.0
TIMES = np.arange(int(RATE * DURATION)) / RATE
GRIDS = (
    Grid(times=np.linspace(-0.2, 0.2, 9), frequencies=np.geomspace(12, 150, 7)),
    Grid(times=np.linspace(-1, 1, 5), frequencies=np.array([5.0, 40.0, 400.0])),
)


@pytest.fixture(scope="module")
def tiling():
    return Tiling(duration=DURATION, sample_rate=RATE)


@pytest.fixture
def whitened():
    noise = torch.randn(1, len(TIMES), generator=torch.Generator().manual_seed(0))
    burst = 6 * np.exp(-(((TIMES - 4) / 0.05) ** 2)) * np.sin(2 * np.pi * 60 * TIMES)
    return noise + torch.from_numpy(burst).float()


def test_at_its_reference_it_is_the_scan(whitened, tiling):
    frozen = FrozenScan.of(whitened, tiling, centre=4.0, grids=GRIDS, trim=1.0)
    centre = torch.tensor([4.0], dtype=torch.float64)
    expected = scan(whitened, tiling, centre=centre, grids=GRIDS, trim=1.0)
    assert tiling.planes[frozen.plane].q == float(expected.q)
    for found, view in zip(frozen.views(whitened), expected.views, strict=True):
        torch.testing.assert_close(found, view, equal_nan=True, rtol=1e-5, atol=1e-6)
    assert frozen.views(whitened)[1][:, [0, 2]].isnan().all()


def test_energies_grow_with_the_square_of_the_strain(whitened, tiling):
    frozen = FrozenScan.of(whitened, tiling, centre=4.0, grids=GRIDS)
    torch.testing.assert_close(frozen.views(3 * whitened)[0], 9 * frozen.views(whitened)[0])


def test_the_gradient_is_that_of_finite_differences(whitened, tiling):
    frozen = FrozenScan.of(whitened, tiling, centre=4.0, grids=GRIDS)

    def loudness(block):
        return frozen.views(block)[0].log1p().mean()

    leaf = whitened.clone().requires_grad_(True)
    (gradient,) = torch.autograd.grad(loudness(leaf), leaf)
    assert gradient.isfinite().all()
    direction = gradient / gradient.norm()
    step = 0.02
    with torch.no_grad():
        ahead, behind = (loudness(whitened + side * step * direction) for side in (1, -1))
    assert float((ahead - behind) / (2 * step)) == pytest.approx(float(gradient.norm()), rel=1e-2)
    # What lies far from the images in time hardly matters to them.
    near = np.abs(TIMES - 4) < 1.5
    assert gradient[0, ~near].norm() < 0.05 * gradient[0, near].norm()


def test_only_one_finite_block_is_frozen(whitened, tiling):
    with pytest.raises(InputError, match="one finite block"):
        FrozenScan.of(whitened.repeat(2, 1), tiling, centre=4.0, grids=GRIDS)
    with pytest.raises(InputError, match="one finite block"):
        FrozenScan.of(whitened * torch.nan, tiling, centre=4.0, grids=GRIDS)

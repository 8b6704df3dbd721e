"""Energies become inputs in [0, 1] and come back."""

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from glitchvae.models import enlarge, prepare, reduce, restore
from glitchvae.shapes import ENERGY_CEILING

ENERGIES = arrays(np.float32, (2, 4, 3, 5), elements=st.floats(0, 1000, width=32))


@given(ENERGIES)
def test_restore_inverts_prepare_below_the_ceiling(energies):
    x, valid = prepare(torch.from_numpy(energies))
    assert x.shape == (2, 5, 3, 5)
    assert valid.all()
    assert ((x >= 0) & (x <= 1)).all()
    clipped = energies.clip(0, ENERGY_CEILING)
    np.testing.assert_allclose(restore(x[:, :4]), clipped, rtol=1e-5, atol=1e-5)


def test_what_was_not_computed_is_dark_and_marked():
    energies = torch.full((1, 4, 6, 5), 3.0, dtype=torch.float16)
    energies[:, :, 4:] = torch.nan
    x, valid = prepare(energies)
    assert x.dtype == torch.float32
    assert (x[:, :, 4:] == 0).all()
    assert valid.dtype == torch.bool
    assert valid[0, 0, :, 0].tolist() == [True] * 4 + [False] * 2
    assert torch.equal(x[:, 4:], valid.float())


def test_the_callers_images_stay_as_they_were():
    energies = torch.tensor([[[[40.0, torch.nan]]]])
    prepare(energies)
    assert energies[0, 0, 0, 0] == 40
    assert energies[0, 0, 0, 1].isnan()


def test_reduced_pixels_are_means_of_what_they_cover(rng):
    x, _ = prepare(torch.from_numpy(rng.uniform(0, 25, (2, 4, 6, 8)).astype(np.float32)))
    small = reduce(x, (3, 4))
    expected = x.unflatten(3, (4, 2)).unflatten(2, (3, 2)).mean(dim=(3, 5))
    torch.testing.assert_close(small, expected)
    assert reduce(small, (3, 4)) is small


def test_a_reduced_row_counts_as_computed_where_all_it_covers_was(rng):
    energies = torch.full((1, 4, 6, 8), 3.0)
    energies[:, :, 3:] = torch.nan
    small = reduce(prepare(energies)[0], (3, 4))
    assert small[0, -1, :, 0].tolist() == [1, 0, 0]
    assert (small[:, :, 1:] == 0).all()


def test_enlarged_views_keep_what_is_uniform_and_their_mean():
    views = torch.linspace(0, 1, 12).reshape(1, 1, 3, 4)
    large = enlarge(views, (6, 8))
    assert large.shape == (1, 1, 6, 8)
    torch.testing.assert_close(large.mean(), views.mean())
    uniform = enlarge(torch.full((1, 1, 3, 4), 0.3), (7, 9))
    torch.testing.assert_close(uniform, torch.full((1, 1, 7, 9), 0.3))

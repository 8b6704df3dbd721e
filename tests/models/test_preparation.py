"""Energies become inputs in [0, 1] and come back."""

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from glitchvae.models import prepare, restore
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

"""Changes of images are what they say, and codes that ignore them are called reliable."""

import numpy as np
import pytest
import torch
from scipy.interpolate import interp1d
from scipy.stats import gmean

from glitchvae.embedding.uncertainty import (
    SHIFT,
    changes,
    code_stability,
    latent_spread,
    make_quieter,
    shift_time,
    tilt,
    view_agreement,
)
from glitchvae.models import GlitchVAE, GlitchVAESettings, prepare
from glitchvae.shapes import ENERGY_CEILING, VIEWS


@pytest.fixture
def images(rng):
    """Four events of noise; of the second only the lower hundred rows were computed."""
    energies = torch.from_numpy(rng.exponential(1.44, (4, 4, 140, 170)).astype(np.float32))
    energies[1, :, 100:] = torch.nan
    return energies


def test_the_spread_is_the_geometric_mean_of_deviations(rng):
    log_var = rng.normal(size=(5, 8))
    expected = gmean(np.exp(0.5 * log_var), axis=1)
    torch.testing.assert_close(latent_spread(torch.from_numpy(log_var)).numpy(), expected)
    assert latent_spread(torch.zeros(1, 8)) == 1  # the prior


def test_a_shift_is_one_time_in_all_views(images):
    shifted = shift_time(images, SHIFT).numpy()
    for view, duration in enumerate(VIEWS):
        times = (np.arange(170) + 0.5) * duration / 170
        values = images[0, view].numpy()
        known = interp1d(
            times, values, bounds_error=False, fill_value=(values[:, 0], values[:, -1])
        )
        np.testing.assert_allclose(shifted[0, view], known(times - SHIFT), rtol=2e-3, atol=2e-3)
    np.testing.assert_array_equal(np.isnan(shifted), np.isnan(images.numpy()))
    torch.testing.assert_close(shift_time(images, 0.0), images, equal_nan=True)


def test_a_quieter_glitch_has_less_excess_and_the_same_noise():
    """SNR is the root of the excess; energy at the noise's median or below stays."""
    energies = torch.tensor([0.2, 1.0, 5.0, 21.0])
    quieter = make_quieter(energies, 0.5)
    assert quieter.tolist() == pytest.approx([0.2, 1.0, 2.0, 6.0])
    torch.testing.assert_close(make_quieter(energies, 1.0), energies)


def test_a_tilt_is_smooth_over_the_rows_and_the_same_in_time(images):
    gain = (tilt(images, 0.2) / images)[0, 0].numpy()
    np.testing.assert_allclose(gain[[0, -1], 7], (1.2, 0.8), rtol=1e-5)
    assert (np.diff(gain[:, 0]) < 0).all()
    np.testing.assert_allclose(gain, np.tile(gain[:, :1], 170), rtol=1e-5)
    assert np.abs(np.diff(gain[:, 0])).max() < 0.2 * np.pi / 139 * 1.01


def test_changes_keep_what_is_saturated_and_what_is_missing(images):
    images[0, :, 40:60, 80:90] = ENERGY_CEILING
    changed = list(changes(images))
    assert len(changed) == 3
    for one in changed[1:]:
        assert (one[0, :, 40:60, 80:90] == ENERGY_CEILING).all()
    for one in changed:
        torch.testing.assert_close(one.isnan(), images.isnan())
        assert not torch.equal(one[0], images[0])


def test_a_code_that_ignores_a_change_is_stable(images):
    """The sum over time of all views knows nothing of a shift, and half the energy halves it."""

    def direction(x):
        return torch.ones(len(x), 3) * x[:, :-1].mean(dim=(1, 2, 3))[:, None]

    codes = direction(prepare(images)[0])
    ones = torch.ones(4)
    torch.testing.assert_close(code_stability(direction, images, codes), ones)
    torch.testing.assert_close(view_agreement(direction, images, codes), ones)


def test_a_code_of_one_view_depends_on_it_alone(images):
    """Without the third view the code points the other way; the others do not matter."""

    def third(x):
        seen = x[:, 2].mean(dim=(1, 2)) > 0
        return torch.where(seen, 1.0, -1.0)[:, None] * torch.ones(len(x), 2)

    codes = third(prepare(images)[0])
    torch.testing.assert_close(view_agreement(third, images, codes), torch.full((4,), 0.5))


def test_events_do_not_depend_on_their_batch_mates(images):
    torch.manual_seed(0)
    model = GlitchVAE(GlitchVAESettings(widths=(4, 8, 8, 8), hidden=16, latent_size=6)).eval()

    def encode(x):
        return model.encode(x).mean

    with torch.inference_mode():
        codes = encode(prepare(images)[0])
        for measure in (view_agreement, code_stability):
            together = measure(encode, images, codes)
            alone = torch.cat(
                [measure(encode, images[i : i + 1], codes[i : i + 1]) for i in range(4)]
            )
            torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)
            assert (together.abs() <= 1 + 1e-6).all()

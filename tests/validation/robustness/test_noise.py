"""Noise, norms and evidence agree with their definitions."""

import numpy as np
import pytest
import torch
from torch.distributions import Normal, kl_divergence

from glitchvae.errors import InputError
from glitchvae.models import build
from glitchvae.validation.robustness.noise import (
    evidence,
    noise_curve,
    noisy_log_likelihoods,
    weight_norms,
)

PICTURES = {"network": "reference", "image_shape": (1, 16, 16)}


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return build("image", {**PICTURES, "latent_size": 3}).eval()


@pytest.fixture(scope="module")
def hierarchy():
    torch.manual_seed(1)
    sizes = {"latent_sizes": (4, 2), "hidden_widths": (8,), "likelihood_on": "all"}
    return build("hierarchy", {**PICTURES, **sizes}).eval()


@pytest.fixture(scope="module")
def images():
    return torch.rand(6, 1, 16, 16, generator=torch.Generator().manual_seed(2))


def test_without_noise_the_likelihood_is_that_of_the_reconstruction(model, images):
    curve = noise_curve(model, images, [0.0], torch.Generator(), draws=1)
    with torch.no_grad():
        each = model.decode(model.encode(images).mean).log_prob(images).flatten(1).sum(1).double()
    assert curve.log_likelihood[0] == pytest.approx(float(each.mean()))
    assert curve.error[0] == pytest.approx(float(each.std() / 6**0.5))
    assert curve.images == 6


def test_noise_that_no_code_feels_changes_nothing(images):
    torch.manual_seed(0)
    deaf = build("image", {**PICTURES, "latent_size": 3}).eval()
    with torch.no_grad():
        deaf.encoder[-1].weight.zero_()
    curve = noise_curve(deaf, images, [0.0, 0.5, 2.0], torch.Generator().manual_seed(0))
    np.testing.assert_allclose(curve.log_likelihood, curve.log_likelihood[0])


def test_noise_leaves_the_range_of_the_data_unless_it_is_cut(model, images):
    """The definition, with the same draws."""
    noise = torch.randn(2, *images.shape, generator=torch.Generator().manual_seed(4))
    for clip in (False, True):
        noisy = images + 0.7 * noise
        assert noisy.min() < 0
        assert noisy.max() > 1
        noisy = noisy.clamp(0, 1) if clip else noisy
        with torch.no_grad():
            each = [model.decode(model.encode(x).mean).log_prob(images) for x in noisy]
        expected = float(torch.stack(each).flatten(2).sum(2).mean())
        generator = torch.Generator().manual_seed(4)
        curve = noise_curve(model, images, [0.7], generator, draws=2, clip=clip)
        assert curve.log_likelihood[0] == pytest.approx(expected, rel=1e-5)
        assert curve.clipped == clip


def test_a_curve_is_the_mean_of_its_images(model, images):
    every, curve = (
        of(model, images, [0.0, 0.4], torch.Generator().manual_seed(1), draws=3)
        for of in (noisy_log_likelihoods, noise_curve)
    )
    assert every.shape == (2, 6)
    np.testing.assert_allclose(every.mean(axis=1), curve.log_likelihood)
    np.testing.assert_allclose(every.std(axis=1, ddof=1) / 6**0.5, curve.error)


def test_curves_do_not_depend_on_the_size_of_batches(model, images):
    curves = [
        noise_curve(model, images, [0.3], torch.Generator().manual_seed(5), batch_size=size)
        for size in (2, 256)
    ]
    np.testing.assert_allclose(curves[0].log_likelihood, curves[1].log_likelihood, rtol=1e-6)


def test_norms_are_those_of_all_weights_of_a_half(model, hierarchy):
    for each in (model, hierarchy):
        norms = weight_norms(each)
        whole = torch.cat([p.detach().flatten() for p in each.parameters()]).norm()
        assert np.hypot(*norms) == pytest.approx(float(whole), rel=1e-6)
    encoder = torch.cat([p.detach().flatten() for p in model.encoder.parameters()])
    assert weight_norms(model).encoder == pytest.approx(float(encoder.norm()))


def test_the_evidence_is_distortion_and_closed_form_rate(model, images):
    found = evidence(model, images)
    with torch.no_grad():
        rate = kl_divergence(model.encode(images), Normal(0.0, 1.0)).sum(1).mean()
    assert found.rates == pytest.approx((float(rate),), rel=1e-5)
    assert found.elbo == pytest.approx(-found.reconstruction - sum(found.rates))
    assert evidence(model, images) == found


def test_every_layer_of_a_hierarchy_has_a_rate(hierarchy, images):
    found = evidence(hierarchy, images)
    assert len(found.rates) == 2
    assert min(found.rates) > 0


def test_the_kl_of_units_is_that_of_the_draws_and_adds_up(hierarchy, images):
    found = evidence(hierarchy, images, seed=3)
    assert [len(layer) for layer in found.units] == [4, 2]
    assert [sum(layer) for layer in found.units] == pytest.approx(found.rates)
    torch.manual_seed(3)
    with torch.no_grad():
        latents = hierarchy.infer(images)
        top = kl_divergence(latents.posteriors[1], Normal(0.0, 1.0)).mean(0)
    lower = float(latents.log_ratios[0].mean())
    assert found.units[1] == pytest.approx(top.tolist(), rel=1e-5)
    assert found.rates[0] == pytest.approx(lower, rel=1e-4)


def test_the_seed_of_others_is_left_alone(model, images):
    torch.manual_seed(9)
    expected = torch.rand(1)
    torch.manual_seed(9)
    evidence(model, images)
    assert torch.equal(torch.rand(1), expected)


def test_bad_input_is_named(model, images):
    with pytest.raises(InputError, match="outside the range"):
        noise_curve(model, images + 1, [0.1], torch.Generator())
    with pytest.raises(InputError, match="negative"):
        noise_curve(model, images, [-0.1], torch.Generator())
    with pytest.raises(InputError, match="no image"):
        evidence(model, images[:0])

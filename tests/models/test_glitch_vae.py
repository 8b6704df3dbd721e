"""The glitch VAE keeps the contract of every model: shapes, gradients, independent events."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.distributions import Bernoulli, Normal

from glitchvae.errors import ModelError
from glitchvae.models import GlitchVAE, GlitchVAESettings, architecture_of, build, prepare, reduce

TINY = GlitchVAESettings(image_shape=(20, 24), widths=(4, 8), hidden=16, latent_size=3)


@pytest.fixture
def x() -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return prepare(30 * torch.rand(5, 4, 20, 24, generator=generator))[0]


@pytest.mark.parametrize(("likelihood", "kind"), [("bernoulli", Bernoulli), ("gaussian", Normal)])
def test_forward_returns_distributions(x, likelihood, kind):
    model = GlitchVAE(TINY.model_copy(update={"likelihood": likelihood}))
    posterior, pixels = model(x)
    assert isinstance(posterior, Normal)
    assert isinstance(pixels, kind)
    assert posterior.mean.shape == (5, 3)
    assert pixels.mean.shape == (5, 4, 20, 24)
    assert ((pixels.mean >= 0) & (pixels.mean <= 1)).all()
    assert pixels.log_prob(x[:, :4]).shape == (5, 4, 20, 24)


@pytest.mark.parametrize("likelihood", ["bernoulli", "gaussian"])
def test_every_parameter_gets_a_gradient(x, likelihood):
    model = GlitchVAE(TINY.model_copy(update={"likelihood": likelihood}))
    posterior, pixels = model(x)
    (posterior.stddev.sum() - pixels.log_prob(x[:, :4]).sum()).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


def test_a_code_does_not_depend_on_batch_mates(x):
    model = GlitchVAE(TINY)
    alone = model.encode(x[2:3]).mean
    torch.testing.assert_close(model.encode(x).mean[2:3], alone, rtol=1e-5, atol=1e-6)


def test_the_band_that_was_computed_reaches_the_code():
    model = GlitchVAE(TINY)
    silent = torch.zeros(1, 4, 20, 24)
    unknown = silent.clone()
    unknown[:, :, 10:] = torch.nan
    codes = model.encode(prepare(torch.cat([silent, unknown]))[0]).mean
    assert not torch.allclose(codes[0], codes[1])


@pytest.mark.parametrize("row", range(20))
def test_a_line_one_pixel_wide_reaches_the_code_wherever_it_lies(row):
    model = GlitchVAE(TINY)
    line = torch.zeros(1, 4, 20, 24)
    dark = model.encode(prepare(line)[0]).mean
    line[:, :, row] = 25.5
    assert (model.encode(prepare(line)[0]).mean - dark).abs().max() > 1e-4


@settings(max_examples=20, deadline=None)
@given(height=st.integers(8, 41), width=st.integers(8, 41), stages=st.integers(1, 3))
def test_the_decoder_mirrors_any_image_size(height, width, stages):
    size = GlitchVAESettings(image_shape=(height, width), widths=(2,) * stages, hidden=4)
    model = GlitchVAE(size)
    assert model.decode(torch.zeros(1, 32)).mean.shape == (1, 4, height, width)


def test_larger_images_are_reduced_before_they_are_encoded():
    model = GlitchVAE(TINY)
    large, _ = prepare(30 * torch.rand(2, 4, 40, 48, generator=torch.Generator().manual_seed(2)))
    codes = model.encode(large).mean
    torch.testing.assert_close(codes, model.encode(reduce(large, (20, 24))).mean)
    assert model(large)[1].mean.shape == (2, 4, 20, 24)


def test_the_shipped_size_stays_small():
    parameters = sum(p.numel() for p in GlitchVAE().parameters())
    assert 4 * parameters < 10e6


def test_too_many_stages_for_the_image_are_refused():
    with pytest.raises(ValueError, match="leave nothing"):
        GlitchVAE(GlitchVAESettings(image_shape=(4, 4), widths=(2, 2, 2)))


def test_models_are_built_by_name():
    model = build(architecture_of(TINY), TINY.model_dump())
    assert model.settings == TINY
    with pytest.raises(ModelError, match=r"unknown architecture.*glitch.*found burges"):
        build("burges", {})

"""Networks have the layers that were published, at any image size."""

from itertools import pairwise
from math import prod, sqrt

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from glitchvae.models.networks import NETWORKS

DSPRITES = (1, 64, 64)


def size(network):
    return sum(parameter.numel() for parameter in network.parameters())


def convolutions(*layers):
    """Parameters of convolutions given as (channels in, channels out, kernel), with biases."""
    return sum(before * after * kernel**2 + after for before, after, kernel in layers)


def dense(*widths):
    """Parameters of dense layers between these widths, with biases."""
    return sum(a * b + b for a, b in pairwise(widths))


FOUR = ((32, 32, 4),) * 3
NORMALISED = 2 * (32 + 32 + 64 + 64 + 512)  # scales and offsets of BatchNorm
CHEN = 16 * (32 + 32 * 32 + 32 * 64 + 64 * 64 + 64 * 512) + NORMALISED
PUBLISHED = {
    "burgess": (
        convolutions((1, 32, 4), *FOUR) + dense(512, 256, 256, 20),
        convolutions(*FOUR, (32, 1, 4)) + dense(10, 256, 256, 512),
    ),
    "reference": (
        convolutions((1, 32, 4), (32, 32, 4), (32, 64, 2), (64, 64, 2)) + dense(1024, 256, 20),
        convolutions((64, 64, 4), (64, 32, 4), (32, 32, 4), (32, 1, 4)) + dense(10, 256, 1024),
    ),
    "chen-mlp": (dense(4096, 1200, 1200, 20), dense(10, 1200, 1200, 1200, 4096)),
    "chen-conv": (CHEN + dense(512, 20), CHEN + 10 * 512 + 1),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_parameters_are_those_of_the_published_layers(name):
    encoder = NETWORKS[name].encoder(DSPRITES, 20)
    decoder = NETWORKS[name].decoder(DSPRITES, 10)
    assert (size(encoder), size(decoder)) == PUBLISHED[name]


def test_the_burgess_network_has_250_thousand_parameters_a_side_and_25_megaflop():
    halves = [NETWORKS["burgess"].encoder(DSPRITES, 20), NETWORKS["burgess"].decoder(DSPRITES, 10)]
    assert [round(size(half), -4) for half in halves] == [250_000, 250_000]
    with FlopCounterMode(display=False) as counter:
        halves[1](halves[0](torch.zeros(1, 1, 64, 64))[:, :10])
    assert counter.get_total_flops() == pytest.approx(25e6, rel=0.02)


@pytest.mark.parametrize("name", NETWORKS)
@settings(max_examples=8, deadline=None)
@given(
    channels=st.integers(1, 4),
    height=st.integers(16, 50),
    width=st.integers(16, 50),
)
def test_the_decoder_returns_the_shape_that_the_encoder_takes(name, channels, height, width):
    shape = (channels, height, width)
    encoder = NETWORKS[name].encoder(shape, 6).eval()
    decoder = NETWORKS[name].decoder(shape, 3).eval()
    with torch.inference_mode():
        assert decoder(encoder(torch.zeros(2, *shape))[:, :3]).shape == (2, *shape)


@pytest.mark.parametrize(("name", "heads"), [("burgess", 20), ("reference", 10)])
def test_weights_start_as_those_of_tensorflow(name, heads):
    torch.manual_seed(0)
    layers = [*NETWORKS[name].encoder(DSPRITES, 20), *NETWORKS[name].decoder(DSPRITES, 10)]
    for layer in layers:
        if isinstance(layer, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
            assert (layer.bias == 0).all()
            limit = sqrt(6 / sum(fans(layer, heads)))
            assert 0.9 * limit < layer.weight.abs().max() <= limit


def fans(layer, heads):
    """Inputs and outputs of a unit; means and log-variances may be two layers of `heads`."""
    first, second, *kernel = layer.weight.shape
    if (first, second) == (20, 256):
        return heads, second
    return first * prod(kernel), second * prod(kernel)


def test_an_image_too_small_to_be_halved_is_refused():
    NETWORKS["burgess"].check((1, 16, 16))
    NETWORKS["chen-mlp"].check((1, 3, 2))
    with pytest.raises(ValueError, match=r"at least 16 x 16 pixels, not \(1, 64, 15\)"):
        NETWORKS["burgess"].check((1, 64, 15))

"""Convolutions as matrix products are the convolutions."""

import pytest
import torch
from torch import nn

from glitchvae.training.ensemble.matrix import MatrixConv2d, with_matrix_products

LAYERS = [
    nn.Conv2d(3, 5, 4, stride=2, padding=1),
    nn.Conv2d(3, 5, (2, 3), stride=(1, 2), padding=(0, 2), dilation=(2, 1), bias=False),
    nn.ConvTranspose2d(3, 5, 4, stride=2, padding=1, output_padding=(0, 1)),
    nn.ConvTranspose2d(3, 5, (2, 3), stride=(3, 1), dilation=(1, 2), bias=False),
]


@pytest.mark.parametrize("layer", LAYERS, ids=str)
def test_outputs_and_gradients_are_those_of_the_convolution(layer, rng):
    x = torch.from_numpy(rng.normal(size=(2, 3, 9, 12)).astype("float32"))
    model = nn.Sequential(layer, nn.SiLU())
    other = with_matrix_products(model)
    assert other.state_dict().keys() == model.state_dict().keys()
    torch.testing.assert_close(other(x), model(x))
    for each in (model, other):
        each.zero_grad()
        each(x).square().sum().backward()
    for a, b in zip(model.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(a.grad, b.grad, rtol=1e-4, atol=1e-4)


def test_the_model_itself_stays_as_it_is():
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Sequential(nn.Conv2d(2, 1, 3)))
    other = with_matrix_products(model)
    assert type(model[1][0]) is nn.Conv2d
    assert type(other[1][0]) is MatrixConv2d
    assert other[0].weight.data_ptr() != model[0].weight.data_ptr()


@pytest.mark.parametrize(
    "layer", [nn.Conv2d(4, 4, 3, groups=2), nn.Conv2d(1, 1, 3, padding="same")], ids=str
)
def test_what_cannot_be_written_so_is_refused(layer):
    with pytest.raises(ValueError, match="matrix product"):
        with_matrix_products(nn.Sequential(layer))

"""Traversals change one latent variable at a time."""

import numpy as np
import pytest
import torch
from torch.distributions import Normal

from glitchvae import plots
from glitchvae.checkpoint import save_checkpoint
from glitchvae.errors import InputError
from glitchvae.models import build
from glitchvae.plots.traversals import PLACES, draw_factor_traversals
from glitchvae.validation.images.factors import FactorData
from tests.cards import blank_card


def decode(z):
    """A picture whose pixels are the latent variables."""
    return Normal(z[:, None, None, :], 1.0)


def test_one_variable_takes_the_values_and_the_others_stay():
    origin = np.array([0.1, 0.2, 0.3], dtype=np.float32)
    pictures = plots.traverse(decode, origin, (2, 0), (-1.0, 1.0))
    assert pictures.shape == (2, 2, 1, 1, 3)
    expected = [[[0.1, 0.2, -1], [0.1, 0.2, 1]], [[-1, 0.2, 0.3], [1, 0.2, 0.3]]]
    np.testing.assert_allclose(pictures[:, :, 0, 0], expected, rtol=1e-6)


def test_the_decoder_sees_no_gradient():
    seen = []

    def note(z):
        seen.append(z.requires_grad or torch.is_grad_enabled())
        return decode(z)

    plots.traverse(note, np.zeros(2, np.float32), (0,), (0.0,))
    assert seen == [False]


def test_a_dimension_that_is_not_there_is_refused():
    with pytest.raises(InputError, match="0 to 1"):
        plots.traverse(decode, np.zeros(2, np.float32), (2,), (0.0,))


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_a_row_for_each_dimension_and_a_column_for_each_value(channels, rng, tmp_path, saved):
    pictures = rng.random((2, 3, channels, 8, 8))
    plots.traversals(pictures, ["dim 1", "dim 5"], [-1, 0, 1], tmp_path / "t.png")
    axes = saved[0].axes
    assert len(axes) == 6
    assert [a.get_ylabel() for a in axes[::3]] == ["dim 1", "dim 5"]
    assert [a.get_title() for a in axes[:3]] == ["-1.0", "+0.0", "+1.0"]
    shown = np.asarray(axes[4].get_images()[0].get_array())
    middle = pictures[1, 1]
    expected = {1: middle[0], 3: np.moveaxis(middle, 0, -1), 4: middle[min(1, channels - 1)]}
    np.testing.assert_allclose(shown, expected[channels])


def test_names_that_do_not_fit_are_refused(rng, tmp_path):
    with pytest.raises(InputError, match="names"):
        plots.traversals(rng.random((2, 3, 1, 8, 8)), ["dim 1"], [-1, 0, 1], tmp_path / "t.png")


def test_images_reconstructions_and_dead_dimensions_in_grey(tmp_path, saved):
    """A model whose second dimension is the prior's: figure 3 of the paper."""
    torch.manual_seed(0)
    factors = np.array([[i % 3, i // 3] for i in range(12)])
    pixels = np.zeros((12, 1, 16, 16), np.uint8)
    for image, (a, b) in zip(pixels, factors, strict=True):
        image[0, 2 + 3 * a :, 2 + 3 * b :][:4, :4] = 255
    data = FactorData(
        name="squares",
        pixels=pixels,
        binary=False,
        factors=factors,
        names=("a", "b"),
        values=(np.arange(3.0), np.arange(4.0)),
        description="squares",
    )
    settings = {"network": "reference", "image_shape": (1, 16, 16), "latent_size": 2}
    model = build("image", settings)
    with torch.no_grad():
        head = model.encoder[-1]
        head.weight.zero_()
        head.bias.copy_(torch.tensor([2.0, 0.0, 0.0, 0.0]))  # means 2 and 0, variances 1
    save_checkpoint(tmp_path / "run", model.eval(), blank_card())
    draw_factor_traversals(tmp_path / "run", data, tmp_path / "t.png")
    axes = saved[0].axes
    names = [a.get_ylabel() for a in axes[:: len(PLACES)]]
    assert names == ["images", "reconstructions", "dim 1:  0%, 2.0 nats", "dim 2: dead"]
    shown = [np.asarray(a.images[0].get_array()) for a in axes]
    np.testing.assert_allclose(shown[0], pixels[0, 0] / 255, atol=1e-6)
    with torch.inference_mode():
        z = torch.tensor([[2.0, 0.0], [2.0, -2.0]])
        drawn, dead = model.decode(z).mean.numpy()[:, 0]
    places = len(PLACES)
    np.testing.assert_allclose(shown[places], drawn, atol=1e-5)
    np.testing.assert_allclose(shown[3 * places], 0.5 + (dead - 0.5) / 3, atol=1e-5)


def test_all_views_of_a_glitch_with_its_axes_and_rows(rng, tmp_path, saved):
    pictures = 25 * rng.random((2, 3, 4, 14, 17))
    names = ["dim 1\n2.00 nats", "dim 5\n0.10 nats"]
    plots.glitch_traversals(pictures, names, [-1, 0, 1], tmp_path / "t.png", title="run")
    blocks = [axes for axes in saved[0].axes if len(axes.images) == 4]
    assert len(blocks) == 6
    for block, views in zip(blocks, pictures.reshape(6, 4, 14, 17), strict=True):
        for image, view in zip(block.images, views, strict=True):
            np.testing.assert_allclose(np.asarray(image.get_array()), view)
    assert [block.get_ylabel() for block in blocks[::3]] == names
    assert [block.get_title() for block in blocks[:3]] == ["-1.0 σ", "+0.0 σ", "+1.0 σ"]
    assert [t.get_text() for t in blocks[0].get_yticklabels()][:2] == ["16 Hz", "64 Hz"]
    for below in blocks[3:]:
        assert [t.get_text() for t in below.get_xticklabels()] == ["0.5 s", "1 s", "2 s", "4 s"]
    with pytest.raises(InputError, match="names"):
        plots.glitch_traversals(pictures, names[:1], [-1, 0, 1], tmp_path / "t.png")
    with pytest.raises(InputError, match="values"):
        plots.glitch_traversals(pictures, names, [-1, 0], tmp_path / "t.png")


@pytest.mark.parametrize(
    ("dimension", "layers", "name"),
    [
        (4, (10,), "dim 5"),
        (4, (), "dim 5"),
        (0, (3, 2), "z1 dim 1"),
        (2, (3, 2), "z1 dim 3"),
        (3, (3, 2), "z2 dim 1"),
        (4, (3, 2), "z2 dim 2"),
    ],
)
def test_no_dimension_has_the_name_of_a_layer(dimension, layers, name):
    assert plots.dimension_name(dimension, layers) == name

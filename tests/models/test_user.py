"""Networks of the user's own keep the contract of every model, or are told what they lack."""

import copy

import numpy as np
import pytest
import torch
from torch import nn
from torch.distributions import Bernoulli, Independent, Normal, kl_divergence

from glitchvae.errors import ModelError
from glitchvae.models import (
    UserVAE,
    architecture_of,
    build,
    evaluating,
    prepare,
    read_model,
    reduce,
    takes_views,
    wrap_encoder,
    wrap_vae,
)
from glitchvae.models.user import posterior_of


class Linear(nn.Module):
    """A VAE of two matrices, with dropout and a layout of memory that only `view` likes."""

    def __init__(self, shape=(2, 6, 7), size=3):
        super().__init__()
        self.shape, count = shape, shape[0] * shape[1] * shape[2]
        self.up, self.down = nn.Linear(count, 2 * size), nn.Linear(size, count)
        self.drop = nn.Dropout(0.5)

    def encode(self, x):
        mean, log_var = self.up(self.drop(x).view(len(x), -1)).chunk(2, dim=1)
        return mean, log_var

    def decode(self, z):
        return self.down(z).sigmoid().view(-1, *self.shape)


@pytest.fixture
def x():
    return torch.rand(4, 2, 6, 7, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def network():
    torch.manual_seed(0)
    return Linear()


def test_a_vae_is_a_model(network, x):
    model = wrap_vae(network, x).eval()
    mean, log_var = network.eval().encode(x)
    latents = model.infer(x)
    assert model.layers == (3,)
    torch.testing.assert_close(latents.posterior.mean, mean)
    torch.testing.assert_close(latents.posterior.stddev, (0.5 * log_var).exp())
    torch.testing.assert_close(model.decode(mean).mean, network.decode(mean))
    assert not torch.equal(latents.z, mean)
    assert torch.equal(model.infer(x, sample=False).z, mean)
    prior = Normal(torch.zeros(4, 3), torch.ones(4, 3))
    torch.testing.assert_close(
        kl_divergence(latents.posterior, latents.prior), kl_divergence(latents.posterior, prior)
    )


def test_means_of_pixels_are_read_as_probabilities(network, x):
    model = wrap_vae(network, x).eval()
    z, target = torch.zeros(4, 3), (x > 0.5).float()
    p = network.decode(z)
    expected = target * p.log() + (1 - target) * (1 - p).log()
    torch.testing.assert_close(model.decode(z).log_prob(target), expected)


def test_x_comes_in_the_layout_that_view_wants(network, x):
    model = wrap_vae(network, x).eval()
    strided = x.contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(model.encode(strided).mean, model.encode(x).mean)


def test_distributions_are_taken_as_they_are(network, x):
    class Own(Linear):
        def encode(self, x):
            mean, log_var = super().encode(x)
            return Independent(Normal(mean, (0.5 * log_var).exp()), 1)

        def decode(self, z):
            return Independent(Normal(super().decode(z), 0.3), 3)

    own = Own()
    own.load_state_dict(network.state_dict())
    model, plain = wrap_vae(own, x).eval(), wrap_vae(network, x).eval()
    torch.testing.assert_close(model.encode(x).mean, plain.encode(x).mean)
    torch.testing.assert_close(model.encode(x).stddev, plain.encode(x).stddev)
    found = model.decode(torch.zeros(4, 3))
    assert found.log_prob(x).shape == x.shape
    assert isinstance(found, Normal)


def test_one_of_glitches_decodes_a_channel_less(x):
    energies = 20 * torch.rand(2, 4, 6, 7)
    inputs, _ = prepare(energies)

    class Own(Linear):
        def __init__(self):
            super().__init__((4, 6, 7))
            self.up = nn.Linear(5 * 6 * 7, 6)

    model = wrap_vae(Own(), inputs)
    assert takes_views(model)
    assert not takes_views(wrap_vae(Linear(), x))
    assert model.settings.image_shape == (4, 6, 7)


def test_settings_go_to_a_card_and_come_back(network, x):
    settings = wrap_vae(network, x).settings
    assert architecture_of(settings) == "user"
    table = {"architecture": "user", **settings.model_dump(mode="json")}
    assert read_model(table) == settings
    assert build("user", settings.model_dump()).settings == settings


@pytest.mark.parametrize(
    ("output", "mean", "width"),
    [
        (torch.tensor([[1.0, 2.0]]), [[1, 2]], [[1, 1]]),
        (np.array([[1.0, 2.0]]), [[1, 2]], [[1, 1]]),
        ((torch.tensor([[1.0]]), torch.tensor([[9.0]]).log()), [[1]], [[3]]),
        (Normal(torch.tensor([[1.0]]), torch.tensor([[3.0]])), [[1]], [[3]]),
    ],
)
def test_codes_are_read_from_what_encoders_return(output, mean, width):
    posterior, _ = posterior_of(output)
    torch.testing.assert_close(posterior.mean, torch.tensor(mean, dtype=posterior.mean.dtype))
    torch.testing.assert_close(posterior.stddev, torch.tensor(width, dtype=posterior.mean.dtype))


@pytest.mark.parametrize(
    ("output", "found"),
    [
        (torch.zeros(4), r"shape \(4,\)"),
        (torch.zeros(4, 0), r"shape \(4, 0\)"),
        (torch.zeros(4, 3, 2), r"shape \(4, 3, 2\)"),
        ((torch.zeros(4, 3), torch.zeros(4, 2)), r"\(4, 3\) and \(4, 2\)"),
        ((torch.zeros(4, 3), torch.zeros(4, 3), torch.zeros(4, 3)), "3 values"),
        (torch.zeros(4, 3, dtype=torch.long), "int64"),
        (Bernoulli(torch.full((4, 3), 0.5)), "Bernoulli"),
        ("code", "str"),
        (None, "NoneType"),
        ({"mean": torch.zeros(4, 3)}, "dict"),
        (torch.full((4, 3), torch.nan), "NaN"),
        (torch.zeros(3, 3), "3 of 4 images"),
    ],
)
def test_what_is_no_code_is_named(output, found, x):
    with pytest.raises(ModelError, match=rf"no code; expected codes \(B, Z\).*found.*{found}"):
        wrap_encoder(lambda _: output, x)


def test_an_encoder_has_to_give_the_same_code_twice(x):
    with pytest.raises(ModelError, match=r"another code for the same images.*Return the mean"):
        wrap_encoder(lambda x: x.flatten(1) + torch.rand(len(x), 84), x)


@pytest.mark.parametrize("thing", ["default", 7, Linear, None])
def test_what_cannot_be_called_is_no_encoder(thing, x):
    with pytest.raises(ModelError, match="nothing that encodes; expected a model, a torch module"):
        wrap_encoder(thing, x)


def test_an_encoder_that_wants_other_images_is_named(x):
    with pytest.raises(ModelError, match=r"fails on a batch of shape \(4, 2, 6, 7\).*multiplied"):
        wrap_encoder(nn.Sequential(nn.Flatten(), nn.Linear(9, 3)), x)


def test_a_module_is_asked_in_evaluation_mode_and_left_as_it_was(network, x):
    network.train()
    network.drop.eval()
    encoder = wrap_encoder(network, x)
    assert encoder.spread
    assert network.training
    assert not network.drop.training
    with evaluating(network):
        assert not network.training


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"encode": None}, "no method encode"),
        ({"decode": None, "encode": None}, "no method encode and no method decode"),
        ({"encode": lambda _, x: x.flatten(1)}, "without log-variances"),
        ({"decode": lambda _, z: z}, r"something else than the images.*\(4, 2, 6, 7\).*\(4, 3\)"),
        ({"decode": lambda _, z: "picture"}, "something else than the images.*str"),
        (
            {"decode": lambda self, z: 3 * torch.ones(4, 2, 6, 7)},
            r"no means of pixels in \[0, 1\].*3 to 3.*sigmoid",
        ),
        ({"decode": lambda self, z: torch.full((4, 2, 6, 7), torch.nan)}, "nan to nan"),
    ],
)
def test_what_a_vae_lacks_is_named(change, message, x):
    own = type("Own", (Linear,), change)
    with pytest.raises(ModelError, match=message):
        wrap_vae(own(), x)


def test_a_class_or_a_function_is_no_vae(x):
    with pytest.raises(ModelError, match=r"the class Linear. Give an instance, Linear\(…\)"):
        wrap_vae(Linear, x)
    with pytest.raises(ModelError, match=r"not a network.*found function"):
        wrap_vae(lambda x: x, x)


def test_a_copy_of_a_wrapped_network_is_a_network(network, x):
    model = wrap_vae(network, x)
    copied = copy.deepcopy(model)
    assert isinstance(copied, UserVAE)
    assert copied.network is not network


class Sized(nn.Module):
    """A VAE that says what its constructor takes."""

    def __init__(self, latent_size, pixels=42):
        super().__init__()
        self.arguments = {"latent_size": latent_size, "pixels": pixels}
        self.up = nn.Sequential(nn.Flatten(), nn.Linear(pixels, 2 * latent_size))
        self.down = nn.Sequential(nn.Linear(latent_size, pixels), nn.Sigmoid())

    def encode(self, x):
        return self.up(x).chunk(2, dim=1)

    def decode(self, z):
        return self.down(z).unflatten(1, (1, 6, 7))


SIZES = {"latent_size": 5, "pixels": 42}
PATH = f"{Sized.__module__}:{Sized.__qualname__}"


def test_a_class_is_named_in_a_file_and_tried():
    table = {"architecture": PATH, "arguments": dict(SIZES), "image_shape": (1, 6, 7)}
    settings = read_model(table)
    assert (settings.network, settings.latent_size, settings.takes_views) == (PATH, 5, False)
    model = build("user", settings.model_dump())
    assert isinstance(model.network, Sized)
    assert wrap_vae(model.network, torch.zeros(2, 1, 6, 7)).settings == settings


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"network": "nowhere_at_all:Net"},
            r"not been imported.*--import nowhere_at_all.*network=",
        ),
        ({"network": f"{Sized.__module__}:Sizd"}, r"has no 'Sizd'.*Sized"),
        ({"network": "json:dumps"}, "derived from torch.nn.Module"),
        ({"arguments": {"size": 3}}, "cannot be built.*'size'"),
        ({"arguments": None}, "cannot be built.*no arguments"),
        ({"latent_size": 4}, "another size.*4 latent variables"),
        ({"image_shape": (1, 5, 5)}, "fails on a batch"),
    ],
)
def test_a_class_that_cannot_be_built_again_is_told(changes, message):
    settings = {
        "network": PATH,
        "arguments": {"latent_size": 5},
        "image_shape": (1, 6, 7),
        "latent_size": 5,
    }
    with pytest.raises(ModelError, match=message):
        build("user", settings | changes)


def test_arguments_that_no_card_can_hold_are_told():
    network = Sized(3)
    network.arguments = {"latent_size": object()}
    with pytest.raises(ModelError, match="cannot be written down"):
        wrap_vae(network, torch.zeros(2, 1, 6, 7))


def test_a_small_network_of_glitches_takes_whole_images():
    settings = {"architecture": f"{Small.__module__}:{Small.__qualname__}"}
    model = build(
        "user", read_model({**settings, "image_shape": (4, 7, 8)} | VIEWS).model_dump()
    ).eval()
    x, _ = prepare(20 * torch.rand(2, 4, 14, 16))
    expected = model.encode(reduce(x, (7, 8))).mean
    assert torch.equal(model.encode(x).mean, expected)


VIEWS = {"takes_views": True}


class Small(Linear):
    def __init__(self):
        super().__init__((4, 7, 8))
        self.up = nn.Linear(5 * 7 * 8, 6)

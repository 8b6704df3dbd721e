"""A batch of tiny images and models small enough for finite differences."""

from collections.abc import Callable
from itertools import pairwise
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn
from torch.distributions import Bernoulli, Distribution, Normal

from glitchvae.models import (
    GlitchVAE,
    GlitchVAESettings,
    HierarchicalVAE,
    HierarchySettings,
    Latents,
    prepare,
    standard_normal,
)
from glitchvae.models.likelihood import at_least_float32
from glitchvae.objectives import OBJECTIVES, Batch, Objective

TINY = GlitchVAESettings(image_shape=(6, 6), widths=(2,), hidden=4, latent_size=2)


class Ladder(nn.Module):
    """A hierarchy of linear maps: q(z_1|x) q(z_2|z_1) …, p(z_1|z_2) … and a linear decoder."""

    def __init__(self, layers: tuple[int, ...], likelihood_on: str) -> None:
        super().__init__()
        self.layers = layers
        self.settings = SimpleNamespace(likelihood_on=likelihood_on)
        below = (5 * 6 * 6, *layers)
        self.up = nn.ModuleList(nn.Linear(a, 2 * b) for a, b in pairwise(below))
        self.down = nn.ModuleList(nn.Linear(b, 2 * a) for a, b in pairwise(layers))
        self.seen = sum(layers) if likelihood_on == "all" else layers[0]
        self.decoder = nn.Linear(self.seen, 4 * 6 * 6)

    def infer(self, x: Tensor, *, sample: bool = True) -> Latents:
        below, posteriors, samples = x.flatten(1), [], []
        for head in self.up:
            posteriors.append(normal(head(below)))
            below = posteriors[-1].rsample() if sample else posteriors[-1].mean
            samples.append(below)
        priors = [normal(head(z)) for head, z in zip(self.down, samples[1:], strict=True)]
        priors.append(standard_normal(posteriors[-1]))
        return Latents(tuple(posteriors), tuple(priors), tuple(samples))

    def decode(self, z: Tensor) -> Distribution:
        logits = at_least_float32(self.decoder(z[:, : self.seen]))
        return Bernoulli(logits=logits.unflatten(1, (4, 6, 6)), validate_args=False)


def normal(numbers: Tensor) -> Normal:
    mean, log_scale = at_least_float32(numbers).chunk(2, dim=-1)
    return Normal(mean, log_scale.tanh().exp(), validate_args=False)


@pytest.fixture
def batch() -> Batch:
    generator = torch.Generator().manual_seed(3)
    energies = 25 * torch.rand(5, 4, 6, 6, generator=generator)
    energies[0, :, 4:] = torch.nan
    x, valid = prepare(energies)
    x = x.double()
    label = torch.tensor([0, 1, -1, 1, 0])
    return Batch(x, x[:, :4], valid, 40, other=x.flip(0), positive=x.flip(3), label=label)


@pytest.fixture
def tiny() -> GlitchVAESettings:
    return TINY


@pytest.fixture
def model() -> GlitchVAE:
    torch.manual_seed(0)
    return GlitchVAE(TINY).double()


@pytest.fixture
def model_for() -> Callable[[str], GlitchVAE]:
    """The tiny model, with a learnt prior for an objective that is for one."""

    def make(name: str, **changes: object) -> GlitchVAE:
        if OBJECTIVES[name].learns_prior:
            changes = {"pseudo_inputs": 4, **changes}
        torch.manual_seed(0)
        return GlitchVAE(TINY.model_copy(update=changes)).double()

    return make


@pytest.fixture
def ladder() -> Callable[..., Ladder]:
    """Makes a hierarchy; the weights depend on its shape alone."""

    def make(layers: tuple[int, ...] = (3, 2), likelihood_on: str = "all") -> Ladder:
        torch.manual_seed(4)
        return Ladder(layers, likelihood_on).double()

    return make


@pytest.fixture
def hierarchy() -> Callable[..., HierarchicalVAE]:
    """Makes the package's own hierarchy around the tiny glitch network."""

    def make(
        layers: tuple[int, ...] = (3, 2), likelihood_on: str = "all", likelihood: str = "bernoulli"
    ) -> HierarchicalVAE:
        torch.manual_seed(4)
        network = TINY.model_dump(exclude={"latent_size", "likelihood", "pseudo_inputs"})
        settings = HierarchySettings.model_validate(
            {
                "network": "glitch",
                "glitch": network,
                "latent_sizes": layers,
                "hidden_widths": (5,) * (len(layers) - 1),
                "likelihood_on": likelihood_on,
                "likelihood": likelihood,
            }
        )
        return HierarchicalVAE(settings).double()

    return make


@pytest.fixture
def tiny_objective() -> Callable[..., Objective]:
    """An objective by name, with a discriminator small enough for a test."""

    def make(name: str, **values: object) -> Objective:
        small = {"discriminator_width": 8, "discriminator_depth": 2} if name == "factor" else {}
        return OBJECTIVES[name].model_validate({**small, **values})

    return make

"""VAEs with a hierarchy of latent layers: DLGM, beta-TCDLGM and Seatbelt-VAE.

Willetts et al. 2021, "Improving VAEs' robustness to adversarial attack":

    q(z | x) = q(z_1 | x) prod_i q(z_{i+1} | z_i)
    p(x, z) = p(x | z_1) p(z_L) prod_i p(z_i | z_{i+1})           DLGM, beta-TCDLGM
    p(x, z) = p(x | z_1, ..., z_L) p(z_L) prod_i p(z_i | z_{i+1}) Seatbelt-VAE

The three differ in the objective and in what the likelihood sees; the model is one.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any, Literal, Self

import torch
from pydantic import Field, PositiveInt, model_validator
from torch import Tensor, nn
from torch.distributions import Distribution, Normal

from glitchvae.models.glitch_vae import GlitchNetworkSettings, glitch_decoder, glitch_encoder
from glitchvae.models.latents import Latents, draw, normal, standard_normal
from glitchvae.models.likelihood import LikelihoodSettings, make_likelihood
from glitchvae.models.model import Model
from glitchvae.models.networks import NETWORKS, NetworkName, Shape

LATENT_SIZES = (96, 48, 24, 12, 6)
"""Sizes of five latent layers, bottom up; of L layers the paper takes the last L."""

LAYERS = 4
"""Latent layers unless given: L of the paper's Tables 1 and D.1."""

HIDDEN_WIDTHS = (1024, 512, 256, 128, 64)
"""The paper's h_sizes: that of index i is the width of q(z_{i+1} | z_i) and p(z_i | z_{i+1}).

It counts from the bottom, whatever L is: 512 between z_1 and z_2, 256 between z_2 and z_3.
"""

LOG_VARIANCE_LIMIT = 8.0


def _glitch_network(given: dict[str, Any]) -> GlitchNetworkSettings | None:
    return GlitchNetworkSettings() if given.get("network") == "glitch" else None


def _hidden_widths(given: dict[str, Any]) -> tuple[int, ...]:
    return HIDDEN_WIDTHS[1 : len(given["latent_sizes"])]


def _image_shape(given: dict[str, Any]) -> Shape:
    glitch = given.get("glitch")
    return (1, 64, 64) if glitch is None else (glitch.views, *glitch.image_shape)


class HierarchySettings(LikelihoodSettings):
    """Size of a `HierarchicalVAE`.

    Attributes:
        network: Between the images and the latents: one of `ImageVAE` or "glitch".
        glitch: Size of the network "glitch".
        image_shape: Channels, rows and columns; of the network "glitch" those of its table.
        latent_sizes: Of each layer, bottom up; their number is L. Unless given the last
            `LAYERS` of `LATENT_SIZES`.
        hidden_widths: Of the hidden layers between z_i and z_{i+1}, bottom up; of a longer
            list the last L - 1. Unless given those of `HIDDEN_WIDTHS` from index 1 on.
        likelihood_on: "first" (the image depends on z_1 alone) or "all" layers.

    Example:
        >>> HierarchySettings().latent_sizes, HierarchySettings().hidden_widths
        ((48, 24, 12, 6), (512, 256, 128))
    """

    network: Literal[NetworkName, "glitch"] = "burgess"
    glitch: GlitchNetworkSettings | None = Field(default_factory=_glitch_network)
    image_shape: Shape = Field(default_factory=_image_shape)
    latent_sizes: tuple[PositiveInt, ...] = Field(default=LATENT_SIZES[-LAYERS:], min_length=1)
    hidden_widths: tuple[PositiveInt, ...] = Field(default_factory=_hidden_widths)
    likelihood_on: Literal["first", "all"] = "first"

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if len(self.hidden_widths) < len(self.latent_sizes) - 1:
            raise ValueError("hidden_widths needs an entry between any two of latent_sizes")
        if (self.glitch is not None) != (self.network == "glitch"):
            raise ValueError("the table 'glitch' belongs to the network 'glitch'")
        if self.glitch is None:
            NETWORKS[self.network].check(self.image_shape)
        elif self.image_shape != (shape := _image_shape({"glitch": self.glitch})):
            raise ValueError(f"image_shape is that of the table 'glitch', {shape}")
        return self


class HierarchicalVAE(Model[HierarchySettings]):
    """A VAE with L latent layers; with one it is the single-layer model of its network.

    Where the paper is silent: the networks between layers start as torch initialises
    them, their leaky ReLU has torch's slope 0.01, and their log-variances saturate
    smoothly at plus and minus 8, so that no KL between two layers can overflow; the
    posterior of the first layer and the standard normal prior of the last have no bound, as
    without a hierarchy. Their linear layers have no bias where BatchNorm would subtract it.

    While training, BatchNorm ties a batch together; in evaluation mode codes depend on
    their event alone.

    Example:
        >>> settings = HierarchySettings(latent_sizes=(12, 6), likelihood_on="all")
        >>> latents = HierarchicalVAE(settings).infer(torch.rand(4, 1, 64, 64))
        >>> [posterior.mean.shape for posterior in latents.posteriors]
        [torch.Size([4, 12]), torch.Size([4, 6])]
    """

    def __init__(self, settings: HierarchySettings | None = None) -> None:
        super().__init__()
        self.settings = settings or HierarchySettings()
        sizes = self.settings.latent_sizes
        inputs = sizes[0] if self.settings.likelihood_on == "first" else sum(sizes)
        self.encoder = _encoder(self.settings, 2 * sizes[0])
        self.decoder = _decoder(self.settings, inputs)
        widths = self.settings.hidden_widths[len(self.settings.hidden_widths) - len(sizes) + 1 :]
        steps = list(zip(pairwise(sizes), widths, strict=True))
        self.upward = nn.ModuleList(_mlp(low, width, 2 * high) for (low, high), width in steps)
        self.downward = nn.ModuleList(_mlp(high, width, 2 * low) for (low, high), width in steps)
        self.likelihood = make_likelihood(self.settings)

    @property
    def layers(self) -> tuple[int, ...]:
        """Sizes of the latent layers, bottom up."""
        return self.settings.latent_sizes

    def infer(self, x: Tensor, *, sample: bool = True) -> Latents:
        """Run bottom up through the posteriors, and compute the priors implied by their draws.

        Args:
            x: Images (B, C, H, W); for the glitch network views as `prepare` makes them.
            sample: Hand draws from layer to layer; else means.
        """
        posteriors = [normal(self.encoder(x))]
        samples = [_take(posteriors[0], sample)]
        for network in self.upward:
            posteriors.append(_between(network(samples[-1])))
            samples.append(_take(posteriors[-1], sample))
        above = zip(self.downward, samples[1:], strict=True)
        priors = [_between(network(z)) for network, z in above]
        return Latents(
            tuple(posteriors), (*priors, standard_normal(posteriors[-1])), tuple(samples)
        )

    def decode(self, z: Tensor) -> Distribution:
        """Distribution of the images given all layers side by side (B, sum of `layers`).

        With the likelihood on the first layer the others are not looked at.
        """
        seen = z if self.settings.likelihood_on == "all" else z[:, : self.layers[0]]
        return self.likelihood(self.decoder(seen))

    def descend(
        self, z_top: Tensor, *, sample: bool = False, generator: torch.Generator | None = None
    ) -> Tensor:
        """Complete the layers (B, sum of `layers`) below the top one through the priors."""
        layers = [z_top]
        for network in reversed(self.downward):
            layers.insert(0, _take(_between(network(layers[0])), sample, generator))
        return torch.cat(layers, dim=-1)


def _encoder(settings: HierarchySettings, outputs: int) -> nn.Sequential:
    if settings.glitch is not None:
        return glitch_encoder(settings.glitch, outputs)
    return NETWORKS[settings.network].encoder(settings.image_shape, outputs)


def _decoder(settings: HierarchySettings, inputs: int) -> nn.Sequential:
    if settings.glitch is not None:
        return glitch_decoder(settings.glitch, inputs)
    return NETWORKS[settings.network].decoder(settings.image_shape, inputs)


def _mlp(inputs: int, width: int, outputs: int) -> nn.Sequential:
    """Two hidden layers with BatchNorm and leaky ReLU."""
    layers: list[nn.Module] = []
    for before, after in pairwise((inputs, width, width)):
        layers += [nn.Linear(before, after, bias=False), nn.BatchNorm1d(after), nn.LeakyReLU()]
    return nn.Sequential(*layers, nn.Linear(width, outputs))


def _between(parameters: Tensor) -> Normal:
    """Normals (B, Z) from the output (B, 2 Z) of a network between layers."""
    mean, log_var = parameters.chunk(2, dim=-1)
    bounded = LOG_VARIANCE_LIMIT * (log_var / LOG_VARIANCE_LIMIT).tanh()
    return normal(torch.cat([mean, bounded], dim=-1))


def _take(distribution: Normal, sample: bool, generator: torch.Generator | None = None) -> Tensor:
    return draw(distribution, generator) if sample else distribution.mean

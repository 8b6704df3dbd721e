"""The convolutional VAE for four views of one glitch."""

from __future__ import annotations

from itertools import pairwise

from pydantic import Field, PositiveInt
from torch import Tensor, nn
from torch.distributions import Distribution

from glitchvae.config import Settings
from glitchvae.models.latents import Latents, draw, normal, standard_normal
from glitchvae.models.learnt_prior import PseudoInputs
from glitchvae.models.likelihood import LikelihoodName, make_view_likelihood
from glitchvae.models.model import Model
from glitchvae.models.preparation import reduce
from glitchvae.shapes import IMAGE_SHAPE, VIEWS


class GlitchNetworkSettings(Settings):
    """Size of encoder and decoder. Widths that are multiples of 16 run fastest on a CPU.

    An `image_shape` smaller than the images makes a network of reduced images: the encoder
    averages what it is given (`reduce`), the decoder's views are as small.
    """

    views: int = Field(default=len(VIEWS), ge=1)
    image_shape: tuple[int, int] = IMAGE_SHAPE
    widths: tuple[int, ...] = Field(default=(16, 32, 64, 64, 96), min_length=1)
    hidden: int = Field(default=256, ge=1)


class GlitchVAESettings(GlitchNetworkSettings):
    """Size of a `GlitchVAE`, its likelihood and, where it is learnt, its prior.

    Attributes:
        latent_size: Latent variables.
        likelihood: Of the pixels: "bernoulli", "gaussian" (one learned width) or
            "clipped-energy".
        pseudo_inputs: Components of a learnt prior (`PseudoInputs`); None for the standard normal.

    Example:
        >>> GlitchVAESettings(latent_size=16, likelihood="clipped-energy").image_shape
        (140, 170)
    """

    latent_size: int = Field(default=32, ge=1)
    likelihood: LikelihoodName = "bernoulli"
    pseudo_inputs: PositiveInt | None = None


class GlitchVAE(Model[GlitchVAESettings]):
    """A VAE with the mask of the computed frequency band as an input channel.

    Every stage halves the image by a 4x4 convolution of stride 2, which sees each pixel
    in four overlapping windows: a line one pixel wide reaches the code wherever it lies.
    The decoder mirrors the encoder size by size, without padding or cropping.
    Normalisation is over groups of channels, never over the batch: an event's code does not
    depend on its batch-mates.

    Example:
        >>> model = GlitchVAE(GlitchVAESettings(image_shape=(20, 24), widths=(4, 8)))
        >>> posterior, likelihood = model(torch.rand(3, 5, 20, 24))
        >>> posterior.mean.shape, likelihood.mean.shape
        (torch.Size([3, 32]), torch.Size([3, 4, 20, 24]))
    """

    def __init__(self, settings: GlitchVAESettings | None = None) -> None:
        super().__init__()
        self.settings = settings or GlitchVAESettings()
        self.encoder = glitch_encoder(self.settings, 2 * self.settings.latent_size)
        self.decoder = glitch_decoder(self.settings, self.settings.latent_size)
        views, shape = self.settings.views, self.settings.image_shape
        self.likelihood = make_view_likelihood(self.settings.likelihood, views, shape[0])
        count = self.settings.pseudo_inputs
        self.pseudo_inputs = None
        if count is not None:
            self.pseudo_inputs = PseudoInputs(
                count,
                (views, *shape),
                data_range=self.likelihood.data_range,
                views=True,
            )

    @property
    def layers(self) -> tuple[int, ...]:
        """Sizes of the latent layers, bottom up; here one layer."""
        return (self.settings.latent_size,)

    def infer(self, x: Tensor, *, sample: bool = True) -> Latents:
        """Posterior, prior and a draw (or the mean) of the latents of `x`.

        Args:
            x: Input (B, views + 1, F, T) as `prepare` makes it, reduced before or not.
            sample: Draw from the posterior; else take its mean.
        """
        posterior = normal(self.encoder(x))
        z = draw(posterior) if sample else posterior.mean
        return Latents((posterior,), (standard_normal(posterior),), (z,))

    def decode(self, z: Tensor) -> Distribution:
        """Distribution of the views (B, views, F, T) in [0, 1] given latents (B, Z)."""
        return self.likelihood(self.decoder(z))


def glitch_encoder(settings: GlitchNetworkSettings, outputs: int) -> nn.Sequential:
    """Encoder network from prepared views (B, views + 1, F, T) to numbers (B, outputs).

    Raises:
        ValueError: more stages than the image can be halved.
    """
    rows, columns = _sizes(settings)[-1]
    channels = (settings.views + 1, *settings.widths)
    stages: list[nn.Module] = []
    for before, after in pairwise(channels):
        stages += [nn.Conv2d(before, after, 4, stride=2, padding=1), _normalised(after), nn.SiLU()]
    flat = channels[-1] * rows * columns
    head = (nn.Linear(flat, settings.hidden), nn.SiLU(), nn.Linear(settings.hidden, outputs))
    return _Encoder(settings.image_shape, *stages, nn.Flatten(), *head)


def glitch_decoder(settings: GlitchNetworkSettings, inputs: int) -> nn.Sequential:
    """Decoder network from latents (B, inputs) to the likelihood's parameters (B, views, F, T).

    Raises:
        ValueError: more stages than the image can be halved.
    """
    sizes = _sizes(settings)
    channels = (*reversed(settings.widths), settings.views)
    start = (channels[0], *sizes[-1])
    layers: list[nn.Module] = [
        nn.Linear(inputs, settings.hidden),
        nn.SiLU(),
        nn.Linear(settings.hidden, start[0] * start[1] * start[2]),
        nn.Unflatten(1, start),
    ]
    for stage, (before, after) in enumerate(pairwise(channels)):
        small, large = sizes[-1 - stage], sizes[-2 - stage]
        odd = (large[0] - 2 * small[0], large[1] - 2 * small[1])
        grow = nn.ConvTranspose2d(before, after, 4, stride=2, padding=1, output_padding=odd)
        layers += [nn.SiLU(), grow] if stage == 0 else [_normalised(before), nn.SiLU(), grow]
    return nn.Sequential(*layers)


class _Encoder(nn.Sequential):
    """Reduce input of any size to that of the network, then apply the network."""

    def __init__(self, shape: tuple[int, int], *layers: nn.Module) -> None:
        super().__init__(*layers)
        self.shape = shape

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 — the name in the base class
        return super().forward(reduce(input, self.shape))


def _normalised(width: int) -> nn.GroupNorm:
    """Group normalisation over eight channels of one event, never over a batch."""
    return nn.GroupNorm(max(1, width // 8), width)


def _sizes(settings: GlitchNetworkSettings) -> list[tuple[int, int]]:
    """(F, T) before the first stage and after each; a stage halves, rounding down."""
    rows, columns = settings.image_shape
    sizes = [(rows >> stage, columns >> stage) for stage in range(len(settings.widths) + 1)]
    if min(sizes[-1]) < 1:
        raise ValueError(
            f"{len(settings.widths)} halvings leave nothing of an image of "
            f"{settings.image_shape} pixels"
        )
    return sizes

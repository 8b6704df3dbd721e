"""Likelihoods of an image given the decoder's output, each with its range of data."""

from __future__ import annotations

import math
from typing import Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import PositiveFloat, model_validator
from torch import Tensor, nn
from torch.distributions import Bernoulli, Distribution, Normal

from glitchvae.config import Settings
from glitchvae.errors import InputError
from glitchvae.models.energy import NOISE_ENERGY, ClippedWeibull
from glitchvae.shapes import ENERGY_CEILING

LikelihoodName = Literal["bernoulli", "gaussian", "clipped-energy"]
"""Likelihoods of images of glitches."""

Mean = Literal["bounded", "identity"]

UNIT, SIGNED = (0.0, 1.0), (-1.0, 1.0)
"""Two ranges of data: that of Bernoulli, and that of decoders with a final tanh."""


def at_least_float32(x: Tensor) -> Tensor:
    """Convert half precision to float32, in which densities and KL terms have enough digits."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


class Likelihood(nn.Module):
    """Module from the decoder's output (B, C, F, T) to a distribution of that shape.

    Attributes:
        data_range: Lowest and highest value of the images it describes.

    Example:
        >>> ImageVAE().likelihood(torch.zeros(2, 1, 64, 64)).mean.unique()
        tensor([0.5000])
    """

    data_range: tuple[float, float] = UNIT

    def forward(self, outputs: Tensor) -> Distribution:
        """The distribution with these parameters, at least in float32."""
        raise NotImplementedError


class BernoulliLikelihood(Likelihood):
    """Independent Bernoulli pixels; images in [0, 1] are read as probabilities."""

    def forward(self, outputs: Tensor) -> Distribution:
        """Bernoulli with these logits, of their shape."""
        return Bernoulli(logits=at_least_float32(outputs), validate_args=False)


class FixedGaussianLikelihood(Likelihood):
    """Normal pixels of one fixed width.

    The distortion is `|x - mean|^2 / (2 width^2)` and a constant: the width weighs it
    against the rate, as beta does.

    Args:
        width: Standard deviation, in units of the data.
        data_range: (0, 1) or (-1, 1).
        mean: "bounded" keeps the mean in the range, by a sigmoid or, in (-1, 1), a tanh;
            "identity" is the decoder's output itself.
    """

    def __init__(
        self, width: float, data_range: tuple[float, float] = UNIT, mean: Mean = "bounded"
    ) -> None:
        super().__init__()
        self.width, self.data_range = width, data_range
        self.mean: Mean = mean

    def forward(self, outputs: Tensor) -> Distribution:
        """Normal of the shape of `outputs`."""
        mean = _mean(at_least_float32(outputs), self.data_range, self.mean)
        return Normal(mean, torch.full_like(mean, self.width), validate_args=False)


class GaussianLikelihood(Likelihood):
    """Normal pixels with one learned width for the whole image.

    The width converges to the root mean square residual, so that distortion and rate
    are weighed without a hand-set constant (Rybkin et al. 2021, sigma-VAE, section 3).

    Args:
        data_range: As of `FixedGaussianLikelihood`.
        mean: As of `FixedGaussianLikelihood`.
    """

    def __init__(self, data_range: tuple[float, float] = UNIT, mean: Mean = "bounded") -> None:
        super().__init__()
        self.data_range = data_range
        self.mean: Mean = mean
        self.log_scale = nn.Parameter(torch.tensor(-2.0))

    def forward(self, outputs: Tensor) -> Distribution:
        """Normal of the shape of `outputs`."""
        mean = _mean(at_least_float32(outputs), self.data_range, self.mean)
        return Normal(mean, self.log_scale.exp().expand_as(mean), validate_args=False)


class ClippedEnergyLikelihood(Likelihood):
    """Weibull pixels of normalised energy, cut at zero and at the ceiling (`models.energy`).

    The decoder's output is the logarithm of a pixel's energy over that of Gaussian noise; the shape
    is learned for each view and row, from that of Gaussian noise on.

    Args:
        views: Channels of the images.
        rows: Rows of the images.
    """

    def __init__(self, views: int, rows: int) -> None:
        super().__init__()
        self.narrowing = nn.Parameter(torch.zeros(views, rows, 1))

    def forward(self, outputs: Tensor) -> Distribution:
        """Cut Weibull of the shape of `outputs`."""
        energy = _within(at_least_float32(outputs), _ENERGY_LIMIT)
        log_scale = 0.5 * (energy + math.log(NOISE_ENERGY / ENERGY_CEILING))
        log_shape = math.log(2.0) + _within(self.narrowing, _SHAPE_LIMIT)
        return ClippedWeibull(log_scale, log_shape)


_ENERGY_LIMIT, _SHAPE_LIMIT = 6.0, 1.5
"""Logarithms at which energy and shape saturate smoothly: no power of theirs overflows."""


def _within(values: Tensor, limit: float) -> Tensor:
    return limit * (values / limit).tanh()


def make_view_likelihood(name: LikelihoodName, views: int, rows: int) -> Likelihood:
    """The likelihood of images of glitches that has this name."""
    match name:
        case "bernoulli":
            return BernoulliLikelihood()
        case "gaussian":
            return GaussianLikelihood()
        case "clipped-energy":
            return ClippedEnergyLikelihood(views, rows)


class LikelihoodSettings(Settings):
    """Settings of the likelihood of a model; they determine the range of the data.

    Attributes:
        likelihood: "bernoulli" (data in [0, 1]), "gaussian" (normal pixels, one learned
            width) or "gaussian-fixed" (normal pixels of the given `width`).
        data_range: Lowest and highest value of the data: [0, 1] or, for Gaussians, [-1, 1].
        mean: Of Gaussians: "bounded" by a sigmoid (tanh in [-1, 1]) or "identity".
        width: Standard deviation of "gaussian-fixed", which has no default.
    """

    likelihood: Literal["bernoulli", "gaussian", "gaussian-fixed"] = "bernoulli"
    data_range: tuple[float, float] = UNIT
    mean: Mean = "bounded"
    width: PositiveFloat | None = None

    @model_validator(mode="after")
    def _fit(self) -> Self:
        if self.data_range not in (UNIT, SIGNED):
            raise ValueError("data_range is [0, 1] or [-1, 1]")
        if self.likelihood == "bernoulli" and (self.data_range, self.mean) != (UNIT, "bounded"):
            raise ValueError("a Bernoulli likelihood is for data in [0, 1]; choose a Gaussian")
        if (self.likelihood == "gaussian-fixed") != (self.width is not None):
            raise ValueError("width belongs to the likelihood 'gaussian-fixed', which needs it")
        return self


def make_likelihood(settings: LikelihoodSettings) -> Likelihood:
    """Make the likelihood that the settings describe."""
    if settings.likelihood == "bernoulli":
        return BernoulliLikelihood()
    if settings.width is None:
        return GaussianLikelihood(settings.data_range, settings.mean)
    return FixedGaussianLikelihood(settings.width, settings.data_range, settings.mean)


def check_range(
    images: Tensor | NDArray[np.generic], likelihood: Likelihood, *, where: object = None
) -> None:
    """Refuse images outside the range of the likelihood.

    Args:
        images: Pixels of any shape.
        likelihood: Of the model they are for.
        where: The file or data set, for the error.

    Raises:
        InputError: a pixel is not a number or outside `likelihood.data_range`.
    """
    pixels = torch.as_tensor(images)
    if pixels.numel() == 0:
        return
    low, high = likelihood.data_range
    lowest, highest = pixels.amin().item(), pixels.amax().item()
    if not (low <= lowest and highest <= high):  # NaN fails both
        raise InputError(
            "pixels outside the range of the model's likelihood",
            where=where,
            expected=f"{low:g} to {high:g}",
            found=f"{lowest:g} to {highest:g}",
            remedy="Scale the images, or choose the likelihood and data_range of the model.",
        )


def scale_to_range(images: Tensor, likelihood: Likelihood) -> Tensor:
    """Scale images in [0, 1] to the range of the likelihood."""
    low, high = likelihood.data_range
    return images if likelihood.data_range == UNIT else low + (high - low) * images


def scale_to_unit(images: Tensor, likelihood: Likelihood) -> Tensor:
    """Scale images from the range of the likelihood to [0, 1], inverse to `scale_to_range`."""
    low, high = likelihood.data_range
    return images if likelihood.data_range == UNIT else (images - low) / (high - low)


def _mean(outputs: Tensor, data_range: tuple[float, float], mean: Mean) -> Tensor:
    if mean == "identity":
        return outputs
    return outputs.tanh() if data_range == SIGNED else outputs.sigmoid()

"""Robustness to noise: log-likelihood of clean images, weight norms, ELBO.

"Disentangling improves VAEs' robustness to adversarial attacks", Table 1, Table D.1,
Fig. 3 and App. F.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.distributions import kl_divergence

from glitchvae.errors import InputError
from glitchvae.models.latents import Latents
from glitchvae.models.likelihood import check_range
from glitchvae.models.model import Model
from glitchvae.objectives import layer_rates_of
from glitchvae.store import Record, attribute, column
from glitchvae.training.loop import own_random_numbers
from glitchvae.validation.images.pixels import existing, pixel_channels


@dataclass(frozen=True, kw_only=True)
class NoiseCurve(Record):
    """Log-likelihood of clean images under the codes of noisy ones.

    Attributes:
        scale: Standard deviation of the noise, in units of the data.
        log_likelihood: Mean over images and draws of log p(x | z*), z* the code of x + noise,
            in nats.
        error: Standard error of that mean over images.
        images: Number of images.
        clipped: Whether noisy pixels were cut to the range of the data.
    """

    schema: ClassVar[str] = "noise-curve"

    scale: NDArray[Any] = column("f8")
    log_likelihood: NDArray[Any] = column("f8")
    error: NDArray[Any] = column("f8")
    images: int = attribute(0)
    clipped: bool = attribute(False)


class WeightNorms(NamedTuple):
    """Euclidean norm of all weights and biases of encoder and decoder."""

    encoder: float
    decoder: float


class Elbo(NamedTuple):
    """The evidence lower bound without extra penalties, and its parts, in nats per image.

    Attributes:
        elbo: `-reconstruction - sum of rates`, mean over images.
        error: Standard error of `elbo` over images.
        reconstruction: -log p(x | z).
        rates: KL divergence of every layer, bottom up: of the last in closed form, of those
            below by the draw, which alone is unbiased (`Latents.log_ratios`).
        units: KL of every unit of every layer, bottom up; those of a layer add up to its rate.
    """

    elbo: float
    error: float
    reconstruction: float
    rates: tuple[float, ...]
    units: tuple[tuple[float, ...], ...] = ()


@torch.no_grad()
def noise_curve(
    model: Model,
    images: Tensor,
    scales: Sequence[float],
    generator: torch.Generator,
    *,
    draws: int = 4,
    clip: bool = False,
    batch_size: int = 256,
) -> NoiseCurve:
    """Log-likelihood of clean images under the codes of noisy ones, versus noise level.

    Codes are posterior means; noise is normal. As in the paper (section 5.3, figure 8) noisy
    pixels may leave the range of the data.

    Args:
        model: In evaluation mode.
        images: (N, C, F, T) as the model takes them.
        scales: Standard deviations of the noise.
        generator: Of the noise, the same for every scale but for its size.
        draws: Of noise for each image.
        clip: Cut noisy pixels to the range of the data.
        batch_size: Images in memory at a time.

    Raises:
        InputError: no image, pixels out of range, or a negative scale.
    """
    values = noisy_log_likelihoods(
        model, images, scales, generator, draws=draws, clip=clip, batch_size=batch_size
    )
    return curve_of(values, scales, clip=clip)


def curve_of(
    values: NDArray[np.float64], scales: Sequence[float], *, clip: bool = False
) -> NoiseCurve:
    """Means over images of log-likelihoods (scales, images)."""
    count = values.shape[1]
    return NoiseCurve(
        scale=np.asarray(scales),
        log_likelihood=values.mean(axis=1),
        error=values.std(axis=1, ddof=min(1, count - 1)) / np.sqrt(count),
        images=count,
        clipped=clip,
    )


@torch.no_grad()
def noisy_log_likelihoods(
    model: Model,
    images: Tensor,
    scales: Sequence[float],
    generator: torch.Generator,
    *,
    draws: int = 4,
    clip: bool = False,
    batch_size: int = 256,
) -> NDArray[np.float64]:
    """(scales, N) log p(x | z*) of every image in nats, mean over draws; as `noise_curve`.

    Raises:
        InputError: no image, pixels out of range, or a negative scale.
    """
    channels = _checked_channels(model, images)
    if any(scale < 0 for scale in scales):
        raise InputError("the size of the noise is negative", found=list(scales))
    noise = torch.randn(draws, *images[:, :channels].shape, generator=generator).to(images.device)
    values = np.zeros((len(scales), len(images)))
    for row, scale in enumerate(scales):
        for one in noise:
            found = [
                _log_likelihood(model, clean, scale * change, channels, clip=clip)
                for clean, change in zip(
                    images.split(batch_size), one.split(batch_size), strict=True
                )
            ]
            values[row] += torch.cat(found).double().cpu().numpy() / draws
    return values


def weight_norms(model: Model) -> WeightNorms:
    """Norms of the weights of encoder and decoder.

    In a hierarchy the priors p(z_i | z_{i+1}) belong to the decoder.

    Raises:
        InputError: a parameter belongs to neither half.
    """
    halves: dict[str, list[Tensor]] = {"encoder": [], "decoder": []}
    for name, parameter in model.named_parameters():
        part = name.split(".")[0]
        half = _HALVES.get(part)
        if half is None:
            raise InputError(
                "a parameter belongs neither to encoder nor to decoder",
                found=name,
                expected=sorted(_HALVES),
            )
        halves[half].append(parameter.detach().flatten())
    return WeightNorms(**{half: float(torch.cat(parts).norm()) for half, parts in halves.items()})


@torch.no_grad()
def evidence(model: Model, images: Tensor, *, batch_size: int = 256, seed: int = 0) -> Elbo:
    """ELBO of some images with one posterior draw each, from its own seed.

    Raises:
        InputError: no image, or pixels out of range.
    """
    channels = _checked_channels(model, images)
    reconstruction, rates, kl = [], [], []
    with own_random_numbers(images.device):
        torch.manual_seed(seed)
        for part in images.split(batch_size):
            latents = model.infer(part)
            layers = _kl_of_units(latents)
            kl.append(torch.cat(layers, dim=1))
            sums = torch.stack([layer.sum(dim=1) for layer in layers], dim=1)
            learnt = getattr(model, "pseudo_inputs", None) is not None
            rates.append(layer_rates_of(model, latents) if learnt else sums)
            log_likelihood = _pixels_log_likelihood(model, latents.z, part, channels)
            reconstruction.append(-log_likelihood)
    distortion, rate, unit = (torch.cat(each).double() for each in (reconstruction, rates, kl))
    elbo = -distortion - rate.sum(dim=1)
    units = tuple(tuple(layer.tolist()) for layer in unit.mean(dim=0).split(model.layers))
    return Elbo(
        float(elbo.mean()),
        float(elbo.std() / len(elbo) ** 0.5) if len(elbo) > 1 else 0.0,
        float(distortion.mean()),
        tuple(rate.mean(dim=0).tolist()),
        units,
    )


def _kl_of_units(latents: Latents) -> list[Tensor]:
    """(B, Z_i) KL of every layer: the last in closed form, lower ones at their draws."""
    layers = list(zip(latents.posteriors, latents.priors, latents.samples, strict=True))
    parts = [q.log_prob(z) - p.log_prob(z) for q, p, z in layers[:-1]]
    return [*parts, kl_divergence(*layers[-1][:2])]


_HALVES = {
    "encoder": "encoder",
    "upward": "encoder",
    "decoder": "decoder",
    "downward": "decoder",
    "likelihood": "decoder",
    "pseudo_inputs": "decoder",
}
"""First name of a parameter -> the half of the model it belongs to."""


def _checked_channels(model: Model, images: Tensor) -> int:
    """Number of channels that are pixels; refuses pixels out of range."""
    if len(images) == 0:
        raise InputError("no image")
    channels = pixel_channels(model, images)
    check_range(images[:, :channels], model.likelihood, where="images")
    return channels


def _log_likelihood(
    model: Model, clean: Tensor, change: Tensor, channels: int, *, clip: bool
) -> Tensor:
    """(B,) of clean images under the codes of changed ones."""
    low, high = model.likelihood.data_range
    noisy = clean[:, :channels] + change * existing(clean, channels)
    noisy = noisy.clamp(low, high) if clip else noisy
    z = model.infer(torch.cat([noisy, clean[:, channels:]], dim=1), sample=False).z
    return _pixels_log_likelihood(model, z, clean, channels)


def _pixels_log_likelihood(model: Model, z: Tensor, images: Tensor, channels: int) -> Tensor:
    log_prob = model.decode(z).log_prob(images[:, :channels])
    return (log_prob * existing(images, channels)).flatten(1).sum(dim=1)

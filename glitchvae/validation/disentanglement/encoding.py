"""Codes of images with known factors, and reconstruction and KL of a model."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from glitchvae.models import Model, UserEncoder, scale_to_range
from glitchvae.objectives import distortion, kl_per_dimension, layer_rates_of
from glitchvae.progress import Progress
from glitchvae.training import TrainingImages
from glitchvae.training.step import in_range

_BATCH = 256


class Codes(NamedTuple):
    """Posteriors of N images.

    Attributes:
        mean: (N, D) means.
        log_var: (N, D) logarithms of variances.
    """

    mean: NDArray[np.float32]
    log_var: NDArray[np.float32]


class Explained(NamedTuple):
    """Reconstruction and KL of a model on images, means in nats.

    Attributes:
        reconstruction: Negative log-likelihood of one posterior draw each.
        rate: KL divergence from the prior; from a learnt one at that draw.
        kl: (D,) KL divergence of each latent dimension from the standard normal, which of a
            hierarchy is the prior of the last layer alone.
    """

    reconstruction: float
    rate: float
    kl: NDArray[np.float64]

    @property
    def elbo(self) -> float:
        """Evidence lower bound of the log-likelihood; higher is better."""
        return -self.reconstruction - self.rate


def encode(
    model: Model[Any] | UserEncoder,
    pictures: TrainingImages,
    *,
    device: str | torch.device = "cpu",
    progress: Progress = lambda _: None,
) -> Codes:
    """Posterior means and log-variances of all pictures, or images of glitches.

    Args:
        model: In evaluation mode, on `device`.
        pictures: Moved to `device` as they are held.
        device: Where to encode.
        progress: Told of the pictures just encoded.
    """
    here = pictures.to(device)
    starts = range(0, len(pictures), _BATCH)
    return encode_inputs(
        model, (here.batch(slice(start, start + _BATCH)).x for start in starts), progress=progress
    )


def encode_inputs(
    model: Model[Any] | UserEncoder,
    inputs: Iterable[Tensor],
    *,
    progress: Progress = lambda _: None,
) -> Codes:
    """Encode images that come in batches.

    Args:
        model: In evaluation mode.
        inputs: At least one batch (B, C, H, W), on the device of the model: pictures in [0, 1],
            or glitches as `prepare` makes them.
        progress: Told of the images just encoded.
    """
    means, log_vars = [], []
    with torch.inference_mode():
        for x in inputs:
            posterior = model.encode(scale_to_range(x, model.likelihood))
            means.append(posterior.mean.float().cpu())
            log_vars.append(2 * posterior.stddev.float().log().cpu())
            progress(len(x))
    return Codes(_joined(means), _joined(log_vars))


def explain(
    model: Model[Any],
    pictures: TrainingImages,
    *,
    rows: NDArray[np.int64] | None = None,
    seed: int = 0,
    device: str | torch.device = "cpu",
) -> Explained:
    """Compute reconstruction and KL on pictures or glitches, with random draws from `seed`.

    Args:
        model: In evaluation mode, on `device`.
        pictures: Moved to `device` as they are held.
        rows: Which of them; all unless given.
        seed: Of one posterior draw for each.
        device: Where the model is.
    """
    here, terms, weights = pictures.to(device), [], []
    chosen = torch.from_numpy(np.arange(len(pictures)) if rows is None else rows)
    with torch.inference_mode(), torch.random.fork_rng(devices=_devices(device)):
        torch.manual_seed(seed)
        for some in chosen.split(_BATCH):
            batch = in_range(here.batch(some.to(device)), model)
            latents = model.infer(batch.x)
            lost = distortion(model.decode(latents.z), batch)
            spent = layer_rates_of(model, latents).sum(dim=1).mean()
            both = torch.stack([lost, spent])
            terms.append(torch.cat([both, kl_per_dimension(latents)]).double().cpu())
            weights.append(len(some))
    mean = np.average(torch.stack(terms).numpy(), axis=0, weights=weights)
    return Explained(float(mean[0]), float(mean[1]), mean[2:])


def _joined(parts: list[Tensor]) -> NDArray[np.float32]:
    return torch.cat(parts).numpy()


def _devices(device: str | torch.device) -> list[torch.device]:
    device = torch.device(device)
    return [] if device.type == "cpu" else [device]

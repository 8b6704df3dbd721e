"""Codes of images: where each glitch lies in a model's latent space, and what it is near."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from glitchvae.checkpoint import Checkpoint
from glitchvae.embedding.record import Embeddings
from glitchvae.models import prepare
from glitchvae.spectrogram import SpectrogramSet

_COPIED = (
    "event_id", "gps", "ifo", "snr", "peak_frequency", "q", "duration", "bandwidth",
    "f_max", "block_duration", "status", "label", "split", "imaging", "sources",
)  # fmt: skip


def encode_spectrograms(
    spectrograms: SpectrogramSet,
    checkpoint: Checkpoint,
    *,
    device: str = "cpu",
    batch_size: int = 64,
    configuration: dict[str, Any] | None = None,
) -> Embeddings:
    """Posterior of every usable image, with its nearest known class.

    Args:
        spectrograms: N events; unusable ones get a row of NaN codes.
        checkpoint: The model, with prototypes of the known classes if it has any.
        device: Where the network runs.
        batch_size: Images in one pass of the network.
        configuration: Options of the run, kept with the result.

    Returns:
        N rows in the order of the images.

    Raises:
        ModelError: a model of pictures.
    """
    checkpoint.require_views()
    usable = spectrograms.usable
    codes = _posterior(spectrograms.images[usable], checkpoint, device, batch_size)
    mean, log_var = (_spread(part, usable) for part in codes)
    names, probability, novelty = _classify(codes[0], checkpoint)
    return Embeddings(
        **{name: getattr(spectrograms, name) for name in _COPIED},
        mean=mean,
        log_var=log_var,
        class_name=_spread(names, usable, blank=""),
        class_probability=_spread(probability, usable),
        novelty=_spread(novelty, usable),
        model={"name": checkpoint.name, "digest": checkpoint.digest},
        configuration=configuration or {},
    )


def _posterior(
    images: np.ndarray, checkpoint: Checkpoint, device: str, batch_size: int
) -> tuple[np.ndarray, np.ndarray]:
    """Mean and log-variance (n, Z) of usable images."""
    model = checkpoint.model.to(device).eval()
    means, log_vars = [], []
    with torch.inference_mode():
        for first in range(0, len(images), batch_size):
            energies = torch.from_numpy(images[first : first + batch_size]).to(device)
            posterior = model.encode(prepare(energies)[0])
            means.append(posterior.mean.float().cpu().numpy())
            log_vars.append(2 * posterior.stddev.float().log().cpu().numpy())
    empty = np.empty((0, checkpoint.card.latent_size), np.float32)
    return np.concatenate([empty, *means]), np.concatenate([empty, *log_vars])


def _classify(
    codes: np.ndarray, checkpoint: Checkpoint
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Nearest known class, its probability and the novelty; blank without prototypes."""
    if checkpoint.prototypes is None or len(codes) == 0:
        blank = np.full(len(codes), np.nan, np.float32)
        return np.full(len(codes), "", dtype=object), blank, blank
    names, probability, novelty = checkpoint.prototypes.classify(codes)
    return np.asarray(names, dtype=object), probability, novelty


def _spread(values: np.ndarray, usable: np.ndarray, blank: Any = np.nan) -> np.ndarray:
    """`values` of the usable rows put in their places, `blank` in the others."""
    spread = np.full((len(usable), *values.shape[1:]), blank, dtype=values.dtype)
    spread[usable] = values
    return spread

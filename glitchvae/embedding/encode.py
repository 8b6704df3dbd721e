"""Encoding of images: codes of glitches in a model's latent space, and their nearest classes."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from glitchvae.checkpoint import Checkpoint
from glitchvae.embedding.record import UNCERTAINTIES, Embeddings, name_classes
from glitchvae.embedding.uncertainty import code_stability, latent_spread, view_agreement
from glitchvae.models import Model, prepare
from glitchvae.spectrogram import SpectrogramSet

_FOUND = ("mean", "log_var", *UNCERTAINTIES)


def encode_spectrograms(
    spectrograms: SpectrogramSet,
    checkpoint: Checkpoint,
    *,
    device: str = "cpu",
    batch_size: int = 64,
    uncertainty: bool = False,
    configuration: dict[str, Any] | None = None,
) -> Embeddings:
    """Posterior of every usable image, with its nearest known class.

    Args:
        spectrograms: N events; unusable ones get a row of NaN codes.
        checkpoint: The model, with prototypes of the known classes if it has any.
        device: Where the network runs.
        batch_size: Images in one pass of the network.
        uncertainty: Ask how the code changes without each view and with small changes of
            the image: seven more passes. The spread of the posterior is always given.
        configuration: Options of the run, kept with the result.

    Returns:
        N rows in the order of the images.

    Raises:
        ModelError: a model of pictures.
    """
    checkpoint.require_views()
    usable = spectrograms.usable
    images = spectrograms.images[usable]
    found = _encode(images, checkpoint, device, batch_size, uncertainty=uncertainty)
    codes: dict[str, Any] = {name: _spread(values, usable) for name, values in found.items()}
    unknown = np.full(len(usable), np.nan, np.float32)
    rows = Embeddings(
        **spectrograms.event_columns(),
        **codes,
        imaging=spectrograms.imaging,
        sources=spectrograms.sources,
        class_name=np.full(len(usable), "", dtype=object),
        class_probability=unknown,
        novelty_p=unknown,
        model={"name": checkpoint.name, "digest": checkpoint.digest},
        configuration=configuration or {},
    )
    return rows if checkpoint.prototypes is None else name_classes(rows, checkpoint.prototypes)


def _encode(
    images: np.ndarray, checkpoint: Checkpoint, device: str, batch_size: int, *, uncertainty: bool
) -> dict[str, np.ndarray]:
    """Mean and log-variance (n, Z) of usable images, and measures of their uncertainty (n,)."""
    model = checkpoint.model.to(device).eval()
    batches = torch.from_numpy(images).split(batch_size) if len(images) else ()
    with torch.inference_mode():
        parts = [_encode_batch(model, batch.to(device), uncertainty) for batch in batches]
    blank = torch.empty(0, checkpoint.card.latent_size)
    parts.append(dict(zip(_FOUND, (blank, blank, *[torch.empty(0)] * 3), strict=True)))
    return {name: torch.cat([part[name] for part in parts]).numpy() for name in _FOUND}


def _encode_batch(model: Model[Any], images: Tensor, uncertainty: bool) -> dict[str, Tensor]:
    """Encode one batch; results are on the CPU, and NaN for measures that are not requested."""

    def mean_of(x: Tensor) -> Tensor:
        return model.encode(x).mean

    posterior = model.encode(prepare(images)[0])
    mean, log_var = posterior.mean, 2 * posterior.stddev.float().log()
    unknown = torch.full((len(images),), torch.nan)
    found = (
        mean,
        log_var,
        latent_spread(log_var),
        view_agreement(mean_of, images, mean) if uncertainty else unknown,
        code_stability(mean_of, images, mean) if uncertainty else unknown,
    )
    return {name: value.float().cpu() for name, value in zip(_FOUND, found, strict=True)}


def _spread(values: np.ndarray, usable: np.ndarray) -> np.ndarray:
    """`values` placed in the rows that are usable, NaN in the others."""
    spread = np.full((len(usable), *values.shape[1:]), np.nan, dtype=values.dtype)
    spread[usable] = values
    return spread

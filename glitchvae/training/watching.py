"""Validation of a model during its training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from glitchvae.errors import ModelError
from glitchvae.models import Model
from glitchvae.objectives import distortion, layer_rates_of
from glitchvae.training.config import TrainingConfig
from glitchvae.training.images import TrainingImages
from glitchvae.training.step import in_range

ELBO = "validation_elbo"
_BATCH = 256


def check_watchable(config: TrainingConfig, data: TrainingImages) -> None:
    """Refuse a validation without validation events.

    Raises:
        ModelError: validation is asked for, and no event is for it.
    """
    if config.validate_every and len(data.rows("validation")) == 0:
        raise ModelError(
            "no event to validate on",
            where=data.description or None,
            expected="rows of the split validation",
            found=f"splits {sorted(set(data.split))}",
            remedy="Split the set (`glitchvae dataset split`), or leave out validate_every.",
        )


def validation_terms(model: Model[Any], data: TrainingImages, *, seed: int) -> dict[str, float]:
    """Distortion, rate and ELBO of the validation events, means in nats.

    Posterior samples are the same at every call, so that two steps differ by the model alone.

    Args:
        model: Left in the mode that it is in.
        data: Images.
        seed: Of one posterior sample for each event.
    """
    device = next(model.parameters()).device
    rows = torch.from_numpy(data.rows("validation"))
    mode, totals = model.training, np.zeros(2)
    model.eval()
    try:
        with (
            torch.no_grad(),
            torch.random.fork_rng(devices=[device] if device.type == "cuda" else []),
        ):
            torch.manual_seed(seed)
            for some in rows.split(_BATCH):
                batch = in_range(data.batch(some.to(device)), model)
                latents = model.infer(batch.x)
                spent = float(layer_rates_of(model, latents).sum(dim=1).mean())
                found = float(distortion(model.decode(latents.z), batch))
                totals += len(some) * np.array([found, spent])
    finally:
        model.train(mode)
    lost, spent = (totals / len(rows)).tolist()
    return {"validation_reconstruction": lost, "validation_rate": spent, ELBO: -lost - spent}


def is_best(rows: Sequence[dict[str, float]]) -> bool:
    """Whether the last row of a log has the highest validation ELBO so far."""
    seen = [row[ELBO] for row in rows if ELBO in row]
    return bool(rows) and ELBO in rows[-1] and seen[-1] > max(seen[:-1], default=-np.inf)


def is_patience_over(rows: Sequence[dict[str, float]], patience: int) -> bool:
    """Whether the last `patience` validations brought no higher ELBO."""
    seen = [row[ELBO] for row in rows if ELBO in row]
    if not patience or len(seen) <= patience:
        return False
    return max(seen[-patience:]) <= max(seen[:-patience])

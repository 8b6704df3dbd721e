"""A trained model as a checkpoint: weights, prototypes, and a card with figures."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from glitchvae.checkpoint import DataCard, ModelCard, save_checkpoint
from glitchvae.classes.model_card import CARD
from glitchvae.classes.prototypes import Prototypes
from glitchvae.models import Model, architecture_of
from glitchvae.objectives import describe_objective
from glitchvae.training.config import TrainingConfig
from glitchvae.training.images import TrainingImages
from glitchvae.training.log import kl_columns
from glitchvae.training.provenance import provenance_of
from glitchvae.training.shortfalls import find_shortfalls, measure_code
from glitchvae.training.step import in_range
from glitchvae.training.watching import ELBO, validation_terms

_LOG = logging.getLogger(__name__)

_BATCH = 256
_ELSEWHERE = {"model", "objective", "seed", "steps"}
"""Settings with separate entries on a card."""


def export(
    folders: Sequence[Path],
    model: Model[Any],
    config: TrainingConfig,
    data: TrainingImages,
    log: list[dict[str, float]],
    step: int,
    *,
    on_the_way: bool = False,
    speed: float | None = None,
) -> None:
    """Write the checkpoint of a model after `step` updates into one or several folders.

    `speed` is in steps a second since the run began or went on, with all that it did on its way.
    What the training fell short of stands on the card, and is logged unless the training is still
    `on_the_way`.
    """
    model.eval()
    codes = _codes_of_labelled(model, data)
    prototypes = fit_prototypes(codes, data, seed=config.seed)
    figures = _last_terms(log)
    validated = bool(log) and log[-1]["step"] == step and ELBO in log[-1]
    if not validated and len(data.rows("validation")):
        figures |= validation_terms(model, data, seed=config.seed)
    figures |= _class_figures(prototypes, codes, data)
    use = measure_code(model, data, seed=config.seed)
    figures |= {} if use is None else {"code_gain": use.gain}
    shortfalls = find_shortfalls(config.objective, step, log[-1] if log else {}, use)
    for each in () if on_the_way else shortfalls:
        _LOG.warning("%s: %s", folders[0], each)
    card = ModelCard(
        architecture=architecture_of(config.model),
        model={},
        imaging=data.imaging,
        latent_size=sum(model.layers),
        objective=describe_objective(config.objective, mode="json"),
        steps=step,
        seed=config.seed,
        figures=figures,
        shortfalls=shortfalls,
        training=config.model_dump(mode="json", exclude=_ELSEWHERE, exclude_none=True),
        provenance=provenance_of(config) | ({"steps_per_second": speed} if speed else {}),
        data=DataCard(
            digest=data.digest,
            description=data.description,
            events=len(data.rows("train", "")),
        ),
    )
    for folder in folders:
        # Without its card a folder is no checkpoint: a kill leaves none of two halves.
        (folder / CARD).unlink(missing_ok=True)
        save_checkpoint(folder, model, card, prototypes)
    model.train()


def fit_prototypes(
    codes: NDArray[np.float32], data: TrainingImages, *, seed: int
) -> Prototypes | None:
    """Fit prototypes to labelled training events; None if there is no label."""
    train, validation = _labelled(data, "train", ""), _labelled(data, "validation")
    if len(train) == 0:
        return None
    held_out = (codes[validation], data.labels[validation]) if len(validation) else None
    return Prototypes.fit(codes[train], data.labels[train], held_out=held_out, seed=seed)


@torch.inference_mode()
def _codes_of_labelled(model: Model[Any], data: TrainingImages) -> NDArray[np.float32]:
    """Posterior means (N, Z) of labelled events; NaN for events without a label."""
    codes = np.full((len(data), sum(model.layers)), np.nan, dtype=np.float32)
    for rows in _parts(np.flatnonzero(data.labels != "")):
        batch = in_range(data.batch(rows.to(_device_of(model))), model)
        codes[rows.numpy()] = model.encode(batch.x).mean.cpu().numpy()
    return codes


def _class_figures(
    prototypes: Prototypes | None, codes: NDArray[np.float32], data: TrainingImages
) -> dict[str, float]:
    """Share of held-out events whose nearest class equals their label."""
    if prototypes is None:
        return {}
    figures = {}
    for split in ("validation", "test"):
        rows = _labelled(data, split)
        if len(rows):
            found = prototypes.classify(codes[rows]).class_name
            figures[f"{split}_accuracy"] = float(np.mean(found == data.labels[rows]))
    return figures


def _last_terms(log: list[dict[str, float]]) -> dict[str, float]:
    """The last row of a log, without the KL of single dimensions."""
    last = log[-1] if log else {}
    return {k: v for k, v in last.items() if k not in ("step", *kl_columns(last))}


def _labelled(data: TrainingImages, *splits: str) -> NDArray[np.int64]:
    rows = data.rows(*splits)
    return rows[data.labels[rows] != ""]


def _parts(rows: NDArray[np.int64]) -> tuple[torch.Tensor, ...]:
    return torch.from_numpy(rows).split(_BATCH) if len(rows) else ()


def _device_of(model: Model[Any]) -> torch.device:
    return next(model.parameters()).device

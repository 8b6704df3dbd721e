"""Shortfalls of a training: unfinished schedules, missed targets, collapsed codes.

A model of such a training is a checkpoint like any other, but comparing its objective with
others by it would compare optimisations. The card keeps what is found here, and a claim
about a model with an entry there cannot be judged.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from glitchvae.models import Model
from glitchvae.objectives import Objective, distortions, layer_rates_of
from glitchvae.training.config import TrainingConfig
from glitchvae.training.images import TrainingImages
from glitchvae.training.step import in_range

_LOG = logging.getLogger(__name__)

COLLAPSED = 0.5
"""Rate (nats) below which a code, or a latent layer, counts as collapsed: one bit."""

MISSED = 0.1
"""Largest relative difference of the rate from its target; at least half a nat."""

_EVENTS, _BATCH = 512, 256


class CodeUse(NamedTuple):
    """Rate of codes, and their gain for the decoder.

    Attributes:
        rates: KL of each latent layer in nats, bottom up.
        gain: Nats by which the distortion grows where each event is decoded from the code of
            another. A code that is of use gains more than its rate: else the ELBO is below
            what the same decoder reaches with codes that do not know the event.
    """

    rates: tuple[float, ...]
    gain: float


def unfinished(objective: Objective, steps: int) -> tuple[str, ...]:
    """Weights that are not final after `steps` updates, a sentence for each."""
    return tuple(
        f"the schedule of {name} is not finished: {schedule(steps - 1):.4g} at the last of "
        f"{steps:,} steps, {schedule(schedule.steps):.4g} from step {schedule.steps:,} on"
        for name, schedule in objective.schedules().items()
        if steps < schedule.steps and schedule(steps) != schedule(schedule.steps)
    )


def say_unfinished(config: TrainingConfig, run: Path) -> None:
    """Log schedules that a run will not finish, before it starts."""
    for each in unfinished(config.objective, config.steps):
        _LOG.warning("%s: it will end before its time: %s", run, each)


def find_shortfalls(
    objective: Objective, steps: int, terms: Mapping[str, float], use: CodeUse | None
) -> tuple[str, ...]:
    """Shortfalls of a training, a sentence for each.

    Args:
        objective: That was minimised.
        steps: Updates that were made.
        terms: Last row of the log.
        use: Of the trained model; None where it could not be measured.
    """
    of_the_code = () if use is None else _of_the_code(use)
    return (*unfinished(objective, steps), *_of_the_target(objective, terms), *of_the_code)


def _of_the_target(objective: Objective, terms: Mapping[str, float]) -> Iterator[str]:
    target, reached = objective.target_rate(), terms.get("rate")
    if target is None or reached is None:
        return
    if abs(reached - target) > max(MISSED * target, COLLAPSED):
        yield f"the rate missed its target: {reached:.4g} instead of {target:.4g} nats"


def _of_the_code(use: CodeUse) -> Iterator[str]:
    whole = sum(use.rates)
    if whole < COLLAPSED:
        yield f"collapsed: the code carries {whole:.2g} nats, it says nothing of an event"
        return
    for layer, nats in enumerate(use.rates, start=1):
        if nats < COLLAPSED:
            yield f"collapsed: latent layer {layer} of {len(use.rates)} carries {nats:.2g} nats"
    if use.gain < whole:
        better = f"only {use.gain:.2g} nats better" if use.gain > 0 else "no better"
        yield (
            f"the code is not used: it carries {whole:.3g} nats, and events are reconstructed "
            f"{better} from it than from the code of another event"
        )


@torch.inference_mode()
def measure_code(model: Model[Any], data: TrainingImages, *, seed: int) -> CodeUse | None:
    """Measure rates and gain of codes on validation events, else on training events.

    Args:
        model: In evaluation mode.
        data: Images.
        seed: Of the choice of events and of one posterior sample each.

    Returns:
        None where there are fewer than two events.
    """
    rows = data.rows("validation")
    rows = rows if len(rows) > 1 else data.rows("train", "")
    if len(rows) < 2:
        return None
    chosen = np.random.default_rng(seed).permutation(rows)[:_EVENTS]
    device, parts = next(model.parameters()).device, []
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        for some in np.array_split(chosen, -(-len(chosen) // _BATCH)):
            batch = in_range(data.batch(torch.from_numpy(some).to(device)), model)
            latents = model.infer(batch.x)
            spent = layer_rates_of(model, latents).mean(dim=0)
            own = distortions(model.decode(latents.z), batch)
            other = distortions(model.decode(latents.z.roll(1, dims=0)), batch)
            means = [float((other - own).mean()), *spent.tolist()]
            parts.append(means)
    gain, *rates = np.mean(parts, axis=0).tolist()
    return CodeUse(tuple(rates), gain)

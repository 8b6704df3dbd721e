"""Choice of the way in which members of an ensemble take their steps, by measurement."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NamedTuple, Protocol

import torch

from glitchvae.allocation import return_freed_memory
from glitchvae.errors import ConfigError
from glitchvae.models import Model
from glitchvae.training.config import TrainingConfig
from glitchvae.training.ensemble.looped import LoopedEnsemble
from glitchvae.training.ensemble.members import obstacle_to_stacking
from glitchvae.training.ensemble.stacked import StackedEnsemble
from glitchvae.training.images import TrainingImages
from glitchvae.training.loop import clock

Strategy = Literal["loop", "vmap", "matrix"]

STRATEGIES: tuple[Strategy, ...] = ("loop", "vmap", "matrix")

_STEPS = 3


class Ensemble(Protocol):
    """Models that are trained together."""

    device: torch.device

    @property
    def step(self) -> int:
        """Number of updates so far."""
        ...

    @property
    def models(self) -> list[Model[Any]]:
        """The model of each member."""
        ...

    def advance(self) -> None: ...  # noqa: D102
    def read_terms(self) -> list[dict[str, float]] | None: ...  # noqa: D102
    def states(self) -> list[dict[str, Any]]: ...  # noqa: D102
    def restore(self, states: Sequence[dict[str, Any]]) -> None: ...  # noqa: D102


class Choice(NamedTuple):
    """A strategy and the reason for its choice."""

    strategy: Strategy
    reason: str


def make_ensemble(
    data: TrainingImages,
    configs: Sequence[TrainingConfig],
    device: torch.device,
    strategy: Strategy,
) -> Ensemble:
    """Make an ensemble with one of three strategies.

    Args:
        data: Images in [0, 1].
        configs: Settings of the members.
        device: Where to train.
        strategy: "loop", one after the other; "vmap", one step over stacked weights;
            "matrix", the same with convolutions as matrix products.

    Raises:
        ConfigError: the members differ in more than their weights of terms and seeds.
    """
    if strategy == "loop":
        return LoopedEnsemble(data, configs, device)
    if obstacle := obstacle_to_stacking(configs):
        raise ConfigError(
            f"{obstacle}, so that they cannot share one step",
            found=f"strategy {strategy!r}",
            remedy="Use the strategy loop, or auto.",
        )
    return StackedEnsemble(data, configs, device, matrix=strategy == "matrix")


def choose_strategy(
    data: TrainingImages, configs: Sequence[TrainingConfig], device: torch.device
) -> Choice:
    """Choose the strategy with the fastest steps, by a few steps of each.

    One that cannot do this model, or does not fit into the memory, is passed over.
    """
    if len(configs) == 1:
        return Choice("loop", "one member")
    if obstacle := obstacle_to_stacking(configs):
        return Choice("loop", obstacle)
    trials: dict[Strategy, float | str] = {"loop": _seconds(LoopedEnsemble(data, configs, device))}
    stacked: tuple[Strategy, ...] = ("vmap", "matrix")
    for form in stacked:
        return_freed_memory(device)
        trials[form] = _attempt(functools.partial(make_ensemble, data, configs, device, form))
    times: dict[Strategy, float] = {
        name: found for name, found in trials.items() if isinstance(found, float)
    }
    fastest: Strategy = min(times, key=lambda name: times[name])
    return Choice(fastest, _describe(trials, len(configs)))


def _attempt(make: Callable[[], Ensemble]) -> float | str:
    """Seconds of a step, or the reason why it fails: unsupported operations or memory."""
    try:
        return _seconds(make())
    except (ValueError, RuntimeError, MemoryError) as error:
        return f"{type(error).__name__}: {error}".splitlines()[0]


def _seconds(ensemble: Ensemble) -> float:
    """Seconds of a step."""
    ensemble.advance()
    start = clock(ensemble.device)
    for _ in range(_STEPS):
        ensemble.advance()
    return (clock(ensemble.device) - start) / _STEPS


def _describe(trials: Mapping[Strategy, float | str], members: int) -> str:
    parts = (
        f"{name} {found * 1e3:.0f} ms" if isinstance(found, float) else f"{name} fails ({found})"
        for name, found in trials.items()
    )
    return f"a step of {members} members: {', '.join(parts)}"

"""How the members of an ensemble take their steps, chosen by measuring it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NamedTuple, Protocol

import torch

from glitchvae.errors import ConfigError
from glitchvae.models import Model
from glitchvae.training.config import TrainingConfig
from glitchvae.training.ensemble.looped import LoopedEnsemble
from glitchvae.training.ensemble.members import obstacle_to_stacking
from glitchvae.training.ensemble.stacked import StackedEnsemble
from glitchvae.training.images import TrainingImages
from glitchvae.training.loop import clock
from glitchvae.training.memory import is_exhaustion

Strategy = Literal["loop", "vmap", "matrix"]

STRATEGIES: tuple[Strategy, ...] = ("loop", "vmap", "matrix")

_STEPS = 3


class Ensemble(Protocol):
    """Models that are trained together."""

    device: torch.device

    @property
    def step(self) -> int:
        """Updates so far."""
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
    """A strategy and why it was taken."""

    strategy: Strategy
    reason: str


def make_ensemble(
    data: TrainingImages, configs: Sequence[TrainingConfig], device: torch.device,
    strategy: Strategy,
) -> Ensemble:  # fmt: skip
    """Members that step in one of three ways.

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
            f"{obstacle}, so that they cannot share one step", found=f"strategy {strategy!r}",
            remedy="Use the strategy loop, or auto.",
        )  # fmt: skip
    return StackedEnsemble(data, configs, device, matrix=strategy == "matrix")


def choose_strategy(
    data: TrainingImages, configs: Sequence[TrainingConfig], device: torch.device
) -> Choice:
    """The strategy whose steps are the fastest here, each tried for a few steps.

    One that cannot do this model, or does not fit into the memory, is passed over.
    """
    if len(configs) == 1:
        return Choice("loop", "one member")
    if obstacle := obstacle_to_stacking(configs):
        return Choice("loop", obstacle)
    trials: dict[Strategy, float] = {}
    for strategy in STRATEGIES:
        trials[strategy] = _seconds(
            functools.partial(make_ensemble, data, configs, device, strategy)
        )
    return Choice(min(STRATEGIES, key=lambda s: trials[s]), _describe(trials, len(configs)))


def _seconds(make: Callable[[], Ensemble]) -> float:
    """Seconds of a step, infinite for an ensemble that cannot be made or stepped."""
    try:
        ensemble = make()
        ensemble.advance()
        start = clock(ensemble.device)
        for _ in range(_STEPS):
            ensemble.advance()
        return (clock(ensemble.device) - start) / _STEPS
    except (ValueError, RuntimeError, MemoryError) as error:
        # Operations that vmap does not know raise RuntimeError; the loop knows all.
        if is_exhaustion(error) and torch.cuda.is_available():
            torch.cuda.empty_cache()
        return float("inf")


def _describe(trials: Mapping[Strategy, float], members: int) -> str:
    parts = (
        f"{name} {seconds * 1e3:.0f} ms" if seconds < float("inf") else f"{name} not possible"
        for name, seconds in trials.items()
    )
    return f"a step of {members} members: {', '.join(parts)}"

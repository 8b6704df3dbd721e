"""A run of an ensemble: one folder with a folder for each member."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import torch

from glitchvae.errors import ConfigError, InputError, ModelError
from glitchvae.progress import Progress
from glitchvae.training.config import TrainingConfig, changed_config
from glitchvae.training.ensemble.members import Changes, member_config
from glitchvae.training.ensemble.strategy import (
    Choice,
    Ensemble,
    Strategy,
    choose_strategy,
    make_ensemble,
)
from glitchvae.training.export import export
from glitchvae.training.images import TrainingImages
from glitchvae.training.launch import Ranks, launched, launched_ranks
from glitchvae.training.loop import clock, naming, run_steps, settled
from glitchvae.training.memory import explain_exhaustion
from glitchvae.training.shortfalls import say_unfinished
from glitchvae.training.state import (
    STATE,
    check_state,
    read_state,
    refuse_existing,
    whole_state,
    write_log,
    write_state,
)
from glitchvae.training.tracking import Tracker


def train_ensemble(
    data: TrainingImages,
    config: TrainingConfig,
    members: Mapping[str, Changes],
    out: str | Path,
    *,
    strategy: Literal["auto"] | Strategy = "auto",
    resume: bool = False,
    changed_data: bool = False,
    device: str | torch.device = "cpu",
    progress: Progress = lambda _: None,
    report: Callable[[str], None] = lambda _: None,
    trackers: Callable[[], Sequence[Tracker]] = tuple,
) -> tuple[Path, ...]:
    """Train many models at once; each ends as a checkpoint like one of `train`.

    `out/resume/state.pt` holds the state of all, from which `resume=True` goes on, on a CPU
    to the same weights as without a stop. Processes that torchrun started share the members
    and write a state each.

    Args:
        data: Images of glitches or pictures.
        config: What the members share.
        members: What each changes, by the name of its folder: see `expand_members`.
        out: Folder of the ensemble.
        strategy: "auto" measures "loop", "vmap" and "matrix" and takes the fastest; a run
            that goes on keeps the one it began with.
        resume: Go on with the ensemble in `out`.
        changed_data: Go on even if the data are not those the run began with.
        device: Where to train.
        progress: Called with the number of steps of all members just finished.
        report: Told in a sentence which strategy is taken, and why.
        trackers: Makes what follows one member.

    Returns:
        The folders of the members that this process trained.

    Raises:
        ConfigError: a key that members cannot differ in, or a strategy that cannot do them.
        InputError: `out` holds a run, or none to resume.
        ModelError: a loss is not finite, the memory does not suffice, or the ensemble to
            resume began with other members, data or settings.
        KeyboardInterrupt: after a signal, once the checkpoints are written.
    """
    out = Path(out)
    if config.validate_every or config.keep_every:
        raise ConfigError(
            "an ensemble keeps no checkpoints on the way",
            found="validate_every or keep_every",
            remedy="Leave them out, or train the members one by one.",
        )
    with launched(device) as (ranks, place), settled(place) as stopped:
        share = _share(members, ranks)
        configs = {name: member_config(config, members[name]) for name in share}
        path = out / state_file(ranks)
        before = read_state(path) if resume else None
        if before is None:
            _refuse_existing(out, path, share)
        else:
            _check(before, configs, data, out, changed_data=changed_data)
        ranks.wait()
        with explain_exhaustion(data, config, place, members=len(share)):
            data = data.to(place)
            taken, reason = _strategy(strategy, before, data, configs, place)
            report(f"strategy {taken}: {reason}")
            ensemble = make_ensemble(data, list(configs.values()), place, taken)
            book = Book(ensemble, data, configs, out, trackers)
            if before is not None:
                book.restore(before)
                progress(ensemble.step)
            for name, each in configs.items():
                say_unfinished(each, out / name)
            described = _described(taken, config, members)
            run_steps(
                ensemble,
                config,
                log=book.log_terms,
                save=lambda: book.save(path, described),
                stopped=stopped,
                progress=progress,
                ranks=ranks,
            )
        book.finish()
        ranks.wait()
        if ensemble.step < config.steps:
            raise KeyboardInterrupt
    return tuple(out / name for name in share)


def _described(
    strategy: Strategy, config: TrainingConfig, members: Mapping[str, Changes]
) -> dict[str, str]:
    """Strategy, settings and members that identify an ensemble."""
    text = json.dumps({name: dict(changes) for name, changes in members.items()})
    return {"strategy": strategy, "config": config.model_dump_json(), "members": text}


def is_ensemble(out: Path) -> bool:
    """Whether a folder holds an ensemble that can be resumed."""
    path = out / state_file(launched_ranks())
    return path.exists() and "members" in read_state(path)


def resumed_ensemble(
    out: Path, *, lines: Sequence[str] = (), **changes: Any
) -> tuple[TrainingConfig, dict[str, Changes]]:
    """Settings and members of an ensemble to resume, with some entries replaced.

    Raises:
        InputError: nothing to resume, or a damaged file.
    """
    before = read_state(out / state_file(launched_ranks()))
    values = json.loads(before["config"])
    config = changed_config(values, changes, lines=lines, where=out)
    return config, json.loads(before["members"])


def state_file(ranks: Ranks) -> Path:
    """State file of the members of a process, relative to the folder of the ensemble."""
    if ranks.count == 1:
        return STATE
    return STATE.with_name(f"state-{ranks.rank + 1}-of-{ranks.count}.pt")


class Book:
    """Files that an ensemble writes to its folder."""

    def __init__(
        self,
        ensemble: Ensemble,
        data: TrainingImages,
        configs: Mapping[str, TrainingConfig],
        out: Path,
        trackers: Callable[[], Sequence[Tracker]],
    ) -> None:
        self.ensemble, self.data, self.configs, self.out = ensemble, data, configs, out
        self.began = (ensemble.step, clock(ensemble.device))
        self.logs: dict[str, list[dict[str, float]]] = {name: [] for name in configs}
        self.trackers = {name: trackers() for name in configs}
        for name, followers in self.trackers.items():
            for tracker in followers:
                tracker.start(out / name, configs[name])

    def restore(self, before: dict[str, Any]) -> None:
        """Restore states and logs."""
        states = before["states"]
        self.ensemble.restore([states[name] for name in self.configs])
        self.began = (self.ensemble.step, clock(self.ensemble.device))
        self.logs = {name: states[name]["log"] for name in self.configs}

    def log_terms(self) -> None:
        """Read the terms of all members since the last call, check and store them.

        Raises:
            ModelError: one of them is not finite.
        """
        with naming(self.out):
            rows = self.ensemble.read_terms()
        for name, row in zip(self.configs, rows or (), strict=bool(rows)):
            self.logs[name].append(row)
            for tracker in self.trackers[name]:
                tracker.record(int(row["step"]), row)

    def save(self, path: Path, described: dict[str, str]) -> None:
        """Write the states of all members at once, and their logs."""
        write_state(path, {**described, "states": self._states()})
        for name, log in self.logs.items():
            write_log(self.out / name, log)

    def finish(self) -> None:
        """Write the checkpoint of each member, and the state to resume it by itself.

        Their speed is that of all members together.
        """
        models, states, (first, began) = self.ensemble.models, self._states(), self.began
        steps = len(self.configs) * (self.ensemble.step - first)
        speed = steps / (clock(self.ensemble.device) - began)
        for (name, config), model in zip(self.configs.items(), models, strict=True):
            folder = self.out / name
            write_state(folder / STATE, states[name])
            export(
                [folder],
                model,
                config,
                self.data,
                self.logs[name],
                self.ensemble.step,
                speed=speed,
            )
            for tracker in self.trackers[name]:
                tracker.finish(folder)

    def _states(self) -> dict[str, dict[str, Any]]:
        states = zip(self.configs.items(), self.ensemble.states(), strict=True)
        return {
            name: whole_state(state, config, self.data, self.logs[name])
            for (name, config), state in states
        }


def _share(members: Mapping[str, Changes], ranks: Ranks) -> list[str]:
    """Members of this process.

    Raises:
        ConfigError: there are fewer members than processes.
    """
    share = list(members)[ranks.rank :: ranks.count]
    if not share:
        raise ConfigError(
            "an ensemble without members for every process",
            found=f"{len(members)} members",
            expected=f"at least {ranks.count}",
        )
    return share


def _strategy(
    wanted: Literal["auto"] | Strategy,
    before: dict[str, Any] | None,
    data: TrainingImages,
    configs: Mapping[str, TrainingConfig],
    device: torch.device,
) -> Choice:
    if wanted != "auto":
        return Choice(wanted, "as asked for")
    if before is not None:
        return Choice(before["strategy"], "as the run began")
    return choose_strategy(data, list(configs.values()), device)


def _refuse_existing(out: Path, path: Path, share: Sequence[str]) -> None:
    for folder in (out, *(out / name for name in share)):
        refuse_existing(folder)
    if any(path.parent.glob("state*.pt")):
        raise InputError(
            "holds a run already",
            where=out,
            remedy="Continue it with --resume, or choose another folder.",
        )


def _check(
    before: dict[str, Any],
    configs: Mapping[str, TrainingConfig],
    data: TrainingImages,
    out: Path,
    *,
    changed_data: bool,
) -> None:
    """Refuse to resume with other members, settings or data.

    Raises:
        ModelError: they differ.
    """
    if list(before.get("states", ())) != list(configs):
        raise ModelError(
            "an ensemble of other members",
            where=out,
            expected=list(before.get("states", ())),
            found=list(configs),
            remedy="Resume without naming members, or start a new run.",
        )
    for name, config in configs.items():
        state = before["states"][name]
        check_state(state, config, data, where=out / name, changed_data=changed_data)

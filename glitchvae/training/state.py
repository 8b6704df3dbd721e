"""State from which a run resumes: one file, replaced at once, opened without running code."""

from __future__ import annotations

import csv
import json
import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from glitchvae.config import parse
from glitchvae.errors import InputError, ModelError
from glitchvae.objectives import is_own
from glitchvae.plugins import path_of
from glitchvae.store import replacing
from glitchvae.training.config import TrainingConfig, changed_config
from glitchvae.training.images import TrainingImages
from glitchvae.training.log import LOG

STATE = Path("resume") / "state.pt"
_FREE_TO_CHANGE = {"steps", "save_every", "learning_rate", "precision"}
"""Settings that may differ on resuming; the last two remedy a loss that diverged."""


def whole_state(
    state: dict[str, Any], config: TrainingConfig, data: TrainingImages, log: list[dict[str, float]]
) -> dict[str, Any]:
    """State of a run: that of the model, with settings, data and log."""
    described = {"config": config.model_dump_json(), "data_digest": data.digest}
    return {**state, **described, "log": log}


def write_state(path: Path, whole: dict[str, Any]) -> None:
    """Write a state so that a kill at any moment leaves the earlier one or this."""
    with replacing(path) as temporary:
        torch.save(whole, temporary)


def write_log(run: Path, log: list[dict[str, float]]) -> None:
    """Write the rows of a log as CSV; missing columns stay empty."""
    names = list(dict.fromkeys(name for row in log for name in row)) or ["step"]
    with replacing(run / LOG) as temporary, temporary.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, fieldnames=names)
        writer.writeheader()
        writer.writerows(log)


def check_state(
    whole: dict[str, Any],
    config: TrainingConfig,
    data: TrainingImages,
    *,
    where: Path,
    changed_data: bool = False,
) -> None:
    """Check a state against the settings and data of the run that resumes from it.

    Args:
        whole: What `whole_state` returned.
        config: Settings to go on with.
        data: Images to go on with.
        where: The run, for errors.
        changed_data: Take other data than those the run began with.

    Raises:
        ModelError: other settings or other data than the run began with.
    """
    if whole["data_digest"] != data.digest and not changed_data:
        raise ModelError(
            "the data changed since this run began",
            where=where,
            expected=f"data digest {whole['data_digest'][:12]}…",
            found=f"{data.digest[:12]}…",
            remedy="Give the data set the run began with, start a new run, or say "
            "--changed-data to go on with this one.",
        )
    before = _config_of(json.loads(whole["config"]), config, where)
    _refuse_other_settings(where, before, config)


def _config_of(stored: dict[str, Any], now: TrainingConfig, where: Path) -> TrainingConfig:
    """Settings in a state; the user's own objective is replaced by the present one."""
    kind, table = type(now.objective), stored["objective"]
    if not is_own(now.objective) or table.get("class", path_of(kind)) != path_of(kind):
        return changed_config(stored, {}, where=where)
    # A class that stands in no module by its name, as one of a notebook, is like now's.
    left_out = {"class"} if "name" in kind.model_fields else {"class", "name"}
    settings = {key: value for key, value in table.items() if key not in left_out}
    return parse(TrainingConfig, {**stored, "objective": parse(kind, settings, where=where)})


def _refuse_other_settings(run: Path, before: TrainingConfig, now: TrainingConfig) -> None:
    old, new = before.model_dump(mode="json"), now.model_dump(mode="json")
    changed = [k for k in new if new[k] != old[k] and k not in _FREE_TO_CHANGE]
    if changed:
        raise ModelError(
            f"settings differ from those the run began with: {', '.join(changed)}",
            where=run,
            expected={k: old[k] for k in changed},
            found={k: new[k] for k in changed},
            remedy="Resume with the same settings, or start a new run.",
        )


def resumed_config(run: Path, *, lines: Sequence[str] = (), **changes: Any) -> TrainingConfig:
    """Settings of a run to resume, with entries other than None and TOML lines replaced.

    Raises:
        InputError: nothing to resume, or a damaged file.
    """
    values = json.loads(read_state(run / STATE)["config"])
    return changed_config(values, changes, lines=lines, where=run)


def refuse_existing(run: Path) -> None:
    """Refuse a folder that holds a run.

    Raises:
        InputError: it does; nothing in it is touched.
    """
    if (run / STATE).exists() or (run / "card.toml").exists():
        raise InputError(
            "holds a run already",
            where=run,
            remedy="Continue it with --resume, or choose another folder.",
        )


def read_state(path: Path) -> dict[str, Any]:
    """Read a file of `write_state`.

    Raises:
        InputError: nothing there, or a damaged file.
    """
    if not path.exists():
        raise InputError(
            "nothing to resume",
            where=path.parent.parent,
            expected=f"resume/{path.name}",
            remedy="Start the run without --resume.",
        )
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, OSError, pickle.UnpicklingError) as error:
        raise InputError("damaged state of a run", where=path, found=error) from error

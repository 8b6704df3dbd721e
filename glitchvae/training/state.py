"""The state a run resumes from: one file, replaced at once, opened without running code."""

from __future__ import annotations

import csv
import json
import pickle
from pathlib import Path
from typing import Any

import torch

from glitchvae.errors import InputError, ModelError
from glitchvae.store import replacing
from glitchvae.training.config import TrainingConfig, changed_config
from glitchvae.training.images import TrainingImages
from glitchvae.training.log import LOG

STATE = Path("resume") / "state.pt"
_FREE_TO_CHANGE = {"steps", "save_every", "learning_rate", "precision"}
"""What may differ when a run goes on; the last two are the cure of a loss that diverged."""


def save_state(
    run: Path,
    state: dict[str, Any],
    config: TrainingConfig,
    data: TrainingImages,
    log: list[dict[str, float]],
) -> None:
    """Write what a later `load_state` continues from, and the log as CSV.

    A kill at any moment leaves the earlier state or this one.
    """
    whole = {
        **state,
        "config": config.model_dump_json(),
        "data_digest": data.digest,
        "log": log,
    }
    with replacing(run / STATE) as temporary:
        torch.save(whole, temporary)
    write_log(run, log)


def write_log(run: Path, log: list[dict[str, float]]) -> None:
    """Write the rows of a log as CSV; a column that a row lacks stays empty."""
    names = list(dict.fromkeys(name for row in log for name in row)) or ["step"]
    with replacing(run / LOG) as temporary, temporary.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, fieldnames=names)
        writer.writeheader()
        writer.writerows(log)


def load_state(
    run: Path, config: TrainingConfig, data: TrainingImages, *, changed_data: bool = False
) -> dict[str, Any]:
    """The state of a run, checked against the settings and data it is to go on with.

    Args:
        run: Folder of the run.
        config: Settings it is to go on with.
        data: Images it is to go on with.
        changed_data: Take other data than those the run began with.

    Raises:
        InputError: nothing to resume, or a damaged file.
        ModelError: other settings or other data than the run began with.
    """
    whole = _read(run)
    if whole["data_digest"] != data.digest and not changed_data:
        raise ModelError(
            "the data changed since this run began", where=run,
            expected=f"data digest {whole['data_digest'][:12]}…", found=f"{data.digest[:12]}…",
            remedy="Give the data set the run began with, start a new run, or say "
            "--changed-data to go on with this one.",
        )  # fmt: skip
    before = changed_config(json.loads(whole["config"]), {}, where=run)
    _refuse_other_settings(run, before, config)
    return whole


def _refuse_other_settings(run: Path, before: TrainingConfig, now: TrainingConfig) -> None:
    old, new = before.model_dump(mode="json"), now.model_dump(mode="json")
    changed = [k for k in new if new[k] != old[k] and k not in _FREE_TO_CHANGE]
    if changed:
        raise ModelError(
            f"settings differ from those the run began with: {', '.join(changed)}", where=run,
            expected={k: old[k] for k in changed}, found={k: new[k] for k in changed},
            remedy="Resume with the same settings, or start a new run.",
        )  # fmt: skip


def resumed_config(run: Path, **changes: Any) -> TrainingConfig:
    """The settings a run began with; entries that are not None replace some.

    Raises:
        InputError: nothing to resume, or a damaged file.
    """
    return changed_config(json.loads(_read(run)["config"]), changes, where=run)


def refuse_existing(run: Path) -> None:
    """Reject a folder that holds a run.

    Raises:
        InputError: it does; nothing in it is touched.
    """
    if (run / STATE).exists() or (run / "card.toml").exists():
        raise InputError(
            "holds a run already", where=run,
            remedy="Continue it with --resume, or choose another folder.",
        )  # fmt: skip


def _read(run: Path) -> dict[str, Any]:
    path = run / STATE
    if not path.exists():
        raise InputError(
            "nothing to resume", where=run, expected=str(STATE),
            remedy="Start the run without --resume.",
        )  # fmt: skip
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, OSError, pickle.UnpicklingError) as error:
        raise InputError("damaged state of a run", where=path, found=error) from error

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
from glitchvae.training.data import TrainingData

STATE = Path("resume") / "state.pt"
LOG = "log.csv"
_FREE_TO_CHANGE = {"steps", "save_every"}


def save_state(
    run: Path,
    state: dict[str, Any],
    config: TrainingConfig,
    data: TrainingData,
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
    with replacing(run / LOG) as temporary, temporary.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, fieldnames=list(log[0]) if log else ["step"])
        writer.writeheader()
        writer.writerows(log)


def load_state(run: Path, config: TrainingConfig, data: TrainingData) -> dict[str, Any]:
    """The state of a run, checked against the settings and data it is to go on with.

    Raises:
        InputError: nothing to resume, or a damaged file.
        ModelError: other settings or other data than the run began with.
    """
    whole = _read(run)
    if whole["data_digest"] != data.digest:
        raise ModelError(
            "the data changed since this run began", where=run,
            expected=f"data digest {whole['data_digest'][:12]}…", found=f"{data.digest[:12]}…",
            remedy="Give the data set the run began with, or start a new run.",
        )  # fmt: skip
    before, now = json.loads(whole["config"]), config.model_dump(mode="json")
    changed = [k for k in now if now[k] != before.get(k) and k not in _FREE_TO_CHANGE]
    if changed:
        raise ModelError(
            f"settings differ from those the run began with: {', '.join(changed)}", where=run,
            expected={k: before.get(k) for k in changed}, found={k: now[k] for k in changed},
            remedy="Resume with the same settings, or start a new run.",
        )  # fmt: skip
    return whole


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

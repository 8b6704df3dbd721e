"""Adaptation of a model to the events of an archive, written as a new model."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from glitchvae.adapting.comparing import Comparison, compare
from glitchvae.adapting.events import Events, Labels, model_of, read_archive, read_sets
from glitchvae.adapting.head import (
    Known,
    NewHead,
    Unlabelled,
    carry_over,
    fit_new_head,
    known_events,
)
from glitchvae.adapting.replay import (
    quiet_pictures,
    simulated_sets,
    stream_sets,
    training_data,
)
from glitchvae.adapting.settings import (
    FEWEST_EVENTS,
    AdaptSettings,
    training_config,
)
from glitchvae.archive import Archive
from glitchvae.checkpoint import Checkpoint, DataCard, load_checkpoint, save_checkpoint
from glitchvae.classes.model_card import CARD
from glitchvae.classes.prototypes import ENOUGH_REAL
from glitchvae.dataset.donors import Donor, find_donors
from glitchvae.errors import InputError, ModelError, StorageError
from glitchvae.probes import encode_data
from glitchvae.progress import progress_of
from glitchvae.store import digest, replacing
from glitchvae.training import TrainingConfig, TrainingData, plan, train

_LOG = logging.getLogger(__name__)
_TRAINED = {"train": 0.85, "validation": 0.15}
_KEY, _OLD = "adapting.json", "replaced"


@dataclass(frozen=True, kw_only=True)
class Adapted:
    """An adapted model.

    Attributes:
        path: Its folder.
        checkpoint: The model.
        comparison: Before and after.
        notes: What was done and left, in sentences.
    """

    path: Path
    checkpoint: Checkpoint
    comparison: Comparison
    notes: tuple[str, ...]


def adapt_model(
    archive: Archive,
    output: str | Path,
    labels: Labels = None,
    *,
    model: str | Path | None = None,
    strain: Sequence[str | Path] = (),
    settings: AdaptSettings | None = None,
    device: str = "cpu",
    shown: bool = True,
    tell: Callable[[str], None] = _LOG.info,
) -> Adapted:
    """Adapt a model to an archive and write it as a model of its own.

    The weights go on for some minutes on the archive's pictures and on simulated events, by the
    objective `consistent`, or `labelled` where there are labels; the head is refitted; novelty
    is measured against events of the archive that taught nothing. A model that names simulated
    events worse is refused. With fewer than `FEWEST_EVENTS` pictures the weights stay.

    What is made on the way lies in the folder `<output>.adapting`; the same call goes on there
    after a kill. A model that `output` holds already stays until the new one is complete.

    Args:
        archive: Of one model's codes, with pictures.
        output: Folder of the new model.
        labels: A table or mapping of identifiers and classes, "none", or None: those that the
            archive holds.
        model: The model to start from; None: the one whose codes the archive holds.
        strain: Files whose quiet times lend their noise to simulated events.
        settings: How to adapt.
        device: Where to compute.
        shown: Show progress on stderr.
        tell: Called with each remark.

    Raises:
        ArchiveError: no event with a picture; codes of another model, or of several.
        InputError: labels that cannot be used; nothing to adapt with; `output` is no model.
        ModelError: no such model; the adapted one is refused.
        StorageError: the disk refused a write.
        KeyboardInterrupt: after a signal, once the state is written.
    """
    settings = settings or AdaptSettings()
    target = Path(output)
    work = target.with_name(f"{target.name}.adapting")
    _recover(target, work)
    _check_target(target)
    start = model_of(archive, model, device)
    prototypes = start.require_prototypes()
    notes: list[str] = []

    def note(text: str) -> None:
        notes.append(text)
        tell(text)

    with progress_of(
        "reading", len(archive.embeddings(model=start.digest)), "events", shown=shown
    ) as report:
        events = read_archive(archive, start, settings, labels, report)
    labelled = bool((events.label != "").any())
    note(_what_there_is(events, archive))
    trains = len(events) >= FEWEST_EVENTS
    if not trains:
        note(
            f"fewer than {FEWEST_EVENTS} events: the weights stay, and so do the codes; "
            "head and novelty alone are adapted"
        )
        events = replace(events, held_out=np.ones(len(events), dtype=bool))
        _require_something(events, archive)
    donors = _donors(strain)
    held = _simulate(work, start, settings, "hold-out", donors, shown)
    config, tuned, simulated = None, start, None
    if trains:
        simulated = _simulate(work, start, settings, "replay", donors, shown)
        config, tuned = _tune(
            work, start, settings, events, simulated, device, shown, labelled=labelled, note=note
        )
    before = _encoded(start, held, events)
    after = before if tuned is start else _encoded(tuned, held, events)
    known = known_events(prototypes)
    if simulated is not None:
        rng = np.random.default_rng(settings.seed)
        pairs = [_codes(each, simulated.data) for each in (start, tuned)]
        known = carry_over(
            known,
            np.concatenate([pairs[0], before[1]]),
            np.concatenate([pairs[1], after[1]]),
            rng,
        )
        teachers = Known(codes=pairs[1].astype(np.float64), labels=simulated.label)
    else:
        teachers = Known(codes=known.codes[:0], labels=known.labels[:0])
    taught = events.label != ""
    # Names teach a linear head alone, and novelty is measured by centres: where the weights stay,
    # events may do both.
    without = ~taught & (~events.held_out if trains else True)
    said = prototypes.classify(before[1][without], events.f_max[without])
    head = fit_new_head(
        prototypes,
        known,
        teachers,
        Known(codes=after[1][taught].astype(np.float64), labels=events.label[taught]),
        events.gps[taught],
        Unlabelled(
            codes=after[1][without].astype(np.float64),
            names=said.class_name,
            probability=said.class_probability,
        ),
        after[1][events.held_out & ~taught],
        same_codes=tuned is start,
        seed=settings.seed,
    )
    note(f"the names of {head.self_taught:,} events without a label are sure enough to teach")
    note(_what_background(head, events))
    comparison = compare(
        (prototypes, *before),
        (head.prototypes, *after),
        held,
        events,
        None if head.chosen is None else (head.chosen.probabilities, head.chosen.head.names),
        largest_fall=settings.largest_fall,
        seed=settings.seed,
    )
    made = work / "model"
    _write(made, start, tuned, head, comparison, config, events, archive, settings, notes)
    if comparison.refused:
        raise _refusal(comparison, target, made)
    _put_in_place(made, target, work)
    shutil.rmtree(work / "run", ignore_errors=True)
    return Adapted(
        path=target,
        checkpoint=load_checkpoint(target, device),
        comparison=comparison,
        notes=tuple(notes),
    )


def _what_there_is(events: Events, archive: Archive) -> str:
    taught = events.label != ""
    classes = len(set(events.label[taught]))
    said = f", {int(taught.sum())} with labels of {classes} classes that teach"
    return f"{archive.path}: {len(events):,} events with a picture" + (
        said if taught.any() else ", no label that teaches"
    )


def _what_background(head: NewHead, events: Events) -> str:
    if head.background:
        return f"novelty is measured against {head.background} events of the archive"
    spare = int((events.held_out & (events.label == "")).sum())
    return (
        f"novelty stays as it was: {spare} events of the archive taught nothing, "
        f"of at least {ENOUGH_REAL} that are needed to measure it"
    )


def _require_something(events: Events, archive: Archive) -> None:
    """Refuse settings that would leave the model unchanged."""
    if (events.label == "").all() and len(events) < ENOUGH_REAL:
        raise InputError(
            "too few events to adapt to",
            where=archive.path,
            expected=f"{FEWEST_EVENTS} events for the weights, {ENOUGH_REAL} for novelty, or "
            "labels of two classes for the head",
            found=f"{len(events)} events without labels",
        )


def _donors(strain: Sequence[str | Path]) -> list[Donor]:
    return find_donors(strain) if strain else []


def _simulate(
    work: Path,
    start: Checkpoint,
    settings: AdaptSettings,
    what: str,
    donors: Sequence[Donor],
    shown: bool,
) -> Events:
    """Simulated events for training or for the comparison of the two models."""
    replay = what == "replay"
    count = settings.simulated if replay else settings.hold_out
    with progress_of(f"simulating {what}", count, "events", shown=shown) as report:
        paths = simulated_sets(
            work,
            count,
            settings,
            splits=_TRAINED if replay else {"test": 1.0},
            seed=2 * settings.seed + (not replay),
            donors=donors,
            progress=report,
        )
    return read_sets(stream_sets(paths), start)


def _tune(
    work: Path,
    start: Checkpoint,
    settings: AdaptSettings,
    events: Events,
    simulated: Events,
    device: str,
    shown: bool,
    *,
    labelled: bool,
    note: Callable[[str], None],
) -> tuple[TrainingConfig, Checkpoint]:
    """Train the model on the archive; an interrupted run is continued."""
    rng = np.random.default_rng(settings.seed)
    quiet = quiet_pictures(events.data, simulated.data, rng)
    data = training_data(simulated.data, events, quiet, settings.share)
    config = training_config(start, settings, labelled=labelled)
    config, resume = _planned(work, start, config, data, settings, device)
    seen = int((~events.held_out).sum())
    note(
        f"{config.steps} steps of {config.batch_size} by the objective "
        f"{'labelled' if labelled else 'consistent'}, {settings.share:.0%} of them of {seen:,} "
        f"events of the archive; {int(events.held_out.sum()):,} are held out"
    )
    with progress_of("adapting", config.steps, "steps", shown=shown) as report:
        train(
            data,
            config,
            work / "run",
            resume=resume,
            device=device,
            progress=report,
            network=start.model,
        )
    return config, load_checkpoint(work / "run", device)


def _planned(
    work: Path,
    start: Checkpoint,
    config: TrainingConfig,
    data: TrainingData,
    settings: AdaptSettings,
    device: str,
) -> tuple[TrainingConfig, bool]:
    """Settings of the training, and whether an interrupted run is continued.

    What the run began with is kept beside it; a run of anything else is begun anew.
    """
    key = {
        "model": start.digest,
        "data": data.digest,
        "settings": config.model_copy(update={"steps": 1}).model_dump(mode="json"),
        "asked": [settings.steps, settings.minutes],
    }
    about = {"key": digest(key)}
    path = work / _KEY
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        found = {}
    if found.get("key") == about["key"] and isinstance(found.get("steps"), int):
        config = config.model_copy(update={"steps": found["steps"]})
        return config, (work / "run" / "resume").exists()
    shutil.rmtree(work / "run", ignore_errors=True)
    if settings.minutes is not None:
        took = plan(data, config, device=device).seconds_per_step
        steps = max(1, int(60 * settings.minutes / took))
        config = config.model_copy(update={"steps": steps})
    with replacing(path) as temporary:
        temporary.write_text(json.dumps({**about, "steps": config.steps}), encoding="utf-8")
    return config, False


@torch.inference_mode()
def _codes(checkpoint: Checkpoint, data: TrainingData) -> NDArray[np.float32]:
    return encode_data(checkpoint, data.to(next(checkpoint.model.parameters()).device))


def _encoded(checkpoint: Checkpoint, held: Events, events: Events) -> tuple[NDArray, NDArray]:
    """Codes of the simulated hold-out and of the archive's events."""
    return _codes(checkpoint, held.data), _codes(checkpoint, events.data)


def _write(
    made: Path,
    start: Checkpoint,
    tuned: Checkpoint,
    head: NewHead,
    comparison: Comparison,
    config: TrainingConfig | None,
    events: Events,
    archive: Archive,
    settings: AdaptSettings,
    notes: Sequence[str],
) -> None:
    """Write the complete checkpoint to a temporary folder."""
    shutil.rmtree(made, ignore_errors=True)
    taught = events.label != ""
    names, counts = np.unique(events.label[taught].astype(str), return_counts=True)
    adapted: dict[str, Any] = {
        "from": start.name,
        "code_digest": start.digest,
        "head_digest": start.head_digest,
        "archive": archive.path.name,
        "events": len(events),
        "held_out": int(events.held_out.sum()),
        "labels": dict(zip(names.tolist(), counts.tolist(), strict=True)),
        "self_taught": head.self_taught,
        "background": head.background,
        "settings": settings.model_dump(mode="json", exclude_none=True),
        "notes": list(notes),
        "comparison": comparison.as_table(),
    }
    if head.chosen is not None:
        adapted |= {
            "head_penalty": head.chosen.penalty,
            "head_real_weight": head.chosen.real_weight,
        }
    changes: dict[str, Any] = {"adapted": adapted}
    if config is None:
        card = start.card
    else:
        card = tuned.card
        changes["data"] = DataCard(
            digest=card.data.digest,
            description=f"adapted from {start.name} to {archive.path.name}",
            events=card.data.events,
        )
        changes["imaging"] = start.card.imaging
    save_checkpoint(made, tuned.model, card.model_copy(update=changes), head.prototypes)


def _refusal(comparison: Comparison, target: Path, made: Path) -> ModelError:
    return ModelError(
        "the adapted model is refused: it names simulated glitches worse than before",
        where=target,
        expected="a fall of accuracy on the hold-out by at most "
        f"{100 * comparison.largest_fall:g} points",
        found=f"{100 * comparison.fall:.1f} points, exact paired p = {comparison.fall_p:.2g}",
        remedy=f"Nothing was replaced; the refused model lies in {made}. Try fewer steps or a "
        "smaller share of the archive's events, and look at its labels.",
    )


def _check_target(target: Path) -> None:
    """Refuse to replace anything that is not a model."""
    if not target.exists() or (target / CARD).is_file():
        return
    if target.is_dir() and not any(target.iterdir()):
        return
    raise InputError(
        "the output folder holds something other than a model",
        where=target,
        expected="a new folder, or a model to replace",
        remedy="Choose another folder with -o.",
    )


def _put_in_place(made: Path, target: Path, work: Path) -> None:
    """Replace the old model by the complete new one."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists():
            shutil.rmtree(work / _OLD, ignore_errors=True)
            target.replace(work / _OLD)
        made.replace(target)
    except OSError as error:
        _recover(target, work)
        raise StorageError(
            "the model cannot be moved to the output folder",
            where=target,
            found=error.strerror or error,
        ) from error
    shutil.rmtree(work / _OLD, ignore_errors=True)


def _recover(target: Path, work: Path) -> None:
    """Restore the old model if a killed run left it moved aside."""
    if not target.exists() and (work / _OLD / CARD).is_file():
        (work / _OLD).replace(target)

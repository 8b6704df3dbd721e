"""Measure how well simple classifiers recognise classes from codes, and from baselines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click

from glitchvae.cli._device import DEVICE, choose_device
from glitchvae.cli._manners import note
from glitchvae.cli._tables import Table, print_table
from glitchvae.progress import progress_of

if TYPE_CHECKING:
    from glitchvae.checkpoint import Checkpoint
    from glitchvae.probes import Method, ProbeResult, ProbeSet

_PATH = click.Path(path_type=Path)


@click.command("probe")
@click.argument("inputs", nargs=-1, required=True, type=_PATH, metavar="EMBEDDINGS|DATASET...")
@click.option(
    "--model",
    default="default",
    show_default=True,
    metavar="NAME|DIR",
    help="Model that encodes sets of images.",
)
@click.option(
    "--block",
    type=click.FloatRange(min=0, min_open=True),
    default=86400.0,
    show_default=True,
    help="Length in seconds of the blocks of time that are not divided between training and test.",
)
@click.option(
    "--cnn",
    is_flag=True,
    help="Train a supervised network of the model's size for comparison, which takes minutes.",
)
@click.option(
    "--epochs",
    type=click.IntRange(min=1),
    default=8,
    show_default=True,
    help="Number of training epochs of the supervised network.",
)
@click.option(
    "--audit",
    is_flag=True,
    help="Write a page with pictures of labels that an out-of-fold head contradicts, "
    "instead of scores.",
)
@click.option(
    "--archive",
    "store",
    type=_PATH,
    metavar="DIR",
    help="Archive with the pictures of the embeddings, for --audit.",
)
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Seed of splits, draws and fits.",
)
@click.option("-o", "--output", type=_PATH, metavar="DIR", help="Folder for tables and pictures.")
@DEVICE
def command(
    inputs: tuple[Path, ...],
    model: str,
    block: float,
    cnn: bool,
    epochs: int,
    audit: bool,
    store: Path | None,
    seed: int,
    output: Path | None,
    device: str,
) -> None:
    """Measure how well simple classifiers recognise classes from codes, and from baselines.

    Every method is trained and tested on the same labelled events, under three splits: that of the
    source, by blocks of time, and at random. Simulated sets have a block every 512 s and need
    --block 512. With --audit the labels are checked instead: DIR/audit.html shows pictures of
    the events whose label is contradicted.
    """
    import numpy as np

    from glitchvae.probes import methods_for, run_probes, split_events

    if audit and output is None:
        raise click.UsageError("--audit needs --output.")
    events, checkpoint = _read(inputs, model, choose_device(device))
    if audit and output is not None:
        _audit(inputs, events, checkpoint, store, output, block=block, seed=seed)
        return
    methods = methods_for(events)
    if cnn:
        methods["images, network"] = _network(inputs, checkpoint, epochs)
    splits = split_events(events, np.random.default_rng(seed), block=block)
    outcomes = []
    with progress_of("probing", len(splits) * len(methods), "fits") as report:
        for outcome in run_probes(events, splits, methods, seed=seed, block=block):
            outcomes.append(outcome)
            report(1)
    _print(outcomes, events)
    if output is not None:
        about = {
            "inputs": [str(p) for p in inputs],
            "model": checkpoint and checkpoint.name,
            "block": block,
            "seed": seed,
            "events": len(events),
        }
        _write(output, outcomes, events, about)


def _read(inputs: Sequence[Path], model: str, device: str) -> tuple[ProbeSet, Checkpoint | None]:
    """Read all labelled events; also the model if images have to be encoded."""
    from glitchvae.checkpoint import load_checkpoint
    from glitchvae.dataset import is_image_set
    from glitchvae.embedding import read_embeddings
    from glitchvae.probes import join_events, read_codes

    images = [path for path in inputs if is_image_set(path)]
    checkpoint = load_checkpoint(model, device) if images else None
    sets = []
    for path in inputs:
        if checkpoint is not None and path in images:
            sets.append(_encode(path, checkpoint, device))
        else:
            sets.append(read_codes(read_embeddings(path), where=path))
    return join_events(sets), checkpoint


def _encode(path: Path, checkpoint: Checkpoint, device: str) -> ProbeSet:
    from glitchvae.dataset import count_images
    from glitchvae.probes import encode_events

    with progress_of(f"encoding {path.name}", count_images(path), "events") as report:
        return encode_events(_named(path), checkpoint, where=path, device=device, progress=report)


def _named(path: Path) -> Iterator[Any]:
    """Parts of a set with class names of the catalogue."""
    from glitchvae.classes.catalog import read_catalog
    from glitchvae.dataset import name_classes, stream_images

    catalog = read_catalog()
    return (name_classes(part, catalog) for part in stream_images(path))


def _network(inputs: Sequence[Path], checkpoint: Checkpoint | None, epochs: int) -> Method:
    from glitchvae.dataset import is_image_set
    from glitchvae.errors import InputError
    from glitchvae.probes import by_network
    from glitchvae.training import read_training_data

    if checkpoint is None or not all(map(is_image_set, inputs)):
        raise InputError(
            "a network is trained on images",
            where="--cnn",
            expected="sets of images only",
            found="embeddings",
        )
    data = read_training_data(inputs)
    return by_network(
        data,
        checkpoint.card,
        epochs=epochs,
        progress=lambda _: note("network: one pass done"),
    )


def _audit(
    inputs: Sequence[Path],
    events: ProbeSet,
    checkpoint: Checkpoint | None,
    store: Path | None,
    output: Path,
    *,
    block: float,
    seed: int,
) -> None:
    """Write labels that are contradicted out of fold, as a table and a page of pictures."""
    from glitchvae.probes import audit_labels
    from glitchvae.report.auditing import write_audit

    known = None if checkpoint is None else checkpoint.prototypes
    found = audit_labels(events, known=known, block=block, seed=seed)
    wanted = {str(events.event_id[doubt.row]) for doubt in found.doubts}
    page = write_audit(
        output,
        found,
        events,
        _pictures(inputs, store, wanted),
        title=", ".join(path.name for path in inputs),
    )
    table = Table("label", "suggested", "p of label", "p of suggested", "event_id")
    for doubt in found.doubts[:20]:
        event = events.event_id[doubt.row]
        said = (doubt.label, doubt.suggested, doubt.of_label, doubt.of_suggested, event)
        table.add_row(*said)
    print_table(table)
    click.echo(f"{len(found.doubts)} of {len(events)} labels are contradicted out of fold")
    click.echo(page)


def _pictures(inputs: Sequence[Path], store: Path | None, wanted: set[str]) -> dict[str, Any]:
    """Energies (4, F, T) of some events by identifier, from sets of images or an archive."""
    from glitchvae.archive import Archive
    from glitchvae.dataset import is_image_set, stream_images

    found = {}
    for path in filter(is_image_set, inputs):
        for part in stream_images(path):
            for row, event in enumerate(part.event_id):
                if event in wanted:
                    found[event] = part.images[row]
    if store is not None and wanted - found.keys():
        archive = Archive(store)
        rows = archive.embeddings()
        rows = rows.take([e in wanted and e not in found for e in rows.event_id])
        found |= dict(zip(rows.event_id, archive.thumbnails(rows).images, strict=True))
    return found


def _print(outcomes: Sequence[ProbeResult], events: ProbeSet) -> None:

    from glitchvae.probes.report import HEADER, cells

    click.echo(f"{len(events)} labelled events of {len(set(events.label))} classes")
    table = Table(*HEADER)
    for outcome in outcomes:
        table.add_row(*cells(outcome))
    print_table(table)


def _write(
    output: Path, outcomes: Sequence[ProbeResult], events: ProbeSet, about: dict[str, Any]
) -> None:
    """Write tables, and for each split a confusion matrix and a reliability diagram."""
    from glitchvae.plots.probing import reliability_diagram
    from glitchvae.plots.scores import confusion_matrix
    from glitchvae.probes import LINEAR_PROBE, write_report

    write_report(output, outcomes, events, about)
    for split in dict.fromkeys(o.split for o in outcomes):
        own = [o for o in outcomes if o.split == split]
        name = split.replace(" ", "-")
        kept = {o.method: o.calibration for o in own if o.calibration is not None}
        reliability_diagram(kept, output / f"reliability-{name}.png", title=split)
        scores = next(o.scores for o in own if o.method == LINEAR_PROBE)
        title = f"{LINEAR_PROBE}, {split}"
        confusion_matrix(scores, output / f"confusion-{name}.png", title=title)
    click.echo(output / "probe.md")

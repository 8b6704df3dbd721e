"""Adaptation of a model to an archive in one call."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from glitchvae.adapting import AdaptSettings, Comparison, adapt_model
from glitchvae.api.archives import GlitchArchive, columns_of
from glitchvae.api.arrays import as_path
from glitchvae.api.models import Model
from glitchvae.api.tables import text_table
from glitchvae.archive import Archive
from glitchvae.archive.labels import label_table
from glitchvae.config import parse
from glitchvae.resources import choose_device
from glitchvae.store import data_frame

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, repr=False)
class AdaptedModel:
    """An adapted model, and its figures beside those of the original model.

    Attributes:
        model: The adapted model.
        comparison: Every figure before and after, with intervals.
        notes: What was done and left, in sentences.
    """

    model: Model
    comparison: Comparison
    notes: tuple[str, ...]

    def __repr__(self) -> str:
        rows = [line.cells() for line in self.comparison.lines]
        table = text_table(("events", "measure", "before", "after"), rows)
        return "\n".join([*self.notes, table])

    def to_pandas(self) -> pd.DataFrame:
        """Table with a row for each figure: value and interval, before and after."""
        lines = self.comparison.lines
        columns: dict[str, Any] = {
            "events": [line.events for line in lines],
            "measure": [line.measure for line in lines],
        }
        for when in ("before", "after"):
            for place, name in enumerate(("", "_low", "_high")):
                columns[when + name] = np.array([getattr(line, when)[place] for line in lines])
        return data_frame(columns)


def adapt(
    archive: str | Path | GlitchArchive,
    labels: Any = None,
    *,
    output: str | Path | None = None,
    model: str | Path | None = None,
    strain: Sequence[str | Path] = (),
    seed: int = 0,
    device: str = "auto",
    progress: bool = False,
    **settings: Any,
) -> AdaptedModel:
    """Adapt a model to the glitches of an archive, as `glitchvae adapt` does.

    Args:
        archive: One that `embed` filled, or its path.
        labels: What teaches: a class for each identifier (a dict), the path of a table, or a table
            (astropy, gwpy or pandas) with the columns event_id and label; "none"; or None for
            the labels that the archive holds.
        output: Folder of the new model, for `load_model` and `--model`; one that is there is
            replaced in the end. Unless given it goes with the result.
        model: Name or folder of the model to start from; unless given the one whose codes the
            archive holds.
        strain: Paths of strain whose quiet times lend their noise to simulated glitches.
        seed: Of everything drawn.
        device: "auto" (a GPU where torch finds one), "cpu" or "cuda".
        progress: Show progress on stderr.
        settings: `steps` or `minutes`, `share` of a batch that are the archive's, number of
            `simulated` events and of those held out (`hold_out`), their `imaging`, `batch_size`,
            `learning_rate`, `most_events`, `save_every`.

    Raises:
        ArchiveError: no event with a picture; codes of another model, or of several.
        ConfigError: an unknown setting, with the nearest name; a bad value.
        InputError: labels that cannot be used; nothing to adapt with; `output` is no model.
        ModelError: the adapted model names simulated glitches worse, and is refused.
    """
    numbers = parse(AdaptSettings, {**settings, "seed": seed}, where="adapt")
    store = archive.archive if isinstance(archive, GlitchArchive) else Archive(Path(archive))
    if not (labels is None or isinstance(labels, str | Path | dict)):
        labels = label_table(columns_of(labels))
    temporary = Path(tempfile.mkdtemp(prefix="glitchvae-")) if output is None else None
    try:
        found = adapt_model(
            store,
            temporary / "adapted" if temporary else as_path(output, "output"),
            labels,
            model=model,
            strain=strain,
            settings=numbers,
            device=choose_device(device),
            shown=progress,
        )
    except BaseException:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)
        raise
    return AdaptedModel(
        model=Model(found.checkpoint, temporary=temporary),
        comparison=found.comparison,
        notes=found.notes,
    )

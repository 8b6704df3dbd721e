"""The record of codes: one row per glitch, and which model and images made it."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from glitchvae.errors import InputError
from glitchvae.spectrogram import ImagedEvents
from glitchvae.status import join_flags
from glitchvae.store import attribute, column, digest

if TYPE_CHECKING:
    from glitchvae.classes.prototypes import Prototypes

UNCERTAINTIES = ("latent_spread", "view_agreement", "code_stability")
"""Columns with measures of the uncertainty of codes."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Embeddings(ImagedEvents):
    """N glitches as codes in the Z-dimensional latent space of one model.

    Every trigger has a row; where its image could not be made, the codes and what is made
    of them are NaN and `class_name` is empty. `latent_spread`, `view_agreement` and
    `code_stability` are NaN too where they were not asked for, as in older files.

    Attributes:
        mean: (N, Z) posterior mean.
        log_var: (N, Z) logarithm of the posterior variance.
        class_name: (N,) nearest known class.
        class_probability: (N,) probability of that class.
        novelty_p: (N,) share of known background events at least as far from all known
            classes: small is novel. `extrapolated` among `flags`: fewer than 100 real ones.
        latent_spread: (N,) geometric mean of the posterior's standard deviations, in those
            of the prior: near 0 the image fixes the code, at 1 it says nothing.
        view_agreement: (N,) cosine of the code and the code without one view, mean over
            the views: 1 where no view is needed alone.
        code_stability: (N,) cosine of the code and the code of the image changed a little
            in time, SNR and PSD, mean over the changes: 1 where nothing depends on them.
        model: Name and digest of the model.
        configuration: The options of the run, resolved.
    """

    schema: ClassVar[str] = "glitchvae.embeddings"
    older_columns: ClassVar[tuple[str, ...]] = ("novelty", "named_at_embedding")

    mean: NDArray[np.float32] = column(np.float32)
    log_var: NDArray[np.float32] = column(np.float32)
    class_name: NDArray[np.object_] = column(str)
    class_probability: NDArray[np.float32] = column(np.float32)
    novelty_p: NDArray[np.float32] = column(np.float32)
    latent_spread: NDArray[np.float32] = column(np.float32, optional=True)
    view_agreement: NDArray[np.float32] = column(np.float32, optional=True)
    code_stability: NDArray[np.float32] = column(np.float32, optional=True)
    model: dict[str, str] = attribute({})
    configuration: dict[str, Any] = attribute({})

    def __post_init__(self) -> None:
        for name in UNCERTAINTIES:
            if getattr(self, name) is None:
                object.__setattr__(self, name, np.full(len(self.event_id), np.nan))
        super().__post_init__()
        if self.mean.ndim != 2 or self.mean.shape != self.log_var.shape:
            raise InputError(
                "codes have the wrong shape",
                expected="mean and log_var (N, Z)",
                found=f"{self.mean.shape} and {self.log_var.shape}",
            )

    @classmethod
    def none(cls) -> Embeddings:
        """Make a record without events, as of an archive without a glitch."""
        blank = np.empty(0)
        names = ("gps", "snr", "peak_frequency", "q", "duration", "bandwidth", "f_max")
        others = ("block_duration", "class_probability", "novelty_p")
        texts = ("event_id", "ifo", "class_name", "status", "flags")
        return cls(
            mean=np.empty((0, 0), np.float32),
            log_var=np.empty((0, 0), np.float32),
            **dict.fromkeys((*names, *others), blank),
            **dict.fromkeys(texts, blank.astype(object)),
        )

    @classmethod
    def renewed(cls, values: dict[str, Any]) -> dict[str, Any]:
        """Convert columns of earlier versions, and of parts, to those of this version.

        `novelty` of schema version 1 (1 = novel) was one less the p-value. A part of an archive
        says what an event was named when it was embedded, and no more.
        """
        values = super().renewed(values)
        older = values.pop("novelty", None)
        if older is not None and "novelty_p" not in values:
            values["novelty_p"] = 1.0 - np.asarray(older, dtype=np.float32)
        named = values.pop("named_at_embedding", None)
        if named is not None and "class_name" not in values:  # a part of an archive
            unknown = np.full(len(named), np.nan, np.float32)
            values |= {"class_name": named, "class_probability": unknown, "novelty_p": unknown}
        return values

    @property
    def class_or_label(self) -> NDArray[np.object_]:
        """(N,) label if an event has one, else its nearest class; rates count these."""
        if self.label is None:
            return self.class_name
        return np.where(self.label != "", self.label, self.class_name)

    @property
    def size(self) -> int:
        """Number of latent dimensions, Z."""
        return self.mean.shape[1]

    def sorted(self) -> Self:
        """The rows in the order of time."""
        return self.take(np.argsort(self.gps, kind="stable"))

    @property
    def model_digest(self) -> str:
        """Digest of the model, "" if the record does not give it."""
        return self.model.get("digest", "")

    @property
    def imaging_digest(self) -> str:
        """Digest of the imaging settings; images with equal settings share it."""
        return digest(self.imaging)


def name_classes(rows: Embeddings, prototypes: Prototypes) -> Embeddings:
    """Classify the codes of rows: class, probability and novelty.

    Args:
        rows: N events with the codes of the prototypes' model.
        prototypes: Known classes, with the bands of their catalogue.
    """
    found = prototypes.classify(rows.mean, rows.f_max)
    stored = [" ".join(set(text.split()) - {"extrapolated"}) for text in rows.flags]
    return dataclasses.replace(
        rows,
        class_name=found.class_name,
        class_probability=found.class_probability,
        novelty_p=found.novelty_p,
        flags=[join_flags(pair) for pair in zip(stored, found.flags, strict=True)],
    )

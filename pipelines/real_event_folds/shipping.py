"""The model of all events: its head, its background of novelty, and a card that says all."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from glitchvae.checkpoint import Checkpoint, save_checkpoint
from glitchvae.classes.model_card import FigureCard, RealSetCard
from glitchvae.classes.prototypes import Prototypes
from glitchvae.probes.heads import IN_NO_FOLD, fit_head, fit_temperature
from glitchvae.recipes import Row, find_files
from glitchvae.store import digest

from .naming import Named
from .real_events import TRUE_VIEWS, RealEvents
from .study import FoldSettings, NamedFold
from .teaching import Lesson


def make_head(
    lesson: Lesson, folds: Sequence[NamedFold], named: Named, real: RealEvents
) -> Prototypes:
    """The head that the folds earned for the model of all events.

    Penalty and weight are the medians of those the folds chose, each by its own events; the
    temperature and the distances of the background are of events that their fold never saw.

    Args:
        lesson: What the head learns from.
        folds: Of the events that teach.
        named: Those events, as their folds named them.
        real: All real events.
    """
    penalty = float(np.exp(np.median([np.log(each.penalty) for each in folds])))
    weight = float(np.exp(np.median([np.log(each.real_weight) for each in folds])))
    weights = np.where(lesson.fold == IN_NO_FOLD, 1.0, weight)
    head = fit_head(lesson.codes, lesson.labels, weights, penalty=penalty)
    own = real.taught
    temperature = fit_temperature(named.probabilities[own], real.label[own], named.names)
    earlier = float(np.median([each.temperature for each in folds]))
    prototypes = head.tempered(earlier * temperature).names_for(lesson.prototypes())
    rows = np.concatenate([each.rows for each in folds])
    distances = np.concatenate([each.distances for each in folds])
    return prototypes.with_background_distances(distances[own[rows]])


def ship(
    whole: Checkpoint,
    head: Prototypes,
    settings: FoldSettings,
    real: RealEvents,
    bars: Sequence[Row],
    start: Checkpoint,
    config: Path,
) -> None:
    """Write the model of all events with its head, and a card that says what they are."""
    card = whole.card.model_copy(
        update={
            "started_from": start.card.weights_digest,
            "looked_at": settings.looked_at,
            "real_sets": tuple(cards(settings, real, config)),
            "real_figures": tuple(
                FigureCard(what=what, measure=measure, value=value, lowest=low, highest=high)
                for what, measure, value, low, high in bars
                if what.startswith(f"codes, {TRUE_VIEWS}")
            ),
        }
    )
    save_checkpoint(whole.path, whole.model, card, head)


def cards(settings: FoldSettings, real: RealEvents, config: Path) -> list[RealSetCard]:
    """What each set that taught the model is, and which of its events did."""
    found = []
    for each in settings.real:
        (path,) = find_files([each.events], config)
        own = real.source == each.name(path)
        if each.share > 0:
            found.append(
                RealSetCard(
                    name=each.name(path),
                    origin=each.origin,
                    licence=each.licence,
                    citation=each.citation,
                    digest=digest(path),
                    share=each.share,
                    ids=tuple(sorted(real.images.event_id[own])),
                )
            )
    return found

"""Classes held out come back; archives without any make no candidate; what cannot be asked."""

import dataclasses

import numpy as np
import pytest

from glitchvae.discovery import DiscoverySettings
from glitchvae.discovery.efficiency import (
    Trial,
    hold_out,
    holdable_classes,
    look_for_injections,
    name_events,
    null_runs,
    without,
)
from glitchvae.errors import InputError
from tests.discovery.conftest import draw, embeddings_of

SETTINGS = DiscoverySettings(bootstraps=0)


def test_a_held_out_class_comes_back(archive, prototypes):
    rest = without(prototypes, ["New"])
    assert "New" not in rest.names
    (trial,) = hold_out(archive, archive.label, rest, ["New"], SETTINGS)
    assert (trial.name, trial.held, trial.members) == ("New", ("New",), 60)
    assert trial.recovered
    assert trial.detected
    assert trial.p_value < 1e-3
    assert trial.false == 0


def test_a_pair_comes_back_as_two(archive, prototypes):
    names = ["New", "Whistle"]
    trials = hold_out(archive, archive.label, without(prototypes, names), names, SETTINGS)
    assert [trial.name for trial in trials] == names
    assert all(trial.recovered and trial.candidates == 2 for trial in trials)


def test_a_class_that_stays_known_is_not_found(archive, prototypes):
    (trial,) = hold_out(archive, archive.label, prototypes, ["New"], SETTINGS)
    assert (trial.candidates, trial.purity, trial.p_value) == (0, 0.0, 1.0)
    assert not trial.detected


@pytest.mark.parametrize(
    ("purity", "completeness", "detected", "recovered"),
    [
        (0.9, 0.7, True, True),
        (0.89, 1.0, True, False),
        (1.0, 0.69, True, False),
        (0.49, 1.0, False, False),
    ],
)
def test_what_counts_as_found(purity, completeness, detected, recovered):
    trial = Trial(
        name="New",
        held=("New",),
        members=60,
        purity=purity,
        completeness=completeness,
        p_value=0.0,
        candidates=1,
        false=0,
    )
    assert (trial.detected, trial.recovered) == (detected, recovered)


def test_archives_of_known_events_make_no_candidate(archive, prototypes, rng):
    runs = list(null_runs(archive, archive.label, prototypes, SETTINGS, rng, runs=5, events=200))
    assert sum(run.candidates for run in runs) <= 1
    assert all(((run.p_values >= 0) & (run.p_values <= 1)).all() for run in runs)


def test_more_injections_are_found_more_surely(archive, prototypes, rng):
    codes, labels = draw(rng, {"New": 60})
    injected = embeddings_of(codes, labels, rng)
    trials = list(
        look_for_injections(archive, injected, prototypes, SETTINGS, populations=(3, 60, 500))
    )
    assert [trial.members for trial in trials] == [3, 60]
    assert not trials[0].detected
    assert trials[1].recovered


def test_events_are_called_by_label_or_nearest_class(archive):
    labels = archive.label.copy()
    labels[0] = ""
    assert name_events(dataclasses.replace(archive, label=labels))[0] == "Blip"
    assert name_events(archive)[-1] == "New"
    assert set(name_events(dataclasses.replace(archive, label=None))) == {"Blip"}


def test_what_cannot_be_held_out_is_said(archive, prototypes):
    assert holdable_classes(archive.label, prototypes, (), 100) == ["Blip", "Tomte"]
    with pytest.raises(InputError, match=r"'Bilp' cannot be held out.*no such class"):
        holdable_classes(archive.label, prototypes, ("Bilp",), 10)
    with pytest.raises(InputError, match="found 60 events"):
        holdable_classes(archive.label, prototypes, ("New",), 100)
    with pytest.raises(InputError, match="no class can be held out"):
        holdable_classes(archive.label, prototypes, (), 1000)
    bare = dataclasses.replace(prototypes, reference=None, reference_owners=None)
    with pytest.raises(InputError, match="keep no known events"):
        without(bare, ["New"])
    assert np.isin(without(prototypes, ["New"]).names, ("Blip", "Tomte", "Whistle")).all()

"""Audit of labels: what a head contradicts that has not seen the event's block of time."""

import dataclasses

import numpy as np
import pytest

from glitchvae.classes.prototypes import Prototypes
from glitchvae.errors import InputError
from glitchvae.probes import ProbeSet, audit_labels

MEANS = {"Blip": (0, 0), "Tomte": (5, 0), "Whistle": (0, 5)}


def events(rng, count=60, names=tuple(MEANS), days=20):
    codes = np.concatenate([rng.normal(MEANS[n], 0.7, (count, 2)) for n in names])
    labels = np.repeat(np.array(names, dtype=object), count)
    gps = 1.2e9 + 86400.0 * (np.arange(len(codes)) % days)
    return ProbeSet.of_codes(codes.astype(np.float32), labels, gps=gps)


def test_labels_that_were_changed_are_found_first(rng):
    right = events(rng)
    label = right.label.copy()
    wrong = rng.choice(len(label), 9, replace=False)
    label[wrong] = [
        {"Blip": "Tomte", "Tomte": "Whistle", "Whistle": "Blip"}[n] for n in label[wrong]
    ]
    found = audit_labels(dataclasses.replace(right, label=label))
    first = found.doubts[:9]
    assert {doubt.row for doubt in first} == set(wrong)
    assert all(d.suggested == right.label[d.row] and d.label == label[d.row] for d in first)
    assert all(d.of_suggested > d.of_label for d in found.doubts)
    assert len(found.doubts) <= 12
    np.testing.assert_allclose(found.probabilities.sum(axis=1), 1)


def test_a_day_is_in_one_fold(rng):
    asked = events(rng)
    found = audit_labels(asked)
    assert found.blocks
    for day in np.unique(asked.gps):
        assert len(set(found.fold[asked.gps == day])) == 1


def test_no_event_is_asked_of_a_head_that_saw_its_day(rng):
    """Two codes far from all others, one of them wrongly labelled, on one day."""
    asked = events(rng)
    codes = np.concatenate([asked.codes, [[30.0, 30.0], [30.1, 30.0]]]).astype(np.float32)
    label = np.append(asked.label, ["Blip", "Blip"])
    same_day = np.append(asked.gps, [1.3e9, 1.3e9])
    apart = np.append(asked.gps, [1.2e9, 1.2e9 + 86400.0])
    together = audit_labels(ProbeSet.of_codes(codes, label, gps=same_day))
    alone = audit_labels(ProbeSet.of_codes(codes, label, gps=apart))
    assert together.probabilities[-1, 0] < 0.5
    assert alone.probabilities[-1, 0] > 0.5  # the other of the two, on another day, taught it


def test_without_times_events_are_dealt_at_random(rng):
    asked = events(rng)
    found = audit_labels(dataclasses.replace(asked, gps=np.full(len(asked), np.nan)))
    assert not found.blocks
    assert np.bincount(found.fold).tolist() == [36] * 5


def test_known_events_of_the_model_teach_classes_with_one_label(rng):
    many = events(rng)
    known = Prototypes.fit(many.codes, many.label)
    few = events(rng, 1)
    wrong = few.label.copy()
    wrong[2] = "Blip"
    found = audit_labels(dataclasses.replace(few, label=wrong), known=known)
    (doubt,) = found.doubts
    assert (doubt.row, doubt.label, doubt.suggested) == (2, "Blip", "Whistle")


def test_labels_of_one_class_cannot_be_asked(rng):
    with pytest.raises(InputError, match="at least two classes"):
        audit_labels(events(rng, names=("Blip",)))
    with pytest.raises(InputError, match="too few labelled events"):
        audit_labels(events(rng).take(np.array([0])))

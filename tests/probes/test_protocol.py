"""Splits side by side, methods on the same rows, outcomes with scores and calibration."""

import dataclasses

import numpy as np
import pytest

from glitchvae.errors import InputError
from glitchvae.probes import LINEAR_PROBE, ProbeSet, methods_for, run_probes, split_events
from glitchvae.probes.protocol import Guess

HOUR = 3600.0


def test_a_random_split_gains_by_neighbours_in_time_and_blocks_do_not(rng):
    """Codes tell the hour, and the hour the label: only neighbours in time can be known."""
    hour = np.repeat(np.arange(40), 8)
    events = ProbeSet(
        event_id=np.array([f"e{i}" for i in range(320)], dtype=object),
        gps=1e9 - 1e9 % HOUR + HOUR * hour + rng.uniform(0, HOUR, 320),
        ifo=np.full(320, "H1", dtype=object),
        label=rng.choice(np.array(["Blip", "Tomte"], dtype=object), 40)[hour],
        split=np.full(320, "", dtype=object),
        codes=rng.normal(size=(40, 30))[hour] + rng.normal(0, 0.01, (320, 30)),
        triggers=np.full((320, 5), np.nan),
        pixels=None,
        place=np.arange(320),
        usable=320,
    )
    methods = {"codes, 5 nearest": methods_for(events)["codes, 5 nearest"]}
    splits = split_events(events, rng, block=HOUR)
    found = {o.split: o.scores for o in run_probes(events, splits, methods, seed=0, block=HOUR)}
    assert found["random"].accuracy > 0.95
    assert found["time blocks"].accuracy < 0.8


def test_splits_stand_side_by_side(events, rng):
    splits = split_events(events, rng, block=HOUR)
    assert list(splits) == ["own", "time blocks", "random"]
    assert splits["own"] is events.split
    for hour in np.unique(events.gps // HOUR):
        assert len(set(splits["time blocks"][events.gps // HOUR == hour])) == 1
    assert sorted(set(splits["random"])) == ["test", "train", "validation"]


def test_what_is_not_known_gives_no_split(events, rng, caplog):
    bare = dataclasses.replace(
        events, gps=np.full(120, np.nan), split=np.full(120, "", dtype=object)
    )
    assert list(split_events(bare, rng, block=HOUR)) == ["random"]
    assert "not every event has a time" in caplog.text


def test_few_blocks_are_remarked(events, rng, caplog):
    split_events(events, rng, block=12 * HOUR)
    assert "blocks of 43200 s" in caplog.text


def test_every_method_names_the_test_events_of_every_split(events, rng):
    splits = split_events(events, rng, block=HOUR)
    methods = methods_for(events)
    outcomes = list(run_probes(events, splits, methods, seed=0, block=HOUR))
    assert [(o.split, o.method) for o in outcomes] == [(s, m) for s in splits for m in methods]
    for outcome in outcomes:
        assert (splits[outcome.split][outcome.test] == "test").all()
        assert len(outcome.classes) == len(outcome.test) == np.sum(splits[outcome.split] == "test")
    linear = next(o for o in outcomes if o.method == LINEAR_PROBE)
    assert linear.scores.accuracy == 1.0
    assert linear.calibration is not None
    shots = next(o for o in outcomes if o.method == "codes, one-shot")
    assert shots.calibration is None


def test_majority_is_the_share_of_the_commonest_class(events, rng):
    methods = {"majority class": methods_for(events)["majority class"]}
    common = events.take(np.flatnonzero((events.label == "Blip") | (rng.random(120) < 0.5)))
    (outcome,) = run_probes(common, {"own": common.split}, methods, seed=0, block=HOUR)
    assert set(outcome.classes) == {"Blip"}
    assert outcome.scores.accuracy == pytest.approx(np.mean(common.label[outcome.test] == "Blip"))


def test_methods_are_those_that_the_events_allow(events):
    bare = dataclasses.replace(events, pixels=None, triggers=np.full((120, 5), np.nan))
    left = set(methods_for(events)) - set(methods_for(bare))
    assert left == {"trigger metadata", "pixels, linear probe"}


@pytest.mark.parametrize(("block", "groups"), [(HOUR, 10), (12 * HOUR, 100)])
def test_blocks_hold_where_the_split_keeps_them(events, block, groups):
    """A block of which one part is test would put neighbours of test events into a fold."""
    seen = []

    def spy(task):
        seen.append(len(np.unique(task.blocks[task.train])))
        return Guess(task.events.label[task.test][None], None)

    list(run_probes(events, {"own": events.split}, {"spy": spy}, seed=0, block=block))
    assert seen == [groups]


@pytest.mark.parametrize("names", [np.full(120, "train"), np.full(120, "test")])
def test_a_split_without_test_or_training_is_refused(events, names):
    with pytest.raises(InputError, match="split 'own': too few events to probe"):
        list(run_probes(events, {"own": names}, methods_for(events), seed=0, block=HOUR))

"""Events by class: what they are named, whatever their number."""

import dataclasses

import numpy as np
import pytest
from igwn_segments import segment, segmentlist

from glitchvae.discovery import by_class
from tests.report.conftest import START, make_events


@pytest.fixture
def events(rng):
    made, _ = make_events(30, rng)
    return dataclasses.replace(made, label=None)


def test_every_coded_event_is_in_the_class_it_is_named(events):
    found = by_class(events, why="because")
    assert found.candidates == ()
    assert (found.cluster == -1).all()
    assert found.excluded == {"gap": 2}
    for known in found.known:
        assert set(events.class_name[known.members]) == {known.name}
    assert sorted(np.concatenate([k.members for k in found.known])) == list(range(28))
    sizes = [len(known.members) for known in found.known]
    assert sizes == sorted(sizes, reverse=True)


def test_a_label_goes_before_a_name(events):
    label = np.full(30, "", dtype=object)
    label[[0, 1]] = "Mine"
    found = by_class(dataclasses.replace(events, label=label), why="because")
    (mine,) = [known for known in found.known if known.name == "Mine"]
    assert sorted(mine.members) == [0, 1]


def test_the_most_typical_event_comes_first(events):
    mean = np.array(events.mean)
    mean[:28] = np.random.default_rng(1).normal(size=(28, mean.shape[1]))
    mean[4] = np.median(mean[:28], axis=0)
    one = dataclasses.replace(
        events, mean=mean, class_name=np.array(["Blip"] * 28 + [""] * 2, object)
    )
    (known,) = by_class(one, why="because").known
    assert known.members[0] == 4


def test_rates_are_those_of_live_time_and_nothing_else_is_claimed(events):
    live = {ifo: segmentlist([segment(START, START + 2e5)]) for ifo in ("H1", "L1")}
    found = by_class(events, why="because", live=live)
    assert found.remarks[0] == "because"
    assert not any("p-value" in remark or "simulated" in remark for remark in found.remarks)
    for known in found.known:
        for rate in known.rates:
            assert rate.per_hour == pytest.approx(rate.episodes / (2e5 / 3600))


def test_nothing_at_all_is_no_obstacle(events):
    found = by_class(events.take(slice(0, 0)), why="because")
    assert found.known == ()
    assert len(found.embeddings) == 0

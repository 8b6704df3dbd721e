"""Rates on the page: intervals where they belong, live time as it is."""

import dataclasses

import numpy as np
import pytest
from igwn_segments import segment, segmentlist

from glitchvae.discovery import by_class
from glitchvae.report.groups import groups_of
from glitchvae.report.rates import ALL, rates_of, span_of
from glitchvae.statistics import poisson_interval
from tests.report.conftest import START


def rates(discovery, span=None):
    return rates_of(discovery, groups_of(discovery), span or span_of(discovery))


def test_all_glitches_are_counted_with_their_exact_interval(discovery):
    found = rates(discovery)
    assert [row.name for row in found.rows][:2] == [ALL, "candidate-1"]
    for bar in found.rows[0].bars:
        own = (discovery.embeddings.ifo == bar.rate.ifo).sum()
        low, high = poisson_interval(int(own))
        hours = 2e5 / 3600
        assert bar.rate.per_hour == pytest.approx(own / hours)
        assert (bar.rate.low, bar.rate.high) == pytest.approx((low / hours, high / hours))


def test_bars_lie_on_the_axis_in_their_order(discovery):
    found = rates(discovery)
    places = [place for _, place in found.ticks]
    assert places == sorted(places)
    assert (places[0], places[-1]) == (0, 100)
    for row in found.rows:
        for bar in row.bars:
            assert 0 <= bar.low <= bar.at <= bar.high <= 100
    # a decade of the rate is a decade of the axis
    step = places[1] - places[0]
    one, two = (row.bars[0] for row in found.rows[:2])
    decades = np.log10(one.rate.per_hour / two.rate.per_hour)
    assert one.at - two.at == pytest.approx(step * decades)


def test_of_no_episode_there_is_an_upper_limit_alone(discovery):
    events = discovery.embeddings
    quiet = {**discovery.live, "V1": segmentlist([segment(START, START + 7200)])}
    found = rates(by_class(events, why="because", live=quiet))
    (bar,) = [bar for bar in found.rows[0].bars if bar.rate.ifo == "V1"]
    assert np.isnan(bar.at)
    assert bar.low == 0 < bar.high
    assert bar.rate.high == pytest.approx(poisson_interval(0)[1] / 2)


def test_without_live_time_there_is_no_axis(make):
    found = rates(make(searched=False))
    assert found.ticks == ()
    assert found.live == ()
    assert found.rows[0].timeline.highest.endswith(" a bin")
    assert rates(make(timed=False)).rows[0].timeline is None


def test_stretches_are_shares_of_the_span(discovery):
    live = {
        "H1": segmentlist([segment(START + 100, START + 200), segment(START + 300, START + 400)])
    }
    found = rates(dataclasses.replace(discovery, live=live), (START, START + 1000.0))
    (own,) = found.live
    assert (own.ifo, own.stretches) == ("H1", 2)
    assert own.hours == pytest.approx(200 / 3600)
    assert own.share == pytest.approx(0.2)
    np.testing.assert_allclose(own.pieces, [(10, 10), (30, 10)])


def test_gaps_that_cannot_be_seen_are_not_drawn(discovery):
    many = segmentlist([segment(START + 10 * n, START + 10 * n + 9.9) for n in range(10_000)])
    found = rates(dataclasses.replace(discovery, live={"H1": many}), (START, START + 1e5))
    (own,) = found.live
    assert own.stretches == 10_000
    assert len(own.pieces) == 1
    assert own.share == pytest.approx(0.99)


def test_the_span_holds_live_time_and_events(discovery, make):
    assert span_of(discovery) == (START, START + 2e5)
    assert span_of(make(timed=False)) is None

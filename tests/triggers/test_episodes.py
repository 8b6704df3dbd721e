"""Which triggers are one disturbance: against a search by hand, in any order of rows."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from glitchvae.errors import InputError
from glitchvae.triggers.episodes import BOUT, GAP, LONGEST, bouts, episodes

GPS = 1_238_166_018.0


def by_hand(gps, duration, ifo, gap, longest):
    """Sets of rows: every pair is asked first, then each chain is walked through."""
    start, end = gps - duration / 2, gps + duration / 2
    left, found = set(range(len(gps))), set()
    while left:
        chain, asked = set(), [min(left)]
        while asked:
            a = asked.pop()
            chain.add(a)
            near = {
                b
                for b in left - chain
                if ifo[a] == ifo[b] and max(start[a], start[b]) - min(end[a], end[b]) < gap
            }
            asked += near
        left -= chain
        first, members = None, set()
        for row in sorted(chain, key=lambda row: start[row]):
            if first is not None and start[row] >= first + longest:
                found.add(frozenset(members))
                first, members = None, set()
            first = start[row] if first is None else first
            members.add(row)
        found.add(frozenset(members))
    return found


def sets_of(numbers):
    return {frozenset(np.flatnonzero(numbers == n).tolist()) for n in np.unique(numbers)}


# Eighths of a second are exact at any GPS time: no case hangs on a rounding.
EIGHTHS = st.integers(0, 400).map(lambda n: n / 8)
ROWS = st.lists(
    st.tuples(EIGHTHS, st.sampled_from([0.0, 0.25, 1.0, 3.0, 20.0]), st.sampled_from(["H1", "L1"])),
    max_size=60,
)


@given(rows=ROWS, gap=st.sampled_from([0.125, 0.5, 2.0]), longest=st.sampled_from([1.0, 5.0, 30.0]))
def test_episodes_are_those_of_a_search_by_hand(rows, gap, longest):
    gps = GPS + np.array([row[0] for row in rows])
    duration = np.array([row[1] for row in rows])
    ifo = np.array([row[2] for row in rows], dtype=object)
    found = episodes(gps, duration, ifo, gap=gap, longest=longest)
    assert found.dtype == np.int64
    assert sets_of(found) == by_hand(gps, duration, ifo, gap, longest)


@given(rows=ROWS, seed=st.integers(0, 100))
def test_the_order_of_rows_makes_no_difference(rows, seed):
    gps = GPS + np.array([row[0] for row in rows])
    duration = np.array([row[1] for row in rows])
    ifo = np.array([row[2] for row in rows], dtype=object)
    order = np.random.default_rng(seed).permutation(len(rows))
    shuffled = episodes(gps[order], duration[order], ifo[order])
    np.testing.assert_array_equal(shuffled, episodes(gps, duration, ifo)[order])


def alone(times, duration=0.0):
    gps = GPS + np.asarray(times, float)
    return episodes(gps, np.full(len(gps), duration), np.full(len(gps), "L1", object)).tolist()


def test_half_a_second_of_quiet_parts_two_episodes():
    assert alone([0.0, GAP]) == [0, 1]
    assert alone([0.0, GAP - 1 / 64]) == [0, 0]
    assert alone([0.0, GAP + 1.0], duration=1.0) == [0, 1]
    assert alone([0.0, GAP + 63 / 64], duration=1.0) == [0, 0]


def test_a_long_trigger_holds_together_what_it_spans():
    gps, duration = GPS + np.array([0.0, -4.0, 4.0]), np.array([9.0, 0.1, 0.1])
    assert episodes(gps, duration, np.full(3, "V1", object)).tolist() == [0, 0, 0]


def test_at_thirty_seconds_a_new_episode_begins():
    steady = np.arange(0.0, 90.25, 0.25)
    found = np.array(alone(steady))
    assert np.bincount(found).tolist() == [120, 120, 120, 1]
    assert steady[found == 1][0] == LONGEST
    assert alone([0.0], duration=300.0) == [0]


def test_detectors_have_episodes_of_their_own():
    gps = GPS + np.zeros(3)
    ifo = np.array(["L1", "H1", "L1"], dtype=object)
    assert episodes(gps, np.zeros(3), ifo).tolist() == [1, 0, 1]


def test_a_trigger_without_a_time_is_an_episode_of_its_own():
    gps = np.array([np.nan, GPS, np.nan, GPS + 0.1])
    found = episodes(gps, np.full(4, np.nan), np.full(4, "", object))
    assert found.tolist() == [1, 0, 2, 0]
    assert episodes(np.empty(0), np.empty(0), np.empty(0, object)).tolist() == []


def test_bad_columns_are_named():
    two = np.zeros(2)
    with pytest.raises(InputError, match="different lengths"):
        episodes(two, np.zeros(3), np.full(2, "H1", object))
    with pytest.raises(InputError, match="row 1: a trigger has a negative duration"):
        episodes(two, np.array([0.0, -1.0]), np.full(2, "H1", object))
    with pytest.raises(InputError, match="above 0"):
        episodes(two, two, np.full(2, "H1", object), gap=0.0)


def test_a_bout_is_what_begins_within_a_minute_in_one_detector():
    gps = GPS + np.array([0.0, 3.0, 6.0, 63.9, 64.0, 200.0, 10.0, np.nan, np.nan])
    ifo = np.array(["L1"] * 6 + ["H1"] + ["L1"] * 2, dtype=object)
    single = np.arange(9)
    numbers = bouts(gps, single, ifo)
    assert numbers.tolist() == [1, 1, 1, 1, 2, 3, 0, 4, 5]
    assert BOUT == 64.0


@given(st.lists(st.floats(0, 500), min_size=1, max_size=40), st.randoms())
def test_no_episode_is_in_two_bouts_and_none_lasts_longer(seconds, random):
    gps = GPS + np.array(seconds)
    ifo = np.array([random.choice(["H1", "L1"]) for _ in seconds], dtype=object)
    episode = episodes(gps, np.full(len(gps), 2.0), ifo)
    numbers = bouts(gps, episode, ifo)
    for one in np.unique(episode):
        assert len(np.unique(numbers[episode == one])) == 1
    for one in np.unique(numbers):
        starts = [gps[episode == e].min() for e in np.unique(episode[numbers == one])]
        assert np.ptp(starts) < BOUT
        assert len(set(ifo[numbers == one])) == 1

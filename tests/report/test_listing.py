"""Lists of events: what a page holds of them, and how many."""

import dataclasses
from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from glitchvae.report.groups import Group, groups_of
from glitchvae.report.links import Link
from glitchvae.report.listing import event_table, listed


def nothing_listed(discovery):
    """Groups, and no row in the list of any."""
    groups = groups_of(discovery)
    return groups, [np.empty(0, np.int64)] * len(groups)


def group(rows):
    return Group(name="a", kind="known", colour="#000", rows=np.asarray(rows, dtype=np.int64))


@given(st.lists(st.integers(0, 60), max_size=8), st.integers(1, 120))
def test_lists_are_whole_or_equally_long_and_never_too_many(sizes, limit):
    edges = np.cumsum([0, *sizes])
    groups = [group(np.arange(a, b)) for a, b in pairwise(edges)]
    snr = np.random.default_rng(0).uniform(5, 50, edges[-1])
    found = listed(groups, snr, limit)
    lengths = [len(rows) for rows in found]
    assert sum(lengths) <= limit or sum(sizes) <= limit
    cut = [length for length, size in zip(lengths, sizes, strict=True) if length < size]
    assert len(set(cut)) <= 1
    assert not cut or max(lengths) == cut[0]


def test_of_a_large_group_the_loudest_are_listed():
    snr = np.array([9.0, 30.0, np.nan, 12.0])
    (found,) = listed([group([0, 1, 2, 3])], snr, 2)
    assert found.tolist() == [1, 3]


def test_the_table_holds_every_event_that_is_listed_or_drawn(discovery):
    events, groups = discovery.embeddings, groups_of(discovery)
    lists = listed(groups, events.snr)
    link = Link("https://a.org/{gps}")
    table, rows = event_table(discovery, groups, lists, np.array([0, 7]), link)
    assert set(rows) == {0, 7, *np.concatenate(lists)}
    gps = table["base"] + np.array(table["milliseconds"]) / 1000
    np.testing.assert_allclose(gps, events.gps[rows], atol=5.1e-4)
    names = np.array(table["names"], dtype=object)
    for column, name in (("ifo", "ifo"), ("nearest", "class_name"), ("label", "label")):
        assert list(names[table[column]]) == list(getattr(events, name)[rows])
    assert [one["total"] for one in table["groups"]] == [len(g.rows) for g in groups]
    assert table["id"] == list(events.event_id[rows])  # made-up ones, that no time leads to
    assert table["link"] == link.template
    assert None not in table["snr"]


def test_an_identifier_that_follows_from_detector_and_time_is_not_repeated(discovery):
    events = discovery.embeddings
    gps = np.round(events.gps, 3)
    ids = [f"{ifo}-{time:.4f}" for ifo, time in zip(events.ifo, gps, strict=True)]
    named = dataclasses.replace(events, event_id=np.array(ids, object), gps=gps)
    found = dataclasses.replace(discovery, embeddings=named)
    table, _ = event_table(found, *nothing_listed(found), np.arange(10), None)
    assert set(table["id"]) == {""}


def test_what_is_unknown_is_null(make):
    found = make(timed=False)
    table, _ = event_table(found, *nothing_listed(found), np.arange(5), None)
    assert table["milliseconds"] == [None] * 5

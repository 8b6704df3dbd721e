"""Neighbours are those that scikit-learn finds."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.neighbors import NearestNeighbors

from glitchvae.archive.neighbours import Neighbours
from glitchvae.errors import InputError


@pytest.fixture
def codes(rng):
    return rng.normal(size=(700, 8)).astype(np.float32) + 50  # far from zero: digits cancel


def test_one_search_finds_what_scikit_learn_finds(codes, rng):
    query = codes[3] + rng.normal(size=8).astype(np.float32) / 10
    rows, distances = Neighbours(codes).nearest(query, 5)
    expected = NearestNeighbors(n_neighbors=5, algorithm="brute").fit(codes.astype(float))
    far, near = expected.kneighbors(query[None].astype(float))
    np.testing.assert_array_equal(rows, near[0])
    np.testing.assert_allclose(distances, far[0], rtol=1e-6)


def test_the_graph_has_the_nearest_others_of_every_code(codes):
    found = Neighbours(codes).graph(4)
    reference = NearestNeighbors(n_neighbors=4, algorithm="brute").fit(codes.astype(float))
    distances, rows = reference.kneighbors()
    np.testing.assert_array_equal(found.rows, rows)
    np.testing.assert_allclose(found.distances, distances, rtol=1e-5)


def test_rows_without_a_code_are_never_found_and_find_nothing(codes):
    codes[7] = np.nan
    search = Neighbours(codes)
    rows, _ = search.nearest(codes[8], 699)
    assert 7 not in rows
    graph = search.graph(3)
    assert (graph.rows[7] == -1).all()
    assert np.isnan(graph.distances[7]).all()
    assert 7 not in graph.rows


def test_fewer_others_than_asked_for_leave_gaps(codes):
    graph = Neighbours(codes[:3]).graph(4)
    assert (graph.rows[:, :2] >= 0).all()
    assert (graph.rows[:, 2:] == -1).all()
    rows, _ = Neighbours(codes[:3]).nearest(codes[0], 10)
    assert sorted(rows) == [0, 1, 2]


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 1000), count=st.integers(1, 40), k=st.integers(1, 5))
def test_distances_ascend_and_the_code_itself_comes_first(seed, count, k):
    codes = np.random.default_rng(seed).normal(size=(count, 3))
    rows, distances = Neighbours(codes).nearest(codes[0], k)
    assert rows[0] == 0
    assert distances[0] == pytest.approx(0, abs=1e-6)
    assert (np.diff(distances) >= 0).all()


def test_bad_input_is_named(codes):
    with pytest.raises(InputError, match="none with a code"):
        Neighbours(np.full((3, 2), np.nan))
    with pytest.raises(InputError, match="8 finite numbers"):
        Neighbours(codes).nearest(np.zeros(7), 1)
    with pytest.raises(InputError, match="8 finite numbers"):
        Neighbours(codes).nearest(np.full(8, np.nan), 1)

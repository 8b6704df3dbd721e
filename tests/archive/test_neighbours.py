"""Neighbours are those of distances in full."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glitchvae.archive import neighbours
from glitchvae.archive.neighbours import Codes, neighbour_graph
from glitchvae.errors import InputError


@pytest.fixture
def codes(rng):
    return rng.normal(size=(700, 8)).astype(np.float32) + 50  # far from zero: digits cancel


def in_full(codes, k):
    """Rows and distances from all differences, in double precision."""
    codes = codes.astype(np.float64)
    distances = np.linalg.norm(codes[:, None] - codes, axis=-1)
    np.fill_diagonal(distances, np.inf)
    rows = np.argsort(distances, axis=1)[:, :k]
    return rows, np.take_along_axis(distances, rows, axis=1)


@pytest.mark.parametrize("block", [4096, 100])
def test_the_graph_has_the_nearest_others_of_every_code(codes, block, monkeypatch):
    monkeypatch.setattr(neighbours, "_BLOCK", block)
    done = []
    found = neighbour_graph(codes, 4, progress=done.append)
    rows, distances = in_full(codes, 4)
    np.testing.assert_array_equal(found.rows, rows)
    np.testing.assert_allclose(found.distances, distances, rtol=1e-6)
    assert sum(done) == len(codes)


def test_rows_without_a_code_are_never_found_and_find_nothing(codes):
    codes[7] = np.nan
    done = []
    graph = neighbour_graph(codes, 3, progress=done.append)
    assert (graph.rows[7] == -1).all()
    assert np.isnan(graph.distances[7]).all()
    assert 7 not in graph.rows
    assert sum(done) == len(codes)


def test_fewer_others_than_asked_for_leave_gaps(codes):
    graph = neighbour_graph(codes[:3], 4)
    assert (graph.rows[:, :2] >= 0).all()
    assert (graph.rows[:, 2:] == -1).all()
    assert (neighbour_graph(codes[:1], 2).rows == -1).all()


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 1000), count=st.integers(2, 40), k=st.integers(1, 5))
def test_codes_that_are_equal_find_each_other_and_never_themselves(seed, count, k):
    codes = np.random.default_rng(seed).integers(0, 2, (count, 3)).astype(np.float32)
    graph = neighbour_graph(codes, k)
    assert not (graph.rows == np.arange(count)[:, None]).any()
    most = min(k, count - 1)
    assert all(len(set(row)) == most for row in graph.rows[:, :most].tolist())
    np.testing.assert_allclose(graph.distances[:, :most], in_full(codes, most)[1], atol=1e-7)


def test_no_code_at_all_is_named():
    with pytest.raises(InputError, match="none with a code"):
        neighbour_graph(np.full((3, 2), np.nan), 1)


@pytest.mark.parametrize("offset", [0.0, 30.0, 3000.0])
@given(seed=st.integers(0, 10**6), count=st.integers(1, 80), k=st.integers(1, 90))
@settings(max_examples=30, deadline=None)
def test_the_nearest_are_among_the_rows_that_rounding_leaves(seed, count, k, offset):
    """Far from zero float32 cannot tell distances apart: more rows are left, never fewer."""
    rng = np.random.default_rng(seed)
    codes = (offset + rng.integers(0, 4, size=(count, 6)) / 4).astype(np.float32)
    query = (offset + rng.normal(size=6)).astype(np.float32)
    exact = np.linalg.norm(codes.astype(np.float64) - query, axis=1)
    left = Codes.of(codes).near(query, k)
    assert np.array_equal(np.sort(exact[left])[:k], np.sort(exact)[:k])


def test_of_many_codes_few_rows_are_left(rng):
    codes = rng.normal(size=(5000, 16)).astype(np.float32)
    assert len(Codes.of(codes).near(codes[0], 20)) <= 25

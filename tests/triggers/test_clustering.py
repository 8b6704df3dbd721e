"""From tiles to events: joining, splitting, measuring, echoes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from glitchvae.triggers.clustering import FALL, JOIN, STEP, _envelope, cluster_tiles
from glitchvae.triggers.tiles import Tiles

FLOOR = 5.0
GPS = 1187008882.0


def tiles(time, snr, *, frequency=50.0, q=5.0, step=1 / 64) -> Tiles:
    """Tiles of one row unless told otherwise; at 50 Hz and Q 5 each lasts 28 ms."""
    time, snr = np.asarray(time, dtype=float), np.asarray(snr, dtype=float)
    order = np.argsort(time, kind="stable")
    columns = {"frequency": frequency, "q": q, "step": step}
    rest = {k: np.broadcast_to(v, time.shape).astype(float)[order] for k, v in columns.items()}
    return Tiles(time=GPS + time[order], snr=snr[order], **rest)


def bump(centre: float, peak: float, width: float = 0.1) -> tuple[np.ndarray, np.ndarray]:
    """Times and SNRs of a Gaussian hump, the tiles above the floor."""
    time = centre + np.arange(-64, 65) / 64
    snr = peak * np.exp(-(((time - centre) / width) ** 2))
    return time[snr > FLOOR], snr[snr > FLOOR]


def events(*bumps):
    time, snr = (np.concatenate(part) for part in zip(*bumps, strict=True))
    return cluster_tiles(tiles(time, snr), floor=FLOOR)


def test_nothing_gives_nothing():
    found = cluster_tiles(Tiles.join([]), floor=FLOOR)
    assert {name: len(values) for name, values in found.items()} == dict.fromkeys(found, 0)


@pytest.mark.parametrize(("quiet", "count"), [(0.9 * JOIN, 1), (1.1 * JOIN, 2)])
def test_weak_tiles_join_across_less_than_a_tenth_of_a_second(quiet, count):
    one = tiles([0.0], [7.0])
    pair = tiles([0.0, one.duration[0] + quiet], [7.0, 6.0])
    assert len(cluster_tiles(pair, floor=FLOOR)["gps"]) == count


def test_a_train_of_arches_is_one_event_each():
    centres = np.arange(8) * 0.25
    found = events(*(bump(c, 9.0 + k, width=0.06) for k, c in enumerate(centres)))
    np.testing.assert_allclose(found["gps"] - GPS, centres, atol=2e-3)
    np.testing.assert_allclose(found["snr"], 9.0 + np.arange(8))


@pytest.mark.parametrize(("fall", "count"), [(0.9 * FALL, 1), (1.1 * FALL, 2)])
def test_a_shallow_valley_does_not_part_two_maxima(fall, count):
    time = np.arange(33) / 64
    snr = 20.0 / (1 + (fall - 1) * np.sin(2 * np.pi * time) ** 2)
    found = cluster_tiles(tiles(time, snr), floor=FLOOR)
    assert len(found["gps"]) == count


@pytest.mark.parametrize(("apart", "count"), [(0.9 * JOIN, 1), (1.2 * JOIN, 2)])
def test_maxima_nearer_than_a_tenth_of_a_second_are_one_event(apart, count):
    pair = tiles([0.0, apart], [20.0, 12.0], step=1 / 512)
    found = cluster_tiles(pair, floor=FLOOR)
    assert found["snr"].tolist() == [20.0, 12.0][:count]


def test_the_quieter_event_gets_its_own_measures():
    found = events(bump(0.0, 60.0), bump(0.5, 12.0))
    assert found["snr"].tolist() == [60.0, 12.0]
    assert found["duration"][0] > found["duration"][1]


def test_duration_and_bandwidth_span_the_tiles():
    pair = tiles([0.0, 0.02], [9.0, 8.0], frequency=[50.0, 100.0])
    found = cluster_tiles(pair, floor=FLOOR)
    low = 50 - pair.bandwidth[0] / 2
    high = 100 + pair.bandwidth[1] / 2
    assert found["bandwidth"] == pytest.approx(high - low)
    assert found["central_frequency"] == pytest.approx((high + low) / 2)
    ends = pair.time + pair.duration / 2
    assert found["duration"] == pytest.approx(ends.max() - (GPS - pair.duration[0] / 2))


@pytest.mark.parametrize("shift", [-0.006, -0.002, 0.0, 0.003, 0.007])
def test_time_is_finer_than_the_tiles(shift):
    time, _ = bump(0.0, 40.0)
    snr = 40.0 * np.exp(-(((time - shift) / 0.1) ** 2))
    found = cluster_tiles(tiles(time, snr), floor=FLOOR)
    assert found["gps"][0] - GPS == pytest.approx(shift, abs=6e-4)


def test_ringing_of_a_loud_burst_is_no_event():
    found = events(bump(0.0, 3000.0, 0.02), bump(0.4, 40.0, 0.05), bump(-0.7, 40.0, 0.05))
    assert found["snr"].tolist() == [3000.0]
    found = events(bump(0.0, 3000.0, 0.02), bump(1.5, 40.0, 0.05))
    assert found["snr"].tolist() == [3000.0, 40.0]


@given(st.lists(st.tuples(st.integers(0, 2000), st.floats(5.1, 500)), min_size=1, max_size=60))
def test_the_loudest_tile_is_always_an_event(entries):
    time, snr = np.array(entries, dtype=float).T
    found = cluster_tiles(tiles(time / 64, snr), floor=FLOOR)
    assert found["snr"].max() == snr.max()
    assert set(found["snr"]) <= set(snr)
    assert np.all(np.diff(found["gps"]) >= 0)


def test_envelope_is_the_loudest_tile_at_each_instant(rng):
    steps = 2.0 ** rng.integers(-9, 0, size=200)
    some = tiles(rng.uniform(0, 3, 200), rng.uniform(5, 50, 200), step=steps)
    origin, envelope = _envelope(some, floor=FLOOR)
    painted = np.full(len(envelope), FLOOR)
    for time, snr, step in zip(some.time, some.snr, some.step, strict=True):
        first = int(np.floor((time - step / 2 - origin) / STEP))
        last = int(np.floor((time + step / 2 - origin) / STEP)) + 1
        painted[first:last] = np.maximum(painted[first:last], snr)
    np.testing.assert_array_equal(envelope, painted)

"""Witnesses of a class: a channel that sees it comes first, chance is told as chance."""

from dataclasses import replace

import numpy as np
import pytest
from igwn_segments import segment, segmentlist
from scipy.special import gammainc
from scipy.stats import kstest

from glitchvae.discovery.witnesses import rank_witnesses
from glitchvae.errors import InputError
from glitchvae.triggers import at_times

LIVE = segmentlist([segment(1000.0, 4000.0), segment(9000.0, 16000.0)])


def anywhere(rng, count):
    along = rng.uniform(0.0, 10000.0, count)
    return np.sort(np.where(along < 3000.0, 1000.0 + along, 6000.0 + along))


def channel(gps, snr):
    made = at_times(np.asarray(gps, dtype=float), "L1")
    return replace(made, snr=np.broadcast_to(np.float32(snr), len(gps)).copy())


def test_the_channel_that_sees_the_class_comes_first():
    rng = np.random.default_rng(0)
    gps = anywhere(rng, 60)
    seen = np.concatenate([gps[:40] + rng.normal(0.0, 0.03, 40), anywhere(rng, 300)])
    channels = {
        "quiet": channel(anywhere(rng, 50), 9.0),
        "witness": channel(seen, np.concatenate([np.full(40, 25.0), np.full(300, 9.0)])),
        "busy": channel(anywhere(rng, 5000), 9.0),
    }
    first, *others = rank_witnesses(gps, channels, LIVE)
    assert first.channel == "witness"
    assert 9.0 < first.threshold < 25.0
    assert (first.triggers, first.inside) == (40, 40)
    assert first.window in (0.2, 0.4)  # 0.1 s would lose some, 1 s covers more than is needed
    assert first.p_value == 1 / 200
    assert first.efficiency == pytest.approx(40 / 60)
    assert first.dead_time == pytest.approx(40 * first.window / 10000, rel=0.1)
    assert all(one.p_value > 0.02 for one in others)


def test_few_windows_have_the_significance_of_hveto():
    """Windows that do not overlap and cover little: hveto's Poisson mean is the same number."""
    gps = np.arange(1010.0, 3900.0, 60.0)
    far = np.arange(9030.0, 15000.0, 100.0)
    triggers = channel(np.concatenate([gps[:7] + 0.01, far]), 9.0)
    (found,) = rank_witnesses(gps, {"a": triggers}, LIVE, windows=[0.2], thresholds=[8.0], turns=9)
    mean = len(gps) * (7 + len(far)) * 0.2 / 10000.0
    assert found.inside == 7
    assert found.significance == pytest.approx(-np.log10(gammainc(7, mean)), rel=0.02)


def test_chance_gives_even_p_values():
    rng = np.random.default_rng(2)
    p_values = []
    for seed in range(120):
        channels = {name: channel(anywhere(rng, 200), rng.uniform(8, 50, 200)) for name in "abc"}
        best = rank_witnesses(anywhere(rng, 40), channels, LIVE, turns=39, seed=seed)[0]
        p_values.append(best.p_value - rng.uniform() / 40)
    assert kstest(p_values, "uniform").pvalue > 0.01


def test_glitches_in_bouts_do_not_make_a_witness():
    """One coincidence of two bouts is one coincidence, however many glitches are in it."""
    rng = np.random.default_rng(3)
    bout = 12000.0 + np.sort(rng.uniform(0.0, 20.0, 30))
    gps = np.sort(np.concatenate([bout, anywhere(rng, 10)]))
    busy = np.concatenate(
        [np.arange(start, start + 200.0, 0.5) for start in np.arange(9000.0, 16000.0, 1000.0)]
    )
    (found,) = rank_witnesses(gps, {"busy": channel(busy, 9.0)}, LIVE)
    assert found.significance > 10
    assert found.p_value > 0.05


def test_times_outside_the_live_time_play_no_part():
    rng = np.random.default_rng(4)
    gps, other = anywhere(rng, 30), anywhere(rng, 100)
    outside = np.arange(5000.0, 8000.0, 10.0)
    plain = rank_witnesses(gps, {"a": channel(other, 9.0)}, LIVE)
    more = rank_witnesses(
        np.concatenate([gps, outside]),
        {"a": channel(np.concatenate([other, outside]), 9.0)},
        LIVE,
    )
    assert more == plain


def test_channels_without_a_loud_trigger_are_left_out():
    rng = np.random.default_rng(5)
    found = rank_witnesses(
        anywhere(rng, 20), {"a": channel(anywhere(rng, 20), 5.0), "b": channel([1001.0], 9.0)}, LIVE
    )
    assert [one.channel for one in found] == ["b"]


@pytest.mark.parametrize(
    ("gps", "live", "channels"),
    [([5000.0], LIVE, "a"), ([1500.0], segmentlist([]), "a"), ([1500.0], LIVE, "")],
)
def test_nothing_to_look_at_is_an_error(gps, live, channels):
    given = {name: channel([1500.0], 9.0) for name in channels}
    with pytest.raises(InputError, match="witnesses cannot be ranked"):
        rank_witnesses(gps, given, live)

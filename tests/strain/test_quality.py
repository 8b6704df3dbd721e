"""Dead strain, leaps of the noise floor, clipping and bursts: what is remarked, and what not."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from glitchvae.simulate import simulate_strain
from glitchvae.status import FLAGS
from glitchvae.strain import Strain, open_strain
from glitchvae.strain.quality import (
    BURST,
    NOTHING,
    STEP,
    in_burst,
    is_clipped,
    noise_leap,
    remarks,
    without_dead,
)

START, RATE = 1250000000.0, 1024.0


def strain_of(values, rate=RATE):
    return Strain(values=values, start=START, sample_rate=rate, ifo="V1")


def noise(rng, seconds, rate=RATE):
    return 1e-21 * rng.standard_normal(round(seconds * rate))


def burst(seconds, centre, width, amplitude, frequency, rate=RATE):
    times = np.arange(round(seconds * rate)) / rate - centre
    return amplitude * np.exp(-((times / width) ** 2)) * np.sin(2 * np.pi * frequency * times)


# What is no data


@pytest.mark.parametrize("level", [0.0, 3e-20, 1e-25])
def test_dead_strain_is_missing(rng, level):
    values = noise(rng, 8)
    times = np.arange(len(values))
    dead = slice(2048, 4096)
    values[dead] = level * np.cos(np.pi * times[dead]) if level == 1e-25 else level
    alive = without_dead(strain_of(values))
    assert np.flatnonzero(np.isnan(alive.values)) == pytest.approx(times[dead])
    good = np.isfinite(alive.values)
    np.testing.assert_array_equal(alive.values[good], values[good])


def test_what_is_brief_or_good_is_not_dead(rng):
    strain = strain_of(noise(rng, 8))
    assert without_dead(strain) is strain
    strain.values[100 : 100 + 64] = 0  # 1/16 s
    assert without_dead(strain) is strain


def test_dead_strain_does_not_depend_on_the_slice(rng):
    values = noise(rng, 8)
    values[1000:5000] *= 1e-5
    whole = without_dead(strain_of(values)).values
    for first, last in ((0, 3000), (2000, 8000), (900, 5100)):
        part = without_dead(strain_of(values[first:last])).values
        np.testing.assert_array_equal(part, whole[first:last])


@pytest.mark.parametrize("ifo", ["H1", "L1", "V1"])
@pytest.mark.parametrize("band", [(30, 50), (100, 110), (150, 450)])
def test_the_quietest_detectors_are_above_nothing_in_any_band(ifo, band):
    """Strain that a user filtered is data: O3 and O4 noise in narrow bands."""
    strain, _ = simulate_strain(16.0, ifo, 5, glitches=0)
    spectrum = np.fft.rfft(strain.values)
    frequencies = np.fft.rfftfreq(len(strain), 1 / strain.sample_rate)
    spectrum[(frequencies < band[0]) | (frequencies > band[1])] = 0
    filtered = dataclasses.replace(strain, values=np.fft.irfft(spectrum, len(strain)))
    assert without_dead(filtered) is filtered
    assert np.std(filtered.values) > NOTHING


# Leaps


@pytest.mark.parametrize("ratio", [0.01, 0.3, 2.0, 1e4])
@pytest.mark.parametrize("place", [5, 30, 58])
def test_a_lasting_leap_has_its_ratio(rng, ratio, place):
    values = noise(rng, 64)
    values[round(place * RATE) :] *= ratio
    assert noise_leap(strain_of(values)) == pytest.approx(max(ratio, 1 / ratio), rel=0.1)
    assert "noise_step" in remarks(strain_of(values))


@pytest.mark.parametrize("seconds", [8, 24, 64])
def test_stationary_noise_does_not_leap(seconds):
    leaps = [
        noise_leap(strain_of(noise(np.random.default_rng(seed), seconds))) for seed in range(50)
    ]
    assert max(leaps) < 1.1


@pytest.mark.parametrize("width", [0.005, 0.1, 1.0])
@pytest.mark.parametrize("frequency", [20.0, 60.0, 200.0])
def test_loud_glitches_are_no_leap(rng, width, frequency):
    """SNRs up to 1e5, anywhere in the block."""
    for centre in (2.0, 20.0, 62.0):
        values = noise(rng, 64) + burst(64, centre, width, 1e-18, frequency)
        assert noise_leap(strain_of(values)) < STEP


def test_many_loud_glitches_are_no_leap(rng):
    values = noise(rng, 64)
    for centre in rng.uniform(0, 64, 20):
        values += burst(64, centre, 0.05, 1e-19, 100.0)
    assert noise_leap(strain_of(values)) < STEP


def test_a_line_and_an_arch_that_begin_are_no_leap(rng):
    values = noise(rng, 64)
    times = np.arange(len(values)) / RATE
    later = times > 30
    values[later] += 1e-19 * np.sin(2 * np.pi * 120 * times[later])
    values[later] += 1e-18 * np.sin(2 * np.pi * 20 * times[later])
    assert noise_leap(strain_of(values)) < STEP


def test_simulated_strain_with_glitches_has_no_remark():
    for seed, ifo in enumerate(("H1", "L1", "V1")):
        strain, _ = simulate_strain(64.0, ifo, seed, glitches=8)
        assert remarks(strain) == ()


@pytest.mark.parametrize("values", [np.zeros(8192), np.full(8192, np.nan), np.zeros(3)])
def test_what_has_no_noise_has_no_leap(values):
    assert noise_leap(strain_of(values)) == 1.0


# Clipping


def test_a_digitiser_at_its_limit_is_seen(rng):
    values = noise(rng, 16) + burst(16, 8, 0.2, 1e-19, 30.0)
    assert not is_clipped(strain_of(values))
    assert is_clipped(strain_of(np.minimum(values, 5e-20)))
    assert is_clipped(strain_of(np.maximum(values, -5e-20)))
    assert remarks(strain_of(np.clip(values, -5e-20, 5e-20))) == ("clipped",)


def test_touching_a_limit_for_single_samples_often_is_clipping(rng):
    values = noise(rng, 16)
    assert is_clipped(strain_of(np.clip(values, -2.5e-21, 2.5e-21)))


def test_counts_of_a_digitiser_within_its_range_are_not_clipped(rng):
    counts = np.round(noise(rng, 64) / 1e-22)
    assert not is_clipped(strain_of(counts))


# Bursts


def test_bursts_are_counted_in_any_second():
    spread = np.arange(40) / (BURST - 1)
    assert not in_burst(START + spread).any()
    crowd = 100.3 + np.arange(BURST) / BURST
    gps = START + np.concatenate([crowd, spread, [103.0]])
    assert in_burst(gps).tolist() == [True] * BURST + [False] * 41
    assert in_burst(np.zeros(0)).tolist() == []


def test_remarks_are_known_words(rng):
    values = np.clip(noise(rng, 16), -1e-21, 1e-21)
    values[8192:] *= 10
    values = np.clip(values, -5e-21, 5e-21)
    found = remarks(strain_of(values))
    assert set(found) == {"clipped", "noise_step"}
    assert set(found) <= FLAGS.keys()


# Real strain


@pytest.mark.data
def test_real_strain_is_data_without_leaps_but_for_one_file(real_data):
    found = {}
    for path in sorted((real_data / "strain").glob("*labelled/*.hdf5")):
        source = open_strain(path)
        strain = source.read(*map(float, source.segments[0]))
        alive = without_dead(strain)
        (kept,) = alive.finite_segments()
        missing = strain.duration - float(abs(kept))
        block = alive.crop(float(kept[0]), min(float(kept[1]), float(kept[0]) + 64))
        found[Path(path).name] = (missing > 0, *remarks(block))
    assert len(found) >= 43
    odd = {name: words for name, words in found.items() if words != (False,)}
    assert odd == {
        "V-V1_GW190720_000836_1024HZ-1247616502-48.hdf5": (True, "noise_step"),
    }

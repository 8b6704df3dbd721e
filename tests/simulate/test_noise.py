"""Noise follows its curve, is Gaussian, and repeats itself only for the same seed."""

import numpy as np
import pytest
from scipy import signal, stats

from glitchvae.errors import InputError
from glitchvae.simulate.noise import CURVES, STEADY, Unsteadiness, asd, measured_asd, simulate_noise

RATE = 4096.0


def welch_ratio(values, curve, rate=RATE):
    """Measured over true amplitude, in 0.5 Hz bins away from both ends of the band."""
    frequencies, psd = signal.welch(values, rate, nperseg=int(2 * rate), average="mean")
    inside = (frequencies > 12) & (frequencies < 0.45 * rate)
    return frequencies[inside], np.sqrt(psd[inside]) / curve(frequencies[inside])


def band_levels(values, rate=1024):
    """Standard deviation between 50 and 400 Hz in each of 64 parts, less the filter's start."""
    band = signal.sosfilt(signal.butter(8, (50, 400), "band", fs=rate, output="sos"), values)
    return band.reshape(64, -1).std(axis=1)[1:]


@pytest.mark.parametrize("name", ["H1", "L1", "V1", "K1", "O3-H1", "O4-design"])
def test_the_spectrum_is_the_curve(name, rng):
    curve = asd(name)
    _, ratio = welch_ratio(simulate_noise(256, RATE, curve, rng), curve)
    # 255 half-overlapping averages: each bin scatters by about 4 %, the median by far less.
    assert np.median(ratio) == pytest.approx(1.0, abs=0.01)
    assert np.mean(np.abs(ratio - 1) < 0.15) > 0.95


def test_whitened_noise_is_unit_gaussian(rng):
    curve = asd("O4-design")
    values = simulate_noise(64, RATE, curve, rng)
    frequencies = np.fft.rfftfreq(len(values), 1 / RATE)
    inside = (frequencies > 20) & (frequencies < 1800)
    faded = values * signal.windows.tukey(len(values), 0.25)
    spectrum = np.fft.rfft(faded) / curve(frequencies) * inside
    scale = np.sqrt(2 / RATE / np.mean(inside))
    white = np.fft.irfft(spectrum, len(values))[int(10 * RATE) : int(-10 * RATE)] * scale
    assert white.std() == pytest.approx(1.0, abs=0.01)
    assert stats.kurtosis(white) == pytest.approx(0.0, abs=0.05)
    assert stats.kstest(white[::7], "norm").pvalue > 1e-3


def test_the_level_is_the_same_everywhere_in_steady_noise(rng):
    curve = asd("O4-design")
    values = simulate_noise(256, 1024, curve, rng, STEADY)
    levels = band_levels(values)
    assert levels.std() / levels.mean() < 0.03


def test_unsteady_noise_drifts(rng):
    curve = asd("O4-design")
    unsteady = Unsteadiness(drift=0.3, memory=2.0)
    values = simulate_noise(512, 1024, curve, rng, unsteady)
    levels = band_levels(values)
    assert 0.08 < levels.std() / levels.mean() < 0.5


def test_the_same_seed_gives_the_same_samples():
    draws = [simulate_noise(20, 1024, asd("L1"), np.random.default_rng(s)) for s in (1, 1, 2)]
    assert np.array_equal(draws[0], draws[1])
    assert not np.array_equal(draws[0], draws[2])


def test_length_is_duration_times_rate(rng):
    for duration, rate in ((0.5, 1024), (16.0, 512), (33.3, 4096)):
        values = simulate_noise(duration, rate, asd("H1"), rng)
        assert values.shape == (round(duration * rate),)
        assert values.dtype == np.float64


def test_a_curve_rises_below_its_first_sample_and_is_smooth_without_lines():
    curve = asd("H1")
    below = curve(np.array([0.0, 7.0, 8.0, 10.0]))
    assert below[0] == below[1] > below[2] > below[3]
    grid = np.geomspace(20, 2000, 5000)
    lines = np.log(curve(grid) / curve.background(grid))
    assert lines.max() > 1.0
    assert abs(np.median(lines)) < 0.05


@pytest.mark.parametrize("name", sorted(CURVES))
def test_curves_are_of_plausible_sensitivity(name):
    best = asd(name)(np.geomspace(50, 500, 500)).min()
    assert 2e-24 < best < 2e-23


def test_a_measured_curve_is_that_of_the_noise(rng):
    curve = asd("H1")
    found = measured_asd(simulate_noise(128, RATE, curve, rng), RATE)
    assert found.frequencies[0] == 10.0
    inside = found.frequencies[found.frequencies < 1500]
    assert np.median(found(inside) / curve(inside)) == pytest.approx(1.0, abs=0.02)


def test_an_unknown_curve_names_the_known_ones():
    with pytest.raises(InputError, match=r"X9.*O3-H1"):
        asd("X9")


def test_no_samples_is_an_input_error(rng):
    with pytest.raises(InputError, match="positive duration"):
        simulate_noise(0, RATE, asd("H1"), rng)


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "file"), [("H1", "aligo_O3actual_H1"), ("L1", "aligo_O3actual_L1")]
)
def test_the_thinned_curve_is_the_measured_one(real_data, name, file):
    frequencies, measured = np.loadtxt(real_data / "noise" / f"{file}.txt.gz", unpack=True)
    ratio = asd(name)(frequencies) / measured
    assert np.mean(np.abs(np.log(ratio)) < np.log(1.3)) > 0.9
    assert np.median(ratio) == pytest.approx(1.0, abs=0.03)

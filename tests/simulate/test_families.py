"""Every family: finite waveforms, the SNR that was drawn, frequencies where they belong."""

import json

import numpy as np
import pytest
from scipy import signal

from glitchvae.errors import InputError
from glitchvae.simulate import FAMILIES, optimal_snr, strain_of, weights
from glitchvae.simulate.distributions import distribution
from glitchvae.simulate.inspiral import chirp_mass, newtonian_frequency, ringdown
from glitchvae.simulate.measures import loudest_tile
from glitchvae.simulate.noise import asd, simulate_noise
from glitchvae.simulate.scattering import WAVELENGTH, fringes, surface

RATE = 8192.0
CURVE = asd("L1")
OFFICIAL = set(weights("official"))
PEAKS = {  # Hz: where the loudest tile of nearly every event of the class has to be
    "1080Lines": (1020, 1150),
    "1400Ripples": (1250, 1950),
    "Air_Compressor": (40, 58),
    "Blip": (30, 700),
    "Blip_Low_Frequency": (25, 300),
    "Chirp": (30, 450),
    "Fast_Scattering": (10, 80),
    "Low_Frequency_Burst": (10, 60),
    "Low_Frequency_Lines": (10, 30),
    "Paired_Doves": (15, 120),
    "Power_Line": (57, 63),
    "Scattered_Light": (10, 100),
    "Scratchy": (50, 400),
    "Tomte": (20, 120),
    "Violin_Mode": (480, 2048),
    "Whistle": (100, 2048),
}


def events(label, count=6):
    rng = np.random.default_rng(17)
    family = FAMILIES[label]
    for _ in range(count):
        parameters = family.draw(rng)
        yield parameters, strain_of(family, parameters, RATE, CURVE)


def test_there_is_a_family_for_every_class_of_the_taxonomy():
    assert len(OFFICIAL) == 22
    assert set(FAMILIES) == OFFICIAL | {"Blip_Low_Frequency", "Fast_Scattering"}
    assert all(label == family.label for label, family in FAMILIES.items())
    assert all(family.source and family.description for family in FAMILIES.values())


@pytest.mark.parametrize("label", FAMILIES)
def test_waveforms_are_finite_silent_at_both_ends_and_as_loud_as_drawn(label):
    for parameters, glitch in events(label):
        assert np.isfinite(glitch.strain).all()
        assert glitch.times.shape == glitch.strain.shape
        assert np.abs(glitch.times).min() < 1e-9
        loudest = np.abs(glitch.strain).max()
        assert np.abs(glitch.strain[[0, -1]]).max() < 0.02 * loudest
        assert glitch.tile.snr == pytest.approx(parameters["snr"])
        # a single tile never catches more than the matched filter
        assert glitch.tile.snr <= 1.001 * optimal_snr(glitch.strain, RATE, CURVE)


@pytest.mark.parametrize("label", sorted(PEAKS))
def test_the_loudest_tile_lies_where_the_class_is_seen(label):
    low, high = PEAKS[label]
    frequencies = [glitch.tile.frequency for _, glitch in events(label, 12)]
    assert np.mean([low <= f <= high for f in frequencies]) >= 0.9


@pytest.mark.parametrize("label", FAMILIES)
def test_parameters_are_plain_numbers_and_determine_the_waveform(label):
    family = FAMILIES[label]
    parameters = family.draw(np.random.default_rng(3))
    again = json.loads(json.dumps(parameters))
    _, first = family.waveform(parameters, RATE)
    _, second = family.waveform(again, RATE)
    assert np.array_equal(first, second)
    assert parameters == family.draw(np.random.default_rng(3))


@pytest.mark.parametrize("label", FAMILIES)
def test_nothing_is_folded_back_at_low_sample_rates(label):
    """What two rates have in common is the same: no alias of what one of them lacks."""
    family = FAMILIES[label]
    parameters = family.draw(np.random.default_rng(5))
    coarse, low = family.waveform(parameters, 1024.0)
    fine, high = family.waveform(parameters, RATE)
    kept = signal.sosfiltfilt(signal.butter(6, 150, fs=RATE, output="sos"), high)
    mine = signal.sosfiltfilt(signal.butter(6, 150, fs=1024, output="sos"), low)
    reference = np.interp(coarse, fine, kept)
    assert np.abs(mine - reference).max() < 0.15 * np.abs(high).max()


def test_a_matched_filter_finds_the_optimal_snr_in_noise():
    """Independent of `optimal_snr`: filter many noises in the time domain."""
    rng = np.random.default_rng(8)
    parameters = {**FAMILIES["Blip"].draw(rng), "snr": 12.0}
    glitch = strain_of(FAMILIES["Blip"], parameters, RATE, CURVE)
    count = len(glitch.strain)
    frequencies = np.fft.rfftfreq(count, 1 / RATE)
    inverse = np.where(frequencies >= 10, 1 / CURVE(frequencies) ** 2, 0.0)
    template = np.fft.irfft(np.fft.rfft(glitch.strain) * inverse, count)
    noise = simulate_noise(80 * count / RATE, RATE, CURVE, rng).reshape(80, count)
    quiet = noise @ template
    loud = (noise + glitch.strain) @ template
    snr = (loud.mean() - quiet.mean()) / quiet.std()
    assert snr == pytest.approx(optimal_snr(glitch.strain, RATE, CURVE), rel=0.25)


def test_the_tile_of_a_sine_gaussian_is_the_sine_gaussian():
    times = np.arange(-2 * RATE, 2 * RATE) / RATE
    for frequency, q in ((60.0, 22.6), (300.0, 11.3), (900.0, 5.66)):
        width = q / (2 * np.pi * frequency)
        wave = 1e-21 * np.exp(-0.5 * (times / width) ** 2) * np.sin(2 * np.pi * frequency * times)
        tile = loudest_tile(times, wave, asd("O4-design"))
        assert tile.frequency == pytest.approx(frequency, rel=0.1)
        assert tile.snr > 0.9 * optimal_snr(wave, RATE, asd("O4-design"))


def test_a_silent_waveform_has_no_tile():
    times = np.arange(-RATE, RATE) / RATE
    tile = loudest_tile(times, np.zeros(len(times)), CURVE)
    assert tile.snr == 0.0
    assert np.isnan(tile.frequency)


GW150914 = {"mass_1": 38.8, "mass_2": 33.4}
"""Detector-frame masses in solar masses (GWTC-1, arXiv:1811.12907)."""


def test_the_chirp_follows_the_newtonian_frequency():
    """Against the closed form df/dt = 96/5 pi^(8/3) Mc^(5/3) f^(11/3) (Blanchet 2014)."""
    mass = chirp_mass(**GW150914)
    assert mass == pytest.approx(31.3, abs=0.3)
    tau = np.linspace(0.02, 2.0, 20000)
    frequency = newtonian_frequency(tau, mass)
    rate = -np.gradient(frequency, tau)
    seconds = mass * 4.925491e-6
    expected = 96 / 5 * np.pi ** (8 / 3) * seconds ** (5 / 3) * frequency ** (11 / 3)
    assert np.allclose(rate[5:-5], expected[5:-5], rtol=1e-3)


def test_the_chirp_waveform_sweeps_as_its_masses_say():
    parameters = {**GW150914, "snr": 24.0, "phase": 0.3}
    times, wave = FAMILIES["Chirp"].waveform(parameters, RATE)
    instantaneous = np.gradient(np.unwrap(np.angle(signal.hilbert(wave))), times) / (2 * np.pi)
    highest, _ = ringdown(sum(GW150914.values()))
    mass = chirp_mass(**GW150914)
    end = (5 / 256) * (mass * 4.925491e-6) ** (-5 / 3) * (np.pi * highest) ** (-8 / 3)
    for at in (-0.5, -0.2, -0.1, -0.05):
        near = np.abs(times - at) < 0.01
        expected = newtonian_frequency(np.array([end - at]), mass)[0]
        assert np.median(instantaneous[near]) == pytest.approx(expected, rel=0.05)
    assert 200 < highest < 300  # GW150914 rang at about 250 Hz


def test_scattered_light_has_the_fringe_frequency_of_its_surface():
    parameters = {
        "slow_motion": 0.15,
        "slow_peak": 40.0,
        "fast_motion": 1.0,
        "fast_peak": 0.0,
    }
    times = np.arange(-RATE, RATE) / RATE
    displacement = surface(parameters, times)
    expected = 2 * np.abs(np.gradient(displacement, times)) / WAVELENGTH
    assert expected.max() == pytest.approx(40.0, rel=1e-3)
    phase = np.unwrap(np.angle(signal.hilbert(fringes(displacement))))
    middle = np.abs(times) < 0.3
    measured = np.abs(np.gradient(phase, times))[middle] / (2 * np.pi)
    assert np.median(measured) == pytest.approx(40.0, rel=0.02)


def whitened_snr(glitch, low, high, curve=CURVE.background):
    """Matched-filter SNR of what lies between two frequencies (Hz)."""
    spectrum = np.fft.rfft(glitch.strain) / RATE
    frequencies = np.fft.rfftfreq(len(glitch.strain), 1 / RATE)
    inside = (frequencies >= low) & (frequencies < high)
    density = np.abs(spectrum[inside] / curve(frequencies[inside])) ** 2
    return np.sqrt(4 * density.sum() * RATE / len(glitch.strain))


def test_a_koi_fish_has_its_head_below_100_hz_and_a_faint_tail_above_300_hz():
    glitches = [glitch for _, glitch in events("Koi_Fish", 40)]
    whole = np.array([whitened_snr(g, 10, 4000) for g in glitches])
    head = np.array([whitened_snr(g, 10, 100) for g in glitches])
    tail = np.array([whitened_snr(g, 300, 1000) for g in glitches])
    assert np.mean(head > 0.6 * whole) > 0.8
    assert np.median(tail / whole) == pytest.approx(0.1, abs=0.07)
    assert np.mean(tail > 4.0) > 0.7  # above what noise alone shows


def test_the_tails_of_half_the_koi_fish_reach_the_top_of_a_picture():
    glitches = [glitch for _, glitch in events("Koi_Fish", 60)]
    top = np.array([whitened_snr(g, 1000, 2048) for g in glitches])
    assert 0.25 < np.mean(top > 4.0) < 0.75


def test_no_extremely_loud_glitch_is_as_faint_as_most_koi_fish():
    assert min(glitch.tile.snr for _, glitch in events("Extremely_Loud", 60)) > 95


def test_an_extremely_loud_glitch_is_loud_above_500_hz():
    glitches = [glitch for _, glitch in events("Extremely_Loud", 40)]
    above = np.array([whitened_snr(g, 500, 2048) for g in glitches])
    assert np.mean(above > 10) > 0.9
    assert np.median([g.tile.snr for g in glitches]) > 200


def test_fast_arches_are_half_a_period_of_the_motion_apart():
    parameters = {
        "slow_motion": 0.15,
        "slow_peak": 0.0,
        "fast_motion": 1.6,
        "fast_peak": 40.0,
        "amplitudes": [1.0],
        "strengths": [1.0] * 17,
    }
    times, wave = FAMILIES["Fast_Scattering"].waveform(parameters, 1024.0)
    band = signal.butter(4, (32, 44), "bandpass", fs=1024.0, output="sos")
    power = signal.sosfiltfilt(band, wave) ** 2
    smooth = signal.sosfiltfilt(signal.butter(2, 5, fs=1024.0, output="sos"), power)
    peaks, _ = signal.find_peaks(smooth, height=smooth.max() / 2)
    inner = times[peaks][np.abs(times[peaks]) < 2.3]
    assert len(inner) >= 13
    assert np.diff(inner) == pytest.approx(1 / (2 * 1.6), abs=0.02)


def test_most_scattered_light_shows_several_arches_at_multiples_of_the_first():
    shown = []
    for parameters, glitch in events("Scattered_Light", 40):
        first = parameters["slow_peak"]
        bands = [first * n for n in range(1, 7) if first * n > 12]
        snr = [whitened_snr(glitch, 0.8 * f, 1.05 * f) for f in bands]
        between = [whitened_snr(glitch, 1.05 * f, 1.05 * f + 1) for f in bands]
        shown.append(sum(a > 8 and a > 2 * b for a, b in zip(snr, between, strict=True)))
    assert np.mean(np.array(shown) >= 2) > 0.5


def test_most_whistles_and_doves_are_too_faint_to_saturate_a_picture_by_far():
    """Real ones peak at an energy of 15 to 25, SNR 5 to 7; the colour scale ends at 25.5."""
    for label in ("Whistle", "Paired_Doves"):
        snr = np.array([parameters["snr"] for parameters, _ in events(label, 60)])
        assert 5 <= np.median(snr) < 8.5
        assert snr.min() > 4.5  # what No_Glitch may have


@pytest.mark.parametrize("bounces", [2, 3])
def test_each_bounce_multiplies_the_fringe_frequency(bounces):
    times = np.arange(0, RATE) / RATE
    displacement = 1e-5 * times  # m: constant velocity, frequency 2 v / lambda
    spectrum = np.abs(np.fft.rfft(fringes(displacement, bounces)))
    assert np.argmax(spectrum) == pytest.approx(bounces * 2e-5 / WAVELENGTH, abs=1)


def test_draws_follow_their_quantiles_and_correlation():
    rng = np.random.default_rng(2)
    blips = distribution("short_glitches", "Blip")
    draws = [blips.draw(rng) for _ in range(3000)]
    values = np.array([[draw[name] for name in blips.columns] for draw in draws])
    medians = blips.quantiles[:, list(blips.levels).index(0.5)]
    below = (values < medians).mean(axis=0)
    assert np.allclose(below, 0.5, atol=0.03)
    ranks = values.argsort(axis=0).argsort(axis=0)
    assert np.allclose(np.corrcoef(ranks.T), blips.correlation, atol=0.08)


def test_an_unknown_class_has_no_distribution():
    with pytest.raises(InputError, match="Crown"):
        distribution("triggers", "Crown")


def test_an_unknown_balance_names_the_known_ones():
    with pytest.raises(InputError, match="uniform"):
        weights("equal")

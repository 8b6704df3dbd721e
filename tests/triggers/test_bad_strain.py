"""What a search makes of strain that is not as it should be.

The outcomes are those of the table in `docs/bad_strain.md`.
Strain that is too short, constant or off another file's grid has its tests in `test_finding.py`,
`tests/strain/test_source.py` and `tests/cli/test_triggers.py`.
"""

import dataclasses
import logging

import numpy as np
import pytest
from scipy.signal.windows import tukey

from glitchvae.errors import InputError
from glitchvae.simulate import simulate_strain
from glitchvae.strain import Strain, StrainSource
from glitchvae.strain.quality import IMPLAUSIBLE, is_implausible, remarks
from glitchvae.triggers import find_triggers
from tests.triggers.test_finding import burst

RATE = 1024.0
LENGTH, CENTRE = 48.0, 20.0  # seconds; the glitch lies at CENTRE


@pytest.fixture(scope="module")
def noise():
    """Noise with the curve of O3 L1 and nothing in it that a search finds."""
    strain, _ = simulate_strain(LENGTH, "L1", 3, glitches=0, sample_rate=RATE)
    assert len(find_triggers(strain)) == 0
    return strain


def seconds(strain):
    return np.arange(len(strain)) / RATE


def put(strain, values):
    return dataclasses.replace(strain, values=values)


def with_glitch(strain, amplitude=1e-20):
    return put(strain, strain.values + amplitude * burst(seconds(strain), CENTRE, 150.0, 9.0))


def times_of(found, strain):
    return found.gps - strain.start


def test_saturated_strain_is_found_and_remarked(noise):
    limit = 3 * noise.values.std()
    clipped = put(noise, np.clip(with_glitch(noise, 1e-17).values, -limit, limit))
    found = find_triggers(clipped)
    assert np.abs(times_of(found, noise) - CENTRE).min() < 0.1
    assert "clipped" in remarks(clipped)
    assert "clipped" not in remarks(with_glitch(noise))


def test_a_step_of_the_offset_is_one_glitch_at_its_time(noise):
    stepped = put(noise, noise.values + 10 * noise.values.std() * (seconds(noise) > CENTRE))
    found = find_triggers(stepped)
    np.testing.assert_allclose(times_of(found, noise), [CENTRE], atol=0.01)
    assert remarks(stepped) == ()


def test_a_step_of_the_noise_is_remarked(noise):
    stepped = put(noise, noise.values * np.where(seconds(noise) > CENTRE, 2.0, 1.0))
    assert remarks(stepped) == ("noise_step",)


@pytest.mark.parametrize("taper", [0.0, 0.5])
@pytest.mark.parametrize("closed", [0.1, 1.0])
def test_a_gate_is_a_gap_and_makes_no_glitch(noise, taper, closed, caplog):
    gated = put(noise, noise.values.copy())
    samples = round((closed + 2 * taper) * RATE)
    shut = 1 - tukey(samples, 2 * taper / (closed + 2 * taper)) if taper else np.zeros(samples)
    first = round((CENTRE - taper) * RATE)
    gated.values[first : first + samples] *= shut
    with caplog.at_level(logging.WARNING):
        assert len(find_triggers(gated)) == 0
    assert f"no data from GPS {noise.start + CENTRE:.1f} on" in caplog.text


def test_a_glitch_beside_a_gate_is_found(noise):
    gated = with_glitch(noise)
    gated.values[round((CENTRE - 3) * RATE) : round((CENTRE - 2) * RATE)] = 0
    np.testing.assert_allclose(times_of(find_triggers(gated), noise), [CENTRE], atol=0.01)


def test_triggers_of_strongly_non_stationary_noise_are_remarked(noise):
    """A level that swings by a factor of 25 in ten seconds: its loud half stands out."""
    level = np.exp(np.log(5) * np.sin(2 * np.pi * seconds(noise) / 20))
    swinging = put(noise, noise.values * level)
    found = find_triggers(swinging)
    assert len(found) > 10
    assert remarks(swinging) == ("noise_step",)


def test_a_glitch_in_a_quiet_detector_is_found_beside_a_slow_drift(noise):
    drifting = with_glitch(noise)
    drifting.values[:] *= np.exp(0.2 * seconds(noise) / LENGTH)
    np.testing.assert_allclose(times_of(find_triggers(drifting), noise), [CENTRE], atol=0.01)
    assert remarks(drifting) == ()


def test_another_unit_changes_nothing_and_is_said_once(noise, caplog):
    strain = with_glitch(noise)
    expected = find_triggers(strain)
    with caplog.at_level(logging.WARNING):
        found = find_triggers(put(strain, 1e21 * strain.values))
    assert found.event_id.tolist() == expected.event_id.tolist()
    np.testing.assert_allclose(found.snr, expected.snr, rtol=1e-4)
    assert caplog.text.count("too large for strain") == 1


def test_whitened_strain_gives_the_same_glitch(noise, caplog):
    """gwpy's filters return reversed views, which torch does not take."""
    strain = with_glitch(noise)
    whitened = Strain.from_gwpy(strain.to_gwpy().whiten())
    filtered = Strain.from_gwpy(strain.to_gwpy().whiten().bandpass(20, 300))
    reversed_view = put(strain, whitened.values[::-1].copy()[::-1])
    for each in (whitened, filtered, reversed_view):
        assert is_implausible(each)
        with caplog.at_level(logging.WARNING):
            found = find_triggers(each)
        loudest = found.snr.argmax()
        assert times_of(found, noise)[loudest] == pytest.approx(CENTRE, abs=0.01)
        assert "whitened" in caplog.text
        caplog.clear()
    np.testing.assert_allclose(
        find_triggers(whitened).snr.max(), find_triggers(strain).snr.max(), rtol=0.1
    )


def test_strain_that_is_far_too_small_holds_nothing(noise, caplog):
    with caplog.at_level(logging.WARNING):
        assert len(find_triggers(put(noise, 1e-21 * with_glitch(noise).values))) == 0
    assert "no data from GPS" in caplog.text


@pytest.mark.parametrize("ifo", ["H1", "L1", "V1", "K1"])
def test_strain_of_detectors_is_plausible(ifo):
    strain, _ = simulate_strain(16.0, ifo, 1, glitches=0, sample_rate=RATE)
    assert not is_implausible(strain)
    loud = strain.values.copy()
    loud[: len(loud) // 3] = 1e-9  # a glitch of any size, or the loss of lock
    assert not is_implausible(put(strain, loud))
    assert is_implausible(put(strain, np.full(len(strain), 2 * IMPLAUSIBLE)))
    assert not is_implausible(put(strain, np.full(len(strain), np.nan)))


def test_samples_beyond_any_number_are_not_searched(noise, caplog):
    with caplog.at_level(logging.WARNING):
        assert len(find_triggers(put(noise, 1e200 * noise.values / noise.values.std()))) == 0
    assert "cannot be whitened and are not searched" in caplog.text


@pytest.mark.parametrize("rate", [4096.5, 1000.3, 3000.7])
def test_a_rate_off_the_grid_of_seconds_is_refused(rate):
    strain = Strain(values=np.ones(9000), start=1e9, sample_rate=rate, ifo="L1")
    with pytest.raises(InputError, match=f"not a whole number of Hz.*found {rate} Hz.*Resample"):
        StrainSource.of(strain)


@pytest.mark.parametrize("start", [-100.0, 2.0**31 - 1, 1e15, np.nan, np.inf])
def test_what_is_no_gps_time_is_refused(start):
    strain = Strain(values=np.ones(9 * 1024), start=start, sample_rate=RATE, ifo="L1")
    with pytest.raises(InputError, match="the time is not a GPS time"):
        StrainSource.of(strain)


def test_infinite_samples_part_the_data(noise):
    broken = with_glitch(noise)
    broken.values[round((CENTRE + 8) * RATE) : round((CENTRE + 9) * RATE)] = np.inf
    found = times_of(find_triggers(broken), noise)
    np.testing.assert_allclose(found, [CENTRE], atol=0.01)

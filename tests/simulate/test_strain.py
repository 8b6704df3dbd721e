"""Simulated strain holds what its truth table says, and nothing depends on luck."""

import csv

import numpy as np
import pytest

from glitchvae.errors import InputError
from glitchvae.simulate import FAMILIES, Truth, draw_labels, inject, simulate_strain, weights
from glitchvae.simulate.noise import STEADY, asd
from glitchvae.simulate.strain import draw_times


def test_the_same_seed_gives_the_same_strain_and_truth():
    runs = [simulate_strain(40, "H1", seed, glitches=3) for seed in (5, 5, 6)]
    assert np.array_equal(runs[0][0].values, runs[1][0].values)
    assert list(runs[0][1].parameters) == list(runs[1][1].parameters)
    assert not np.array_equal(runs[0][0].values, runs[2][0].values)


def test_the_strain_is_as_long_and_as_fast_as_asked():
    strain, truth = simulate_strain(30, "V1", 1, sample_rate=1024, glitches=2, start=1e9)
    assert (len(strain), strain.sample_rate, strain.ifo, strain.start) == (30720, 1024, "V1", 1e9)
    assert len(truth) == 2
    assert np.all((truth.gps > strain.start) & (truth.gps < strain.end))
    assert truth.simulation["curve"] == "O3-V1"


def with_and_without(label, snr_seed=4):
    """The same noise with a glitch of a class and with none."""
    common = {
        "duration": 16.0,
        "ifo": "L1",
        "sample_rate": 4096.0,
        "start": 0.0,
        "curve": asd("L1"),
        "unsteadiness": STEADY,
        "simulation": {},
    }
    noise, _ = inject(np.array([]), [], rng=np.random.default_rng(snr_seed), **common)
    both, truth = inject(np.array([8.0]), [label], rng=np.random.default_rng(snr_seed), **common)
    return both.values - noise.values, truth


@pytest.mark.parametrize("label", ["Blip", "Chirp", "Scattered_Light", "Whistle"])
def test_the_truth_table_has_what_was_injected(label):
    added, truth = with_and_without(label)
    assert truth.label[0] == label
    assert truth.gps[0] == 8.0
    assert truth.event_id[0] == "L1-8.0000"
    assert truth.parameters_of(0)["snr"] == pytest.approx(float(truth.snr[0]), rel=1e-5)
    times = np.arange(len(added)) / 4096 - 8.0
    assert np.abs(added[np.abs(times) > 4.1]).max() == 0.0
    # the matched filter, computed here on what is really in the strain
    frequencies = np.fft.rfftfreq(len(added), 1 / 4096)
    inside = frequencies >= 10
    density = np.abs(np.fft.rfft(added)[inside] / 4096) ** 2 / asd("L1")(frequencies[inside]) ** 2
    snr = np.sqrt(4 * density.sum() * 4096 / len(added))
    assert snr == pytest.approx(float(truth.optimal_snr[0]), rel=0.02)


def test_a_blip_peaks_at_its_time():
    added, _ = with_and_without("Blip")
    power = np.cumsum(added**2)
    middle = np.searchsorted(power, power[-1] / 2) / 4096
    assert middle == pytest.approx(8.0, abs=0.02)


def test_the_table_goes_to_csv_and_hdf5(tmp_path):
    _, truth = simulate_strain(30, "H1", 2, sample_rate=1024, glitches=4)
    truth.write_csv(tmp_path / "t.csv")
    truth.write(tmp_path / "t.h5")
    with (tmp_path / "t.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [row["label"] for row in rows] == list(truth.label)
    assert [float(row["gps"]) for row in rows] == list(truth.gps)
    again = Truth.read(tmp_path / "t.h5")
    assert again.parameters_of(3) == truth.parameters_of(3)
    assert again.simulation == truth.simulation


def test_times_are_in_order_and_apart(rng):
    times = draw_times(100.0, 10, rng)
    assert np.all(np.diff(times) >= 5.0)
    assert times.min() > 2.0
    assert times.max() < 98.0


@pytest.mark.parametrize("count", [-1, 41])
def test_too_many_glitches_are_refused(count):
    with pytest.raises(InputError, match="0 to 40 glitches"):
        simulate_strain(40, "H1", 0, glitches=count)


def test_no_glitches_are_no_rows():
    strain, truth = simulate_strain(8, "H1", 0, sample_rate=1024, glitches=0)
    assert len(truth) == 0
    assert np.isfinite(strain.values).all()


@pytest.mark.parametrize("balance", ["official", "o3", "uniform"])
def test_labels_come_in_the_numbers_of_the_balance(balance, rng):
    shares = weights(balance)
    labels = draw_labels(balance, 1000, rng)
    assert sum(shares.values()) == pytest.approx(1.0)
    assert set(labels) <= set(FAMILIES)
    for label, share in shares.items():
        assert abs(labels.count(label) - 1000 * share) <= 1


def test_the_official_balance_is_that_of_the_training_set():
    shares = weights("official")
    assert shares["Blip"] == pytest.approx(1821 / 7966)
    assert shares["Paired_Doves"] == pytest.approx(27 / 7966)
    assert weights("o3")["Fast_Scattering"] == pytest.approx(21378 / 70743)

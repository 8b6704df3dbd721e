"""The comparison with gwpy: what it reports, and that it can fail."""

import dataclasses

import numpy as np
import pytest

import glitchvae.spectrogram.parity
from glitchvae.errors import InputError
from glitchvae.spectrogram import ImagingSettings
from glitchvae.spectrogram.parity import (
    EventParity,
    ParityReport,
    compare,
    compare_block,
    gwpy_grids,
)
from glitchvae.status import Status
from glitchvae.strain import Strain, open_strain

IMAGING = ImagingSettings(name="test", sample_rate=1024, block=8, min_block=8, trim=1.0)
EVENT = EventParity(
    gps=1.0,
    q_gwpy=11.3,
    q_engine=11.3,
    median_error=1e-7,
    largest_error=1e-6,
    pixel_error=1e-6,
    gwpy_seconds=2.0,
    engine_seconds=0.1,
)


@pytest.fixture
def block(rng):
    t = np.arange(8 * 1024) / 1024
    phase = 2 * np.pi * 80 * (t - 4.2)
    values = rng.standard_normal(len(t)) + 3 * np.exp(-((phase / 12) ** 2)) * np.cos(phase)
    return Strain(values=1e-21 * values, start=1126259446.0, sample_rate=1024.0, ifo="H1")


def test_the_engine_agrees_with_gwpy_on_an_injection(block):
    event = compare_block(block, block.start + 4.21, IMAGING)
    report = ParityReport(events=(event,))
    assert event.same_plane
    assert 0 < event.median_error < 1e-6
    assert 0 < event.largest_error < 1e-5
    assert event.pixel_error < 1e-4
    assert report.passed


def test_strain_above_the_imaging_rate_is_brought_down_to_it(block):
    imaging = IMAGING.model_copy(update={"sample_rate": 512.0})
    assert compare_block(block, block.start + 4.21, imaging).same_plane


def test_a_wrong_engine_is_noticed(block, monkeypatch):
    engine = glitchvae.spectrogram.parity._engine

    def distorted(*args):
        found = engine(*args)
        return dataclasses.replace(found, views=[1.002 * view for view in found.views])

    monkeypatch.setattr(glitchvae.spectrogram.parity, "_engine", distorted)
    report = ParityReport(events=(compare_block(block, block.start + 4.21, IMAGING),))
    assert report.median_error == pytest.approx(2e-3, rel=1e-2)
    assert not report.passed


def test_bars_hold_for_the_worst_event():
    other = dataclasses.replace(EVENT, median_error=2e-5)
    report = ParityReport(events=(EVENT, other))
    assert report.median_error == 2e-5
    assert not report.passed
    assert ParityReport(events=(EVENT, EVENT)).passed


def test_a_plane_that_differs_counts_against_the_share_alone():
    nan = dict.fromkeys(("median_error", "largest_error", "pixel_error"), np.nan)
    other = dataclasses.replace(EVENT, q_engine=22.6, **nan)
    report = ParityReport(events=(EVENT,) * 199 + (other,))
    assert report.same_plane == 0.995
    assert report.largest_error == EVENT.largest_error
    assert report.passed
    assert not ParityReport(events=(EVENT, other)).passed


def test_speed_is_that_of_all_events_together():
    slow = dataclasses.replace(EVENT, gwpy_seconds=4.0, engine_seconds=0.5)
    assert ParityReport(events=(EVENT, slow)).speed_ratio == pytest.approx(10.0)


def test_grids_are_those_that_gwpy_computes():
    short, *_, long = gwpy_grids(1126259462.42, (10.0, 1291.1))
    assert (len(short.times), len(long.times)) == (250, 2000)
    # gwpy's steps of 0.002 s are multiples of 2**-22 s at this time
    assert np.diff(long.times)[0] == pytest.approx(2.00009e-3, abs=1e-8)
    assert (long.frequencies[0], long.frequencies[-1]) == (10.0, 1291.0)


@pytest.mark.data
def test_real_strain_of_three_detectors(real_data):
    folder = real_data / "strain" / "labelled"
    for name, gps in (
        ("L-L1_GW190512_180714_2048HZ-1241719632-24.hdf5", 1241719640.42),
        ("H-H1_GW190514_065416_1024HZ-1241852018-96.hdf5", 1241852049.11),
        ("V-V1_GW190513_205428_1024HZ-1241816066-24.hdf5", 1241816078.0),
    ):
        report = compare(open_strain([folder / name]), [gps], IMAGING)
        assert report.passed, report


@pytest.mark.data
def test_times_that_cannot_be_imaged_are_reported(real_data):
    source = open_strain([real_data / "strain/gwosc/L-L1_LOSC_4_V2-1126259446-32.hdf5"])
    report = compare(source, [1126259447.0, 1126259462.4], IMAGING)
    assert [event.gps for event in report.events] == [1126259462.4]
    assert report.skipped == ((1126259447.0, Status.EDGE_OF_SEGMENT),)
    with pytest.raises(InputError, match="outside_data"):
        compare(source, [5.0], IMAGING)

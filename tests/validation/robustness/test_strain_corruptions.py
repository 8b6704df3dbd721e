"""Corruptions of strain: what each adds, and what a test of them records."""

import dataclasses

import numpy as np
import pytest
import torch
from scipy import signal

from glitchvae.checkpoint import load_checkpoint
from glitchvae.errors import InputError
from glitchvae.qtransform.whitening import whiten
from glitchvae.simulate.noise import STEADY, asd, simulate_noise
from glitchvae.spectrogram import imaging_settings
from glitchvae.strain import Strain, open_strain, write_gwosc
from glitchvae.validation.robustness.corruption_test import CorruptionTest, compare_codes
from glitchvae.validation.robustness.strain_corruptions import (
    CORRUPTIONS,
    AddedNoise,
    DriftingLine,
    LongerBlock,
    OtherSegments,
    SecondGlitch,
    Shift,
    corrupt_strain,
)
from glitchvae.validation.robustness.strain_events import Event

LIGHT = imaging_settings("light")
RATE, DURATION, GPS = 1024.0, 16.0, 1008.25


@pytest.fixture(scope="module")
def quiet() -> Strain:
    """Stationary noise of H1."""
    values = simulate_noise(DURATION, RATE, asd("H1"), np.random.default_rng(0), STEADY)
    return Strain(values=values, start=1000.0, sample_rate=RATE, ifo="H1")


@pytest.fixture(scope="module")
def event(quiet, tmp_path_factory) -> Event:
    path = tmp_path_factory.mktemp("strain") / "H-H1_QUIET-16.hdf5"
    write_gwosc(path, quiet)
    return Event(open_strain([path]), GPS)


def whitened(quiet, values):
    """What is added to strain, whitened by the noise of that strain."""
    both = torch.from_numpy(np.stack([quiet.values, quiet.values + values]))
    first, second = whiten(both, RATE)
    return (second - first).numpy()[int(RATE) : -int(RATE)]


def test_settings_and_time_change_as_they_say(rng):
    assert OtherSegments().settings(LIGHT, 4.0).fftlength == 4.0
    longer = LongerBlock().settings(LIGHT, 16.0)
    assert (longer.block, longer.min_block) == (16.0, 16.0)
    assert abs(Shift().time(GPS, 3.0, rng) - GPS) == pytest.approx(0.003)
    assert len({corruption.name for corruption in CORRUPTIONS}) == len(CORRUPTIONS)


def test_a_line_gains_its_strength_in_a_second_and_drifts(quiet):
    """Faint, so that its own share of the noise spectrum is small."""
    line = DriftingLine(band=(99.0, 101.0), drift=(5.0, 5.0))
    added = line.added(quiet, GPS, 5.0, np.random.default_rng(1))
    assert len(added) == len(quiet)
    second = whitened(quiet, added)[4096:5120]
    assert np.linalg.norm(second) == pytest.approx(5.0, rel=0.25)
    tone = signal.hilbert(added)
    frequency = np.diff(np.unwrap(np.angle(tone))) * RATE / (2 * np.pi)
    ends = frequency[1024], frequency[-1024]
    assert abs(ends[1] - ends[0]) == pytest.approx(5.0 * 14, rel=0.05)
    same = line.added(quiet, GPS, 10.0, np.random.default_rng(1))
    np.testing.assert_allclose(same, 2 * added)


def test_another_glitch_lies_where_it_should(quiet):
    added = SecondGlitch(delay=1.0).added(quiet, GPS, 20.0, np.random.default_rng(2))
    loudest = quiet.start + np.argmax(np.abs(added)) / RATE
    assert abs(abs(loudest - GPS) - 1.0) < 0.1


def test_noise_is_of_the_same_spectrum(quiet):
    added = AddedNoise().added(quiet, GPS, 2.0, np.random.default_rng(3))
    (one, _), (other, _) = (
        signal.welch(values, RATE, nperseg=2048)[::-1] for values in (quiet.values, added)
    )
    band = slice(60, 800)
    assert np.sqrt(np.median(other[band] / one[band])) == pytest.approx(2.0, rel=0.2)


def test_every_change_of_an_event_is_a_row(event):
    checkpoint = load_checkpoint("default")
    corruptions = (Shift(strengths=(0.001, 30.0)), LongerBlock(strengths=(12.0, 32.0)))
    seen = []
    found = corrupt_strain(
        checkpoint, [event, event], LIGHT, corruptions=corruptions, progress=seen.append
    )
    assert seen == [1, 1]
    assert found.corruptions == ("time shift", "length of the block")
    assert len(found) == 8
    assert set(found.original) == {found.original[0]}
    shifted = found.of("time shift")
    np.testing.assert_array_less(shifted.distance[::2], shifted.distance[1::2])
    assert (shifted.cosine[::2] > 0.999).all()
    # The strain has 16 s: a block of 32 s cannot be had, and that row says so.
    longer = found.of("length of the block")
    assert list(longer.class_name == "") == [False, True, False, True]
    assert [kept.events for kept in longer.kept()] == [2]


def test_a_class_above_the_images_is_not_named(event):
    """What an event is called as it is, and corrupted, is what its images can show."""
    checkpoint = load_checkpoint("default")
    shift = (Shift(strengths=(0.001,)),)
    seen = corrupt_strain(checkpoint, [event], LIGHT, corruptions=shift).original[0]
    prototypes = dataclasses.replace(checkpoint.prototypes, bands={seen: (RATE, 2 * RATE)})
    blind = dataclasses.replace(checkpoint, prototypes=prototypes)
    found = corrupt_strain(blind, [event], LIGHT, corruptions=shift)
    assert seen not in {*found.original, *found.class_name}
    assert "" not in found.class_name


def test_events_that_cannot_be_imaged_stop_the_test_at_once(event):
    seen = []
    with pytest.raises(InputError, match="outside_data"):
        corrupt_strain(
            load_checkpoint("default"),
            [event, event._replace(gps=1.0)],
            LIGHT,
            progress=seen.append,
        )
    assert seen == []
    with pytest.raises(InputError, match="no event to corrupt"):
        corrupt_strain(load_checkpoint("default"), [], LIGHT)


def test_what_is_kept_is_counted_with_intervals():
    prototypes = load_checkpoint("default").prototypes
    assert prototypes is not None
    codes = prototypes.centres[[0, -1, 0, -1]].astype(np.float32)
    after = codes.copy()
    after[3], after[2] = codes[0], np.nan
    named = prototypes.classify(codes).class_name, prototypes.classify(after).class_name
    found = compare_codes(
        codes,
        after,
        named,
        prototypes.whitener,
        event=np.array([0, 1, 0, 1]),
        corruption="x",
        unit="s",
        strength=np.array([1.0, 1.0, 2.0, 2.0]),
    )
    weak, strong = found.kept()
    assert weak[:3] == (1.0, 2, 1.0)
    assert (weak.cosine, weak.distance) == pytest.approx((1.0, 0.0), abs=1e-6)
    assert strong[:3] == (2.0, 1, 0.0)
    assert strong.commonest == found.original[0]
    assert 0 <= weak.low < weak.share == weak.high
    np.testing.assert_array_equal(found.limits(), [np.inf, 2.0])
    assert found.half == "not reached"
    assert found.take(found.event == 1).half == "2 s"
    moved = (codes[0] - codes[1]) @ prototypes.whitener
    assert strong.distance == pytest.approx(float(np.linalg.norm(moved)), rel=1e-5)


def test_a_test_is_read_as_it_was_written(event, tmp_path):
    found = corrupt_strain(
        load_checkpoint("default"), [event], LIGHT, corruptions=[Shift(strengths=(1.0,))]
    )
    found.write(tmp_path / "corruptions.h5")
    read = CorruptionTest.read(tmp_path / "corruptions.h5")
    assert (read.unit[0], read.class_name[0]) == ("ms", found.class_name[0])

"""Real strain that lends its noise: where it is quiet, and what it becomes at other rates."""

from dataclasses import replace

import numpy as np
import pytest
from igwn_segments import segment, segmentlist
from scipy import signal

from glitchvae.dataset.donors import (
    BAND,
    EDGE,
    Donor,
    choose_donor,
    cut_around,
    draw_centre,
    find_donor,
    find_donors,
    lend_noise,
)
from glitchvae.errors import InputError
from glitchvae.simulate import inject
from glitchvae.simulate.noise import STEADY, asd
from glitchvae.strain import Strain, write_gwosc

START = 1_240_000_000.0


def strain_of(seconds=40.0, rate=1024.0, times=(), label="Koi_Fish", ifo="L1", start=START):
    strain, _ = inject(
        np.array(times),
        [label] * len(times),
        duration=seconds,
        ifo=ifo,
        sample_rate=rate,
        start=start,
        rng=np.random.default_rng(7),
        curve=asd(ifo),
        unsteadiness=STEADY,
        simulation={},
    )
    return strain


def written(folder, strain, name="donor.hdf5"):
    write_gwosc(folder / name, strain)
    return folder / name


@pytest.fixture(scope="module")
def donor(tmp_path_factory) -> Donor:
    found = find_donor(written(tmp_path_factory.mktemp("strain"), strain_of()))
    assert found is not None
    return found


def test_the_pictures_of_quiet_times_keep_off_a_glitch_and_the_edges(tmp_path):
    found = find_donor(written(tmp_path, strain_of(times=[18.0])))
    assert found is not None
    rng = np.random.default_rng(0)
    centres = np.array([draw_centre(found, rng) for _ in range(500)]) - START
    assert centres.min() >= EDGE + 2
    assert centres.max() <= 40 - EDGE - 2
    assert np.abs(centres - 18.0).min() > 2
    assert (centres < 16).any()
    assert (centres > 20).any()


def test_silence_before_the_noise_lends_nothing(tmp_path):
    strain = strain_of(60.0)
    values = strain.values.copy()
    values[: 25 * 1024] *= 1e-3
    found = find_donor(written(tmp_path, replace(strain, values=values)))
    assert found is not None
    assert found.strain.start == pytest.approx(START + 25, abs=1)


def test_a_gap_parts_and_the_longest_stretch_is_taken(tmp_path):
    strain = strain_of(60.0)
    values = strain.values.copy()
    values[22 * 1024 : 22 * 1024 + 10] = np.nan
    found = find_donor(written(tmp_path, replace(strain, values=values)))
    assert found is not None
    assert found.strain.start == pytest.approx(START + 23)
    assert np.isfinite(found.strain.values).all()


@pytest.mark.parametrize("seconds", [8.0, 19.0])
def test_what_is_too_short_is_no_donor(tmp_path, seconds):
    path = written(tmp_path, strain_of(seconds))
    assert find_donor(path) is None
    with pytest.raises(InputError, match="no strain is suitable as a donor of noise"):
        find_donors([path])


def density(strain, rate):
    frequencies, power = signal.welch(strain.values, rate, nperseg=round(rate), average="median")
    return frequencies, np.sqrt(power)


def test_at_its_own_rate_noise_is_lent_as_it_is(donor):
    lent = lend_noise(donor, 1024.0, np.random.default_rng(0))
    expected = donor.strain.crop(donor.strain.start + EDGE, donor.strain.end - EDGE)
    np.testing.assert_array_equal(lent.values, expected.values)
    assert lent.start == expected.start


def test_at_a_higher_rate_the_noise_goes_on_with_the_curve_of_the_detector(donor):
    lent = lend_noise(donor, 8192.0, np.random.default_rng(0))
    frequencies, found = density(lent, 8192.0)
    ratio = found / asd("L1")(frequencies)
    for low, high in ((30, 300), (330, 500), (550, 1500), (1500, 3500)):
        inside = (frequencies > low) & (frequencies < high)
        assert np.median(ratio[inside]) == pytest.approx(1, rel=0.15), (low, high)


def test_below_its_band_it_is_the_donor_and_above_it_another_draw(donor):
    first, second = (lend_noise(donor, 4096.0, np.random.default_rng(seed)) for seed in (0, 1))
    own = donor.strain.crop(donor.strain.start + EDGE, donor.strain.end - EDGE)
    slow = signal.decimate(first.values, 4096 // 1024, ftype="fir")
    frequencies, coherence = signal.coherence(slow, own.values, 1024.0, nperseg=1024)
    assert coherence[(frequencies > 20) & (frequencies < 0.9 * BAND[0] * 1024)].min() > 0.99
    frequencies, coherence = signal.coherence(first.values, second.values, 4096.0, nperseg=4096)
    assert np.median(coherence[frequencies > 1.1 * BAND[1] * 1024]) < 0.2


def test_noise_is_lent_at_a_lower_rate(tmp_path):
    found = find_donor(written(tmp_path, strain_of(rate=4096.0)))
    assert found is not None
    lent = lend_noise(found, 1024.0, np.random.default_rng(0))
    assert lent.duration == pytest.approx(found.strain.duration - 2 * EDGE)
    frequencies, values = density(lent, 1024.0)
    inside = (frequencies > 30) & (frequencies < 350)
    assert np.median(values[inside] / asd("L1")(frequencies[inside])) == pytest.approx(1, rel=0.1)


def test_lending_repeats_and_leaves_the_donor_alone(donor):
    before = donor.strain.values.copy()
    draws = [lend_noise(donor, 2048.0, np.random.default_rng(3)).values for _ in range(2)]
    np.testing.assert_array_equal(*draws)
    block = cut_around(donor.strain, START + 20.0, 8.0)
    block.values[:] = 0
    np.testing.assert_array_equal(donor.strain.values, before)


def test_a_rate_that_is_no_multiple_is_refused(donor):
    with pytest.raises(InputError, match=r"multiple of 1024 Hz; found 5000 Hz"):
        lend_noise(donor, 5000.0, np.random.default_rng(0))


@pytest.mark.parametrize(("at", "span"), [(20.0, (16, 24)), (1.0, (0, 8)), (39.0, (32, 40))])
def test_a_block_lies_around_its_time_and_inside_the_strain(at, span):
    block = cut_around(strain_of(), START + at, 8.0)
    assert (block.start - START, block.end - START) == span


def test_strain_shorter_than_a_block_is_taken_whole():
    assert cut_around(strain_of(30.5), START + 9, 64.0).duration == 30.0


def made(ifo, day, rate=1024.0, quiet=10.0):
    start = 86400.0 * day + 100
    strain = Strain(values=np.zeros(2048), start=start, sample_rate=rate, ifo=ifo)
    centres = segmentlist([segment(start, start + quiet)])
    return Donor(name=f"{ifo}-{day}", strain=strain, centres=centres)


def test_noise_of_one_detector_and_day_is_in_one_split_and_all_splits_have_some():
    donors = [made(ifo, 14000 + day) for ifo in ("H1", "L1") for day in range(100)]
    shares = {name: sum(d.split == name for d in donors) / 200 for name in ("train", "test")}
    assert shares["train"] == pytest.approx(0.7, abs=0.1)
    assert shares["test"] == pytest.approx(0.15, abs=0.08)
    assert made("H1", 14000).split == made("H1", 14000, rate=16384.0).split


def test_a_donor_of_the_split_is_chosen_by_quiet_time_and_band():
    donors = [made("H1", 14000 + day) for day in range(40)]
    one = next(d for d in donors if d.split == "train")
    wide = replace(one, name="wide", strain=replace(one.strain, sample_rate=4096.0))
    rng = np.random.default_rng(0)
    chosen = [choose_donor([one, wide], "train", rng) for _ in range(800)]
    assert np.mean([c is wide for c in chosen]) == pytest.approx(0.75, abs=0.05)
    assert choose_donor([one], "test", rng) is None


@pytest.mark.data
def test_real_strain_lends_quiet_noise(real_data):
    files = sorted((real_data / "strain" / "gwosc").glob("*_4_V*"))
    if not files:
        pytest.skip("no GWOSC strain")
    for donor in find_donors(files):
        assert 0 < donor.seconds < 32
        lent = lend_noise(donor, 16384.0, np.random.default_rng(0))
        frequencies, values = density(lent, 16384.0)
        bands = [(f >= frequencies) & (frequencies > f - 100) for f in range(1300, 2300, 100)]
        levels = np.log([np.median(values[band]) for band in bands])
        assert np.abs(np.diff(levels)).max() < 0.5

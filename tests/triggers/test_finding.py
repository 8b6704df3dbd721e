"""Finding triggers: bursts of known SNR in known noise, gaps, edges, pieces."""

import csv
import logging
from pathlib import Path

import numpy as np
import pytest
from gwpy.signal.qtransform import q_scan
from gwpy.timeseries import TimeSeries
from igwn_segments import segment, segmentlist

from glitchvae.errors import InputError
from glitchvae.qtransform import Tiling
from glitchvae.strain import Strain, StrainSource, open_strain, write_gwosc
from glitchvae.triggers import Triggers, find_triggers, search_cells
from glitchvae.triggers.tiles import Threshold, examine

RATE = 1024.0
START = 1187008842.0  # 18 s before a cell begins
WHOLE = ((10.0, 2048.0), (4.0, 64.0))


def burst(times: np.ndarray, centre: float, frequency: float, q: float) -> np.ndarray:
    """A sine-Gaussian of quality factor q."""
    tau = q / (np.sqrt(2) * np.pi * frequency)
    return np.exp(-(((times - centre) / tau) ** 2)) * np.sin(
        2 * np.pi * frequency * (times - centre) + 0.7
    )


def white(rng, duration: float, bursts=(), *, rate: float = RATE, start: float = START) -> Strain:
    """Noise of unit variance, where the matched-filter SNR is the root of the sum of squares.

    Args:
        rng: Random generator.
        duration: Seconds.
        bursts: (seconds from start, Hz, Q, SNR) of each.
        rate: Hz.
        start: GPS.
    """
    times = np.arange(round(duration * rate)) / rate
    values = rng.standard_normal(len(times))
    for centre, frequency, q, snr in bursts:
        wave = burst(times, centre, frequency, q)
        values += snr * wave / np.sqrt(np.sum(wave**2))
    return Strain(values=values, start=start, sample_rate=rate, ifo="L1")


def coloured(rng, duration: float, bursts) -> Strain:
    """Noise with a steep wall below 60 Hz and a line at 100 Hz, scaled as strain."""
    frequencies = np.fft.rfftfreq(round(duration * RATE), 1 / RATE)
    asd = 1e-23 * (1 + (60 / np.maximum(frequencies, 5)) ** 3)
    noise = np.fft.rfft(white(rng, duration).values) * asd * np.sqrt(RATE / 2)
    times = np.arange(round(duration * RATE)) / RATE
    values = np.fft.irfft(noise) + 3e-22 * np.sin(2 * np.pi * 100 * times)
    for centre, frequency, q, snr in bursts:
        wave = burst(times, centre, frequency, q)
        spectrum = np.fft.rfft(wave) / RATE
        density = 4 * np.sum(np.abs(spectrum / asd) ** 2) / duration
        values += snr * wave / np.sqrt(density)
    return Strain(values=values, start=START, sample_rate=RATE, ifo="L1")


BURSTS = [
    (10.0, 150.0, 6.0, 8.5),
    (22.0, 60.0, 12.0, 12.0),
    (34.0, 200.0, 24.0, 16.0),
    (47.0, 80.0, 45.0, 25.0),
    (58.0, 30.0, 6.0, 30.0),
    (71.0, 250.0, 9.0, 50.0),
]


@pytest.mark.parametrize("noise", [white, coloured])
def test_bursts_come_back_with_their_time_frequency_and_snr(rng, noise):
    found = find_triggers(noise(rng, 84.0, BURSTS))
    assert len(found) == len(BURSTS)
    for row, (centre, frequency, q, snr) in enumerate(BURSTS):
        # One standard deviation of an SNR is 1; tiles lose up to a tenth of it.
        assert found.snr[row] == pytest.approx(snr, abs=2 + 0.1 * snr)
        tile = q / (2 * np.sqrt(np.pi) * frequency)
        assert found.gps[row] - START == pytest.approx(centre, abs=0.001 + 2 * tile / snr)
        assert found.peak_frequency[row] == pytest.approx(frequency, abs=1 / tile)
        assert found.q[row] == pytest.approx(q, rel=1.0)
    ratio = found.snr / np.array([snr for *_, snr in BURSTS])
    assert ratio.mean() == pytest.approx(1.0, abs=0.1)


def test_gaussian_noise_gives_nothing_in_ten_minutes(rng):
    assert len(find_triggers(white(rng, 600.0))) == 0


def test_loud_tiles_of_noise_are_as_many_as_the_exponential_law_says(rng):
    strain, span = white(rng, 100.0), segment(START + 20, START + 80)
    threshold = Threshold(snr=3.0, frange=WHOLE[0], qrange=WHOLE[1], device="cpu")
    tiling = Tiling(duration=64.0, sample_rate=RATE)
    number = sum(plane.tiles.sum() for plane in tiling.planes) * 60 / 64
    loud = len(examine(strain.crop, span, threshold).tiles)
    assert loud / number == pytest.approx(np.exp(-(3.0**2 + 2) / 2), rel=0.15)


def test_loudest_tile_is_gwpys(rng):
    strain = white(rng, 66.0, [(30.0, 120.0, 12.0, 20.0)])
    series = TimeSeries(strain.values, t0=START, sample_rate=RATE).whiten(
        fftlength=2, overlap=1, method="median", window="hann", fduration=2
    )
    expected, _ = q_scan(series.crop(START + 1, START + 65), qrange=(4, 64), frange=(10, 300))
    threshold = Threshold(snr=5.0, frange=(10.0, 300.0), qrange=(4.0, 64.0), device="cpu")
    tiles = examine(strain.crop, segment(START + 3, START + 63), threshold).tiles
    peak = tiles.take([int(np.argmax(tiles.snr))])
    assert peak.q[0] == expected.plane.q
    assert peak.frequency[0] == expected.peak["frequency"]
    assert peak.time[0] == pytest.approx(expected.peak["time"], abs=1e-6)
    snr = np.sqrt(2 * np.log(2) * expected.peak["energy"] - 2)
    assert peak.snr[0] == pytest.approx(snr, rel=1e-4)


def test_scale_of_strain_does_not_matter(rng):
    strain = white(rng, 64.0, [(20.0, 90.0, 9.0, 12.0), (45.0, 200.0, 9.0, 30.0)])
    small = Strain(values=1e-21 * strain.values, start=START, sample_rate=RATE, ifo="L1")
    one, other = find_triggers(strain), find_triggers(small)
    assert len(one) == 2
    assert one.event_id.tolist() == other.event_id.tolist()
    np.testing.assert_allclose(one.snr, other.snr, rtol=1e-4)


def test_bursts_near_the_ends_of_blocks_come_once(rng):
    centres = [17.0, 18.0, 19.05, 77.98, 138.0, 138.9, 197.0]  # cells begin at 18, 78, 138
    strain = white(rng, 200.0, [(c, 150.0, 9.0, 20.0) for c in centres])
    found = find_triggers(strain)
    np.testing.assert_allclose(found.gps - START, centres, atol=0.005)


def test_a_gap_parts_the_data_and_makes_no_trigger(rng):
    strain = white(rng, 100.0, [(28.2, 150.0, 9.0, 20.0), (42.0, 150.0, 9.0, 20.0)])
    values = strain.values.copy()
    values[round(30 * RATE) : round(40 * RATE)] = np.nan
    values[round(40 * RATE) :] += 500.0  # the second stretch begins with a step
    found = find_triggers(Strain(values=values, start=START, sample_rate=RATE, ifo="L1"))
    np.testing.assert_allclose(found.gps - START, [28.2, 42.0], atol=0.005)


@pytest.mark.parametrize("duration", [9.0, 24.0, 65.5])
def test_short_stretches_are_searched_in_a_shorter_block(rng, duration):
    found = find_triggers(white(rng, duration, [(4.0, 150.0, 9.0, 25.0)]))
    np.testing.assert_allclose(found.gps - START, [4.0], atol=0.005)


def test_a_stretch_below_eight_seconds_is_left_out_and_said(rng, caplog):
    with caplog.at_level(logging.INFO):
        assert len(find_triggers(white(rng, 7.0, [(4.0, 150.0, 9.0, 25.0)]))) == 0
    assert "too short" in caplog.text


def test_constant_strain_is_a_gap(rng):
    strain = white(rng, 120.0, [(80.0, 150.0, 9.0, 20.0)])
    values = strain.values.copy()
    values[: round(50 * RATE)] = 0.0
    found = find_triggers(Strain(values=values, start=START, sample_rate=RATE, ifo="L1"))
    np.testing.assert_allclose(found.gps - START, [80.0], atol=0.005)
    zeros = Strain(values=np.zeros(60 * 1024), start=START, sample_rate=RATE, ifo="L1")
    assert len(find_triggers(zeros)) == 0


def test_only_the_frequencies_asked_for(rng):
    strain = white(rng, 64.0, [(20.0, 40.0, 20.0, 20.0), (45.0, 200.0, 20.0, 20.0)])
    found = find_triggers(strain, frange=(100.0, 300.0))
    np.testing.assert_allclose(found.gps - START, [45.0], atol=0.005)


@pytest.mark.parametrize(
    "settings", [{"snr": 1.0}, {"snr": np.nan}, {"frange": (600.0, 900.0)}, {"qrange": (1.0, 64.0)}]
)
def test_unusable_settings_are_errors(rng, settings):
    with pytest.raises(InputError):
        find_triggers(white(rng, 30.0), **settings)


@pytest.fixture
def source(rng, tmp_path):
    """Four minutes on disk with a burst every 9 s and a gap."""
    strain = white(rng, 240.0, [(5.0 + 9 * k, 150.0, 9.0, 20.0) for k in range(26)])
    strain.values[round(100 * RATE) : round(110 * RATE)] = np.nan
    write_gwosc(tmp_path / "L-L1_TEST-1187008842-240.hdf5", strain)
    return open_strain(tmp_path / "L-L1_TEST-1187008842-240.hdf5")


def test_pieces_give_what_the_whole_gives(source):
    whole = find_triggers(source.read(*source.segments.extent()))
    cells = list(search_cells(source))
    assert len(whole) == 25
    assert [i for cell in cells for i in cell.triggers.event_id] == whole.event_id.tolist()
    for cell in cells:
        assert all(cell.span[0] <= gps < cell.span[1] for gps in cell.triggers.gps)


def test_a_search_is_taken_up_where_it_stopped(source):
    cells = list(search_cells(source))
    rest = segmentlist([segment(cells[2].span[0], source.segments.extent()[1])])
    resumed = list(search_cells(source, within=rest))
    assert [cell.span for cell in resumed] == [cell.span for cell in cells[2:]]
    for again, before in zip(resumed, cells[2:], strict=True):
        assert again.triggers.event_id.tolist() == before.triggers.event_id.tolist()


def test_within_keeps_what_peaks_inside(source):
    science = segmentlist([segment(START + 30, START + 60), segment(START + 50, START + 70)])
    strain = source.read(*source.segments.extent())
    inside = find_triggers(strain, within=science)
    np.testing.assert_allclose(inside.gps - START, [32.0, 41.0, 50.0, 59.0, 68.0], atol=0.005)
    assert find_triggers(strain).event_id.tolist()[3:8] == inside.event_id.tolist()


@pytest.mark.data
def test_labelled_glitches_are_found_within_a_tenth_of_a_second(real_data: Path):
    folder = real_data / "strain" / "labelled"
    with (folder / "labels.csv").open(encoding="utf-8") as stream:
        labels = [(row["file"], float(row["gps"])) for row in csv.DictReader(stream)]
    for name in {name for name, _ in labels}:
        source = open_strain(folder / name)
        start, end = source.segments.extent()
        found = find_triggers(source.read(start, end))
        labelled = [gps for file, gps in labels if file == name and start + 2 < gps < end - 2]
        assert all(np.abs(found.gps - gps).min() < 0.1 for gps in labelled)
        assert len(found) < 10


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "gps", "snr"),
    [
        ("H-H1_LOSC_4_V2-1126259446-32.hdf5", [1126259462.42], (10, 25)),
        ("H-H1_LOSC_16_V2-1126259446-32.hdf5", [1126259462.42], (10, 25)),
        ("L-L1_LOSC_4_V2-1126259446-32.hdf5", [1126259462.415], (8, 20)),
        ("L1-1187008882-128.hdf5", [], ()),
    ],
)
def test_events_and_quiet_of_open_data(real_data, name, gps, snr):
    source = open_strain(real_data / "strain" / "gwosc" / name, ifo=name.split("-")[-3][:2])
    found = find_triggers(source.read(*source.segments.extent()))
    np.testing.assert_allclose(found.gps, gps, atol=0.01)
    assert all(snr[0] < value < snr[1] for value in found.snr)


def test_a_limited_source_is_searched_within_its_limits_alone(rng):
    strain = white(rng, 84.0, [(20.0, 150.0, 6.0, 20.0), (60.0, 150.0, 6.0, 20.0)])
    source = StrainSource.of(strain).limited_to(
        segmentlist([segment(START + 40, START + 80)]), "segments made-up"
    )
    found = Triggers.join([cell.triggers for cell in search_cells(source)])
    assert found.gps == pytest.approx([START + 60], abs=0.05)

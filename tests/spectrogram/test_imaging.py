"""Images: geometry, pixel domain, physics, blocks and statuses, and the official picture."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from igwn_segments import segment, segmentlist

from glitchvae.errors import ConfigError, InputError
from glitchvae.shapes import IMAGE_SHAPE, VIEWS
from glitchvae.spectrogram import (
    IMAGING,
    ImagingSettings,
    SpectrogramSet,
    energy_to_pixel,
    image_strain,
    imaging_settings,
    make_spectrograms,
    pixel_to_energy,
    row_frequencies,
    tile_snr,
)
from glitchvae.spectrogram.blocks import cut_block
from glitchvae.spectrogram.canvas import CROP, PICTURE, reduce_picture, view_canvas
from glitchvae.status import Status
from glitchvae.strain import StrainSource, Stretch, open_strain
from glitchvae.triggers import at_times

START = 1_250_000_000.0
RATE = 2048.0
QUICK = ImagingSettings(name="quick", sample_rate=RATE, block=8.0, min_block=6.0, trim=1.0)


def source_of(*pieces, rate=RATE):
    """Stretches given as (first GPS, samples)."""
    stretches = [
        Stretch(
            path=Path(f"piece-{start:g}"),
            start=start,
            samples=len(values),
            sample_rate=rate,
            ifo="H1",
            channel=None,
            load=lambda a, b, values=values: values[a:b],
        )
        for start, values in pieces
    ]
    return StrainSource.join(stretches)


@pytest.fixture(autouse=True)
def no_files(monkeypatch):
    """Sources made up here have no files to digest."""
    monkeypatch.setattr("glitchvae.spectrogram.imaging._digests", lambda source: {})


def column_times(duration):
    """Seconds from the trigger of each column of a view, from the axes of the official picture.

    They begin at 12.5 % of 800 pixels and are 77.5 % wide, of which the colour bar and its
    gap take 8 parts in 108; columns 105 to 671 are reduced to 170.
    """
    pixels = 105 + (np.arange(170) + 0.5) * 566 / 170
    return ((pixels - 100) / (620 / 1.08) - 0.5) * duration


def noise(seconds, rng, rate=RATE):
    return 1e-22 * rng.standard_normal(round(seconds * rate))


def sine_gaussian(at, frequency, amplitude, seconds, *, q=12.0, rate=RATE):
    t = np.arange(round(seconds * rate)) / rate - at
    tau = q / (np.sqrt(2) * np.pi * frequency)
    return amplitude * np.exp(-((t / tau) ** 2)) * np.cos(2 * np.pi * frequency * t)


def images_at(source, gps, imaging=QUICK, **options):
    made = make_spectrograms(source, at_times(gps, source.ifo), imaging, **options)
    return SpectrogramSet.join(list(made))


# Settings


def test_named_settings_are_gravity_spys_and_a_lighter_one():
    assert set(IMAGING) == {"gravity-spy", "light"}
    assert (IMAGING["gravity-spy"].block, IMAGING["gravity-spy"].sample_rate) == (64, 16384)
    assert imaging_settings("light") is IMAGING["light"]


def test_unknown_settings_name_the_valid_ones():
    with pytest.raises(ConfigError, match=r"did you mean 'light'.*gravity-spy, light"):
        imaging_settings("ligth")


@pytest.mark.parametrize(
    "change", [{"min_block": 3.0}, {"min_block": 9.0}, {"overlap": 2.0}, {"trim": 3.0}]
)
def test_impossible_durations_are_refused(change):
    with pytest.raises(ValueError, match=r"min_block|overlap"):
        ImagingSettings(**(QUICK.model_dump() | change))


# Pixels


@given(arrays(np.float32, 20, elements=st.floats(0, 25.5, width=32)))
def test_pixels_and_energies_are_inverse(energy):
    assert np.allclose(pixel_to_energy(energy_to_pixel(energy)), energy, atol=2e-4)


def test_pixels_rise_with_energy_and_saturate():
    pixel = energy_to_pixel(np.linspace(-1, 30, 2000))
    assert (np.diff(pixel) >= 0).all()
    assert pixel[0] == pytest.approx(0.084, abs=1e-3)
    assert pixel[-1] == pytest.approx(0.870, abs=1e-3)
    assert pixel_to_energy(pixel[[0, -1]]).tolist() == [0.0, 25.5]
    assert np.isnan(energy_to_pixel(np.array([np.nan]))).all()


def test_pixels_are_the_grey_of_viridis():
    skimage = pytest.importorskip("skimage.color")
    from matplotlib import colormaps

    energy = np.linspace(0.01, 25.4, 300)
    grey = skimage.rgb2gray(colormaps["viridis"](energy / 25.5)[:, :3])
    assert np.abs(energy_to_pixel(energy) - grey).max() < 0.003  # half of one colour


def test_tensors_and_arrays_give_the_same():
    energy = np.linspace(0, 26, 500, dtype=np.float32)
    assert np.allclose(energy_to_pixel(torch.as_tensor(energy)).numpy(), energy_to_pixel(energy))


# Canvas


def test_reduction_equals_skimage(rng):
    transform = pytest.importorskip("skimage.transform")
    picture = rng.random(PICTURE)
    reference = transform.rescale(picture[CROP], 0.3, mode="constant", anti_aliasing=False)
    assert reference.shape == IMAGE_SHAPE
    assert np.allclose(reduce_picture(picture), reference, atol=1e-6)
    assert np.allclose(reduce_picture(picture[CROP]), reference, atol=1e-6)


@pytest.mark.parametrize("duration", VIEWS)
def test_canvas_weights_are_averages_inside_the_view(duration):
    canvas = view_canvas(duration)
    assert np.allclose(canvas.rows.sum(axis=1), 1)
    assert np.allclose(canvas.columns.sum(axis=0), 1)
    assert np.abs(canvas.grid.times).max() <= duration / 2
    assert canvas.grid.frequencies.min() >= 10
    assert canvas.grid.frequencies.max() < 2048
    assert np.allclose(canvas.rows @ canvas.grid.frequencies, row_frequencies(), rtol=0.04)
    assert np.allclose(canvas.grid.times @ canvas.columns, column_times(duration), atol=0.003)


def test_rows_not_computed_stay_unknown():
    canvas = view_canvas(1.0)
    energy = torch.ones(1, len(canvas.grid.frequencies), len(canvas.grid.times))
    energy[:, torch.as_tensor(canvas.grid.frequencies > 300)] = torch.nan
    rows_known = ~canvas.image(energy)[0].isnan().all(dim=1).numpy()
    assert np.array_equal(rows_known, np.sort(rows_known)[::-1])
    assert row_frequencies()[rows_known].max() == pytest.approx(300, rel=0.04)
    assert canvas.image(energy)[0][rows_known].isfinite().all()


# Physics


@pytest.mark.parametrize("offset", [-0.1, 0.0, 0.2])
def test_sine_gaussian_is_brightest_at_its_time_and_frequency(rng, offset):
    strain = noise(16, rng) + sine_gaussian(8.3 + offset, 500.0, 5e-22, 16, q=20)
    made = images_at(source_of((START, strain)), [START + 8.3])
    assert made.peak_frequency[0] == pytest.approx(500, rel=0.1)
    for view, image in zip(VIEWS, made.images[0].astype(float), strict=True):
        peak = np.nan_to_num(image) >= np.nanmax(image) - 1e-3
        frequency = np.exp(np.log(row_frequencies())[peak.any(axis=1)].mean())
        time = column_times(view)[peak.any(axis=0)].mean()
        assert frequency == pytest.approx(500, rel=0.1)
        assert time == pytest.approx(offset, abs=0.004 + view / 170)


def test_noise_has_the_energies_of_noise(rng):
    made = images_at(source_of((START, noise(16, rng))), [START + 8])
    energies = made.images[0, 3].astype(float)
    assert np.nanmedian(energies) == pytest.approx(1.0, abs=0.25)
    # Energies over their median have mean 1 / ln 2 and stay small.
    assert np.nanmean(energies) == pytest.approx(1 / np.log(2), abs=0.3)


def test_snr_of_an_image_is_the_injected_one(rng):
    wave = sine_gaussian(8.0, 200.0, 1.0, 16, q=8)
    strain = noise(16, rng)
    density = 2 * 1e-44 / RATE
    expected = 30.0
    wave *= expected / np.sqrt(2 * np.sum(wave**2) / RATE / density)
    made = images_at(source_of((START, strain + wave)), [START + 8])
    assert made.snr[0] == pytest.approx(expected, rel=0.15)


def test_tile_snr_of_average_noise_is_zero():
    assert tile_snr(np.array([1 / np.log(2), 0.0])).tolist() == pytest.approx([0.0, 0.0], abs=1e-3)


# Blocks and statuses


def test_block_starts_on_the_nearest_whole_second(rng):
    block = cut_block(source_of((START, noise(32, rng))), START + 16.7, QUICK)
    assert block.status is Status.OK
    assert block.strain.start == START + round(16.7 - 4)
    assert len(block.strain.values) == 8 * RATE


@pytest.mark.parametrize(("gps", "start"), [(2.5, 0.0), (13.4, 8.0)])
def test_block_moves_inside_the_data(rng, gps, start):
    block = cut_block(source_of((START, noise(16, rng))), START + gps, QUICK)
    assert block.status is Status.OK
    assert block.strain.start == START + start


def test_block_is_shortened_to_whole_seconds(rng):
    block = cut_block(source_of((START + 0.25, noise(7.4, rng))), START + 4, QUICK)
    assert (block.status, block.flags) == (Status.OK, "short_block")
    assert block.strain.duration == 7


@pytest.mark.parametrize(
    ("gps", "status"),
    [
        (-1.0, Status.OUTSIDE_DATA),
        (103.0, Status.GAP),  # a stretch of 5 s, shorter than the shortest block
        (60.0, Status.OUTSIDE_DATA),
        (20.0, Status.NAN_IN_BLOCK),  # itself missing
        (34.0, Status.NAN_IN_BLOCK),  # 3 s between missing samples
        (1.5, Status.EDGE_OF_SEGMENT),
        (16.5, Status.EDGE_OF_SEGMENT),  # 1.5 s before missing samples
        (205.0, Status.ZERO_PSD),
        (10.0, Status.OK),
        (303.5, Status.OK),  # of 7 s, which is a remark
    ],
)
def test_every_status_is_reached(rng, gps, status):
    holed = noise(36, rng)
    holed[round(18 * RATE) : round(33 * RATE)] = np.nan
    source = source_of(
        (START, holed),
        (START + 100, noise(5, rng)),
        (START + 200, np.full(round(10 * RATE), 1e-20)),
        (START + 300, noise(7, rng)),
    )
    made = images_at(source, [START + gps])
    assert made.status[0] == status
    assert made.flags[0] == ("short_block" if gps == 303.5 else "")
    assert made.usable[0] == np.isfinite(made.images[0, :, 0]).all()
    assert made.usable[0] == np.isfinite(made.snr[0])
    assert np.isnan(made.images[0]).all() != made.usable[0]


def test_partly_dead_data_are_no_image(rng):
    strain = noise(8, rng)
    strain[: round(6.5 * RATE)] = 0
    made = images_at(source_of((START, strain)), [START + 4])
    assert made.status[0] == Status.ZERO_PSD
    assert np.isnan(made.images).all()


def test_full_band_is_ok_and_says_so(rng):
    source = source_of((START, noise(8, rng, rate=8192.0)), rate=8192.0)
    made = images_at(source, [START + 4], IMAGING["light"])
    assert made.status[0] == Status.OK
    assert made.f_max[0] == 2048
    assert np.isfinite(made.images).all()


def test_band_follows_the_rate_and_is_said(rng):
    made = images_at(source_of((START, noise(8, rng))), [START + 4])
    rows = np.isfinite(made.images[0, 0, :, 0])
    assert made.f_max[0] < 1024
    assert row_frequencies()[rows].max() <= made.f_max[0] * 1.02
    assert row_frequencies()[~rows].min() >= made.f_max[0] * 0.95


def test_strain_above_the_rate_is_resampled_down(rng):
    fast = noise(8, rng, rate=4096.0)
    made = images_at(source_of((START, fast), rate=4096.0), [START + 4])
    slow = images_at(source_of((START, noise(8, rng))), [START + 4])
    assert made.f_max[0] == slow.f_max[0]


# Batches


def test_an_image_does_not_depend_on_its_batch(rng):
    source = source_of((START, noise(40, rng)), (START + 100, noise(7, rng)))
    gps = [START + 30.2, START - 5, START + 103.1, START + 8.9, START + 20.5]
    together = images_at(source, gps)
    alone = images_at(source, gps, batch_size=1)
    assert list(together.gps) == gps
    assert list(together.status) == list(alone.status)
    assert np.allclose(together.images, alone.images, atol=0.02, equal_nan=True)


def test_limits_of_a_search_limit_no_picture(rng):
    source = source_of((START, rng.standard_normal(int(16 * RATE))))
    limited = source.limited_to(segmentlist([segment(START + 7, START + 9)]), "flag")
    (free,) = make_spectrograms(source, at_times([START + 8.0], "H1"), QUICK)
    (bound,) = make_spectrograms(limited, at_times([START + 8.0], "H1"), QUICK)
    assert bound.status.tolist() == free.status.tolist()
    np.testing.assert_array_equal(bound.images, free.images)


def test_triggers_of_another_detector_are_refused(rng):
    made = make_spectrograms(source_of((START, noise(8, rng))), at_times([START + 4], "L1"), QUICK)
    with pytest.raises(InputError, match="expected H1; found L1"):
        next(made)


def test_no_triggers_no_sets(rng):
    assert (
        list(make_spectrograms(source_of((START, noise(8, rng))), at_times([], "H1"), QUICK)) == []
    )


def test_what_a_trigger_knows_is_kept(rng):
    triggers = dataclasses.replace(
        at_times([START + 4], "H1"), snr=np.array([42.0]), label=np.array(["Blip"], dtype=object)
    )
    made = next(make_spectrograms(source_of((START, noise(8, rng))), triggers, QUICK))
    assert made.snr[0] == 42
    assert np.isfinite(made.peak_frequency[0])
    assert made.label[0] == "Blip"


def test_set_survives_the_disk(rng, tmp_path):
    made = images_at(source_of((START, noise(8, rng))), [START + 4, START - 9])
    made.write(tmp_path / "set.h5")
    read = SpectrogramSet.read(tmp_path / "set.h5")
    assert np.array_equal(read.images, made.images, equal_nan=True)
    assert list(read.status) == list(made.status)
    assert read.imaging["name"] == "quick"


def test_images_of_another_shape_are_refused():
    made = dict.fromkeys(
        ["gps", "snr", "peak_frequency", "q", "duration", "bandwidth", "f_max", "block_duration"],
        np.zeros(1),
    )
    with pytest.raises(InputError, match="wrong shape"):
        SpectrogramSet(
            images=np.zeros((1, 4, 64, 64)), event_id=["a"], ifo=["H1"], status=["ok"], **made
        )


# Real data


@pytest.mark.data
def test_gw150914_equals_gwpy_and_matplotlib(real_data, tmp_path):
    """The official recipe, drawn and cut as Gravity Spy does, against the canvas."""
    gwpy = pytest.importorskip("gwpy.timeseries")
    file = real_data / "strain/gwosc/H-H1_LOSC_16_V2-1126259446-32.hdf5"
    gps, duration = 1126259462.42, 1.0
    source = open_strain([file])
    block = source.read(1126259446.0, 1126259478.0)
    own = image_strain([block], [gps], IMAGING["gravity-spy"]).views[0, VIEWS.index(duration)]
    series = gwpy.TimeSeries(block.values, t0=block.start, sample_rate=block.sample_rate)
    official = official_picture(
        series.q_transform(
            qrange=(4, 64),
            frange=(10, 2048),
            gps=gps,
            search=0.5,
            tres=0.002,
            fres=0.5,
            outseg=(gps - duration / 2, gps + duration / 2),
            whiten=True,
        ),
        tmp_path / "picture.png",
    )
    # The picture's 8 bits per colour cost up to 0.0018.
    assert np.abs(energy_to_pixel(own)[::-1] - official).max() < 0.0025
    assert np.abs(own[::-1] - pixel_to_energy(official)).max() < 0.1


def official_picture(spectrogram, path):
    """Gravity Spy's drawing, cut and reduction, with gwpy, matplotlib and skimage."""
    import matplotlib as mpl

    mpl.use("agg")
    from matplotlib import pyplot
    from mpl_toolkits.axes_grid1 import make_axes_locatable
    from skimage import color, io, transform

    figure = spectrogram.plot(figsize=[8, 6])
    axes = figure.gca()
    axes.set_position([0.125, 0.1, 0.775, 0.8])
    axes.set_yscale("log", base=2)
    axes.set_xscale("linear")
    axes.grid(False)
    axes.set_ylim(10, 2048)
    bar = make_axes_locatable(axes).append_axes("right", size="5%", pad="3%")
    figure.colorbar(cax=bar, cmap="viridis", clim=(0, 25.5))
    figure.savefig(path, dpi=100)
    pyplot.close(figure)
    grey = color.rgb2gray(io.imread(path)[66:532, 105:671, :3])
    return transform.rescale(grey, 0.3, mode="constant", anti_aliasing=False)


@pytest.mark.data
def test_labelled_glitches_are_imaged(real_data):
    """A low-frequency blip at its time, and a trigger at the edge that says so."""
    file = real_data / "strain/labelled/L-L1_GW190512_180714_2048HZ-1241719632-24.hdf5"
    made = images_at(open_strain([file]), [1241719640.42, 1241719656.213], IMAGING["light"])
    assert list(made.status) == [Status.OK, Status.EDGE_OF_SEGMENT]
    assert made.snr[0] > 7.5
    columns = np.nanmax(made.images[0, 3].astype(float), axis=0)
    bright = column_times(4.0)[columns > 20]
    assert np.abs(bright).max() < 0.1


def test_images_alone_make_a_set(rng):
    images = 30 * rng.random((3, len(VIEWS), *IMAGE_SHAPE))
    images[1, :, 100:] = np.nan
    made = SpectrogramSet.of_images(images, label=np.array(["Blip", "", "Tomte"], dtype=object))
    assert made.usable.all()
    assert list(made.event_id) == ["0", "1", "2"]
    assert np.nanmax(made.images) == np.float16(25.5)
    np.testing.assert_allclose(made.images, np.minimum(images, 25.5), rtol=1e-3, atol=1e-6)
    assert np.isnan(made.gps).all()


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ((1, 0, 5, 7), np.nan),
        ((1, slice(None), slice(3)), np.nan),
        ((1, 0, 5), np.inf),
        ((1, 2, 3, 4), -1e-3),
        ((1, 2), np.nan),
        ((1,), np.nan),
    ],
)
def test_a_row_that_is_no_image_is_named(place, value, rng):
    images = rng.random((3, len(VIEWS), *IMAGE_SHAPE))
    images[place] = value
    with pytest.raises(InputError, match=r"row 1 is not an image of a glitch.*1 such rows"):
        SpectrogramSet.of_images(images)


@pytest.mark.parametrize("shape", [(0, 4, 140, 170), (2, 4, 70, 85), (4, 140, 170), (3,)])
def test_another_shape_is_no_image_of_a_glitch(shape):
    with pytest.raises(
        InputError, match=r"the array is not one of images of glitches.*\('N', 4, 140, 170\)"
    ):
        SpectrogramSet.of_images(np.zeros(shape))

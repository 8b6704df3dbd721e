"""The Q engine against gwpy, and against what a Q-transform must do."""

import warnings

import numpy as np
import pytest
import torch
from gwpy.segments import Segment
from gwpy.signal.qtransform import QTiling
from gwpy.timeseries import TimeSeries
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.interpolate import InterpolatedUnivariateSpline, RectBivariateSpline

from glitchvae.errors import InputError
from glitchvae.qtransform import Grid, Tiling, scan, tile_energies, usable_band
from glitchvae.qtransform.medians import MEDIANS, row_medians
from glitchvae.qtransform.splines import (
    MARGIN,
    FrequencySpline,
    evaluate_spline,
    spline_coefficients,
)

SHORT = Tiling(duration=8.0, sample_rate=1024.0)


def gwpy_tiling(tiling):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return QTiling(
            tiling.duration, tiling.sample_rate, tiling.qrange, tiling.frange, tiling.mismatch
        )


def sine_gaussian(tiling, time, frequency, q, amplitude):
    t = np.arange(tiling.samples) / tiling.sample_rate
    phase = 2 * np.pi * frequency * (t - time)
    return amplitude * np.exp(-((phase / q) ** 2)) * np.cos(phase)


def image_grid(tiling, width=1.0):
    return Grid(
        times=np.linspace(-width / 2, width / 2, 101),
        frequencies=np.geomspace(*tiling.band, 120),
    )


def centres(*values):
    return torch.tensor(values, dtype=torch.float64)


# -- the tiling --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "tiling",
    [
        Tiling(duration=8.0, sample_rate=4096.0),
        Tiling(duration=64.0, sample_rate=16384.0),
        Tiling(duration=24.0, sample_rate=1024.0),
        Tiling(duration=11.5, sample_rate=2048.0, qrange=(6, 110), frange=(20, 500)),
        Tiling(duration=16.0, sample_rate=8192.0, mismatch=0.3),
    ],
    ids=lambda t: f"{t.duration:g}s-{t.sample_rate:g}Hz",
)
def test_tiling_is_that_of_gwpy(tiling):
    reference = list(gwpy_tiling(tiling))
    assert [plane.q for plane in tiling.planes] == [plane.q for plane in reference]
    for plane, expected in zip(tiling.planes, reference, strict=True):
        rows = list(expected)
        np.testing.assert_array_equal(plane.frequencies, expected.frequencies)
        np.testing.assert_array_equal(plane.tiles, [row.ntiles for row in rows])
        np.testing.assert_array_equal(plane.starts, [row.get_data_indices()[0] for row in rows])
        for window, row in zip(plane.windows, rows, strict=True):
            np.testing.assert_array_equal(window, row.get_window().astype(np.float32))


def test_gravity_spy_tiling_has_its_published_planes():
    planes = Tiling(duration=64.0, sample_rate=16384.0).planes
    np.testing.assert_allclose([p.q for p in planes], [5.657, 11.314, 22.627, 45.255], rtol=1e-4)
    assert [len(p.tiles) for p in planes] == [31, 59, 117, 234]


def test_equal_tilings_share_their_planes():
    assert Tiling(duration=8.0, sample_rate=1024.0).planes is SHORT.planes


@pytest.mark.parametrize(("rate", "highest"), [(4096.0, 1291.1), (1024.0, 322.8), (16384.0, 2048)])
def test_usable_band_follows_from_the_rate(rate, highest):
    low, high = usable_band(rate)
    assert low == 10.0
    assert high == pytest.approx(highest, abs=0.1)
    assert high == gwpy_tiling(Tiling(duration=8.0, sample_rate=rate)).frange[1]


@pytest.mark.parametrize(
    "ranges",
    [{"qrange": (2, 64)}, {"qrange": (64, 4)}, {"frange": (0, 100)}, {"frange": (400, 500)}],
)
def test_unusable_ranges_are_refused(ranges):
    with pytest.raises(InputError):
        usable_band(1024.0, **ranges)


def test_a_block_too_short_for_a_spline_is_refused():
    with pytest.raises(InputError, match="too short"):
        _ = Tiling(duration=0.5, sample_rate=1024.0).planes


# -- energies ----------------------------------------------------------------------------


@pytest.mark.parametrize("norm", ["median", "mean", None])
@pytest.mark.parametrize("plane", [0, 3])
def test_energies_equal_gwpy(rng, norm, plane):
    values = rng.standard_normal((2, SHORT.samples)).astype(np.float32)
    rows = tile_energies(torch.from_numpy(values), SHORT, plane=plane, norm=norm)
    reference = list(gwpy_tiling(SHORT))[plane]
    for event, raw in enumerate(values):
        series = TimeSeries(raw.astype(float), sample_rate=SHORT.sample_rate)
        expected = reference.transform(series.fft(), norm=norm or False, epoch=0).energies
        for row, energy in zip(rows, expected, strict=True):
            assert row.shape == (2, len(energy))
            np.testing.assert_allclose(
                row[event], energy.value, rtol=1e-4, atol=1e-5 * energy.value.max()
            )


def test_mean_energy_of_white_noise_does_not_depend_on_the_row(rng):
    whitened = torch.from_numpy(rng.standard_normal((40, SHORT.samples)).astype(np.float32))
    for plane in range(4):
        means = torch.stack(
            [e.mean() for e in tile_energies(whitened, SHORT, plane=plane, norm=None)]
        )
        assert (means / means.mean() - 1).abs().max() < 0.2


def test_energy_is_quadratic_in_amplitude(rng):
    whitened = torch.from_numpy(rng.standard_normal((1, SHORT.samples)).astype(np.float32))
    once, twice = (tile_energies(k * whitened, SHORT, plane=1, norm=None) for k in (1, 2))
    for a, b in zip(once, twice, strict=True):
        torch.testing.assert_close(b, 4 * a)


@pytest.mark.parametrize("count", [4, 32, 1024, 1026, 2048, 12288])
@pytest.mark.parametrize(
    "draw",
    [
        lambda rng, size: rng.exponential(size=size),
        lambda rng, size: rng.integers(0, 3, size),
        lambda rng, size: np.sort(np.exp(rng.normal(0.0, 10.0, size))),
        lambda rng, size: (
            np.sin(np.arange(size[-1]) * 2 * np.pi / round(size[-1] ** (1 / 3)))
            + rng.normal(0.0, 1e-3, size)
        ),  # a period equal to the sample's step, so that it misses
        lambda rng, size: np.where(rng.random(size) < 0.5, 0.0, 1.0),
        lambda rng, size: np.full(size, np.nan),
    ],
    ids=["energies", "ties", "ordered", "periodic", "two values", "nothing"],
)
def test_medians_on_a_cpu_are_those_of_numpy(rng, count, draw):
    values = draw(rng, (3, 5, count)).astype(np.float32)
    kept = values.copy()
    found = row_medians(torch.from_numpy(values))
    np.testing.assert_array_equal(found, np.median(values, axis=-1))
    np.testing.assert_array_equal(values, kept)


@pytest.mark.parametrize("way", sorted(MEDIANS))
@pytest.mark.parametrize("count", [2, 4, 62, 1024, 8192])
@pytest.mark.parametrize(
    "draw",
    [
        lambda rng, size: rng.exponential(size=size),
        lambda rng, size: rng.integers(0, 3, size),  # many equal values, also in the middle
        lambda rng, size: np.exp(rng.normal(0.0, 10.0, size)),
        lambda rng, size: np.zeros(size),
    ],
    ids=["energies", "ties", "decades", "nothing"],
)
def test_every_way_to_a_median_is_exact(cuda, rng, way, count, draw):
    values = torch.from_numpy(draw(rng, (3, 7, count + 4)).astype(np.float32))[..., 2:-2]
    found = row_medians(values.to(cuda), way)
    assert found.device == cuda
    np.testing.assert_array_equal(found.cpu(), np.median(values, axis=-1))


def test_wrong_blocks_and_norms_are_refused():
    with pytest.raises(InputError, match="another length"):
        tile_energies(torch.ones(1, 100), SHORT, plane=0)
    with pytest.raises(InputError, match="norm"):
        tile_energies(torch.ones(1, SHORT.samples), SHORT, plane=0, norm="maximum")


# -- splines -----------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(length=st.integers(4, 120), seed=st.integers(0, 2**16))
def test_time_spline_is_that_of_fitpack(length, seed):
    rng = np.random.default_rng(seed)
    values = rng.standard_normal((2, 3, length))
    at = np.sort(rng.uniform(-0.5, length - 0.5, (2, 17)))
    coefficients = spline_coefficients(torch.from_numpy(values))
    found = evaluate_spline(coefficients, torch.from_numpy(at)).numpy()
    for b in range(2):
        for r in range(3):
            reference = InterpolatedUnivariateSpline(np.arange(length), values[b, r])
            np.testing.assert_allclose(found[b, :, r], reference(at[b]), atol=1e-7)


def test_a_stretch_without_ends_has_the_spline_of_its_row(rng):
    row = torch.from_numpy(rng.standard_normal((2, 3, 400)))
    at = torch.from_numpy(np.sort(rng.uniform(MARGIN, 200 - MARGIN, (2, 30))))
    stretch = spline_coefficients(row[..., 100:300], ends=False)
    whole = evaluate_spline(spline_coefficients(row), at + 100)
    torch.testing.assert_close(evaluate_spline(stretch, at), whole, rtol=0, atol=1e-7)


@settings(max_examples=20, deadline=None)
@given(count=st.integers(4, 40), seed=st.integers(0, 2**16))
def test_frequency_spline_is_that_of_fitpack(count, seed):
    rng = np.random.default_rng(seed)
    knots = np.cumsum(rng.uniform(0.5, 2, count))
    values = rng.standard_normal((count, 6))
    at = np.linspace(knots[0] - 1, knots[-1] + 1, 50)
    band = (knots[0] - 0.5, knots[-1] + 0.5)
    found = FrequencySpline.through(knots, at, band)(torch.from_numpy(values[None]).float())[0]
    expected = RectBivariateSpline(knots, np.arange(6), values)(at, np.arange(6))
    inside = (at >= band[0]) & (at <= band[1])
    assert found.isnan().any(-1).numpy().tolist() == (~inside).tolist()
    np.testing.assert_allclose(found[inside], expected[inside], atol=2e-4)


# -- the scan ----------------------------------------------------------------------------


@pytest.mark.parametrize(("frequency", "q", "plane"), [(500, 6, 0), (120, 12, 1), (60, 45, 3)])
def test_a_sine_gaussian_peaks_at_its_frequency_time_and_q(rng, frequency, q, plane):
    tiling = Tiling(duration=8.0, sample_rate=4096.0)
    signal = sine_gaussian(tiling, 4.2, frequency, q, 4.0)
    whitened = torch.from_numpy(rng.standard_normal(tiling.samples) + signal)[None].float()
    found = scan(whitened, tiling, centre=centres(4.25), grids=[image_grid(tiling)])
    bandwidth = 2 * np.sqrt(np.pi) * frequency / q
    assert found.q.item() == tiling.planes[plane].q
    assert abs(found.peak_frequency.item() - frequency) < bandwidth / 4
    assert abs(found.peak_time.item() - 4.2) < q / (2 * np.pi * frequency)
    loudest = np.unravel_index(int(found.views[0][0].argmax()), found.views[0].shape[1:])
    grid = image_grid(tiling)
    assert abs(grid.frequencies[loudest[0]] - frequency) < bandwidth / 4
    assert abs(grid.times[loudest[1]] + 0.05) < q / (2 * np.pi * frequency) + 0.01


@pytest.mark.parametrize("centre", [4.0, 2.01, 5.9])
def test_scan_equals_gwpy(rng, centre):
    signal = sine_gaussian(SHORT, centre + 0.05, 90, 15, 3.0)
    values = (rng.standard_normal(SHORT.samples) + signal).astype(np.float32)
    times = np.arange(-1, 1, 0.002)
    frequencies = np.arange(*SHORT.band, 0.5)
    found = scan(
        torch.from_numpy(values)[None],
        SHORT,
        centre=centres(centre),
        grids=[Grid(times=times, frequencies=frequencies)],
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        expected = TimeSeries(values.astype(float), sample_rate=1024).q_transform(
            qrange=(4, 64),
            frange=(10, 2048),
            gps=centre,
            search=0.5,
            whiten=False,
            tres=0.002,
            fres=0.5,
            outseg=Segment(centre - 1, centre + 1),
        )
    image = found.views[0][0].numpy()
    assert found.q.item() == expected.q
    assert image.shape == expected.value.T.shape
    assert np.median(np.abs(image / expected.value.T - 1)) < 1e-5
    assert np.abs(image - expected.value.T).max() < 1e-4 * expected.value.max()


def test_an_event_does_not_depend_on_its_batch(rng):
    loud = sine_gaussian(SHORT, 4.0, 100, 40, 50.0)
    values = rng.standard_normal((3, SHORT.samples)) + np.stack([loud * 0, loud, loud * 0])
    whitened, centre = torch.from_numpy(values).float(), centres(4.0, 4.0, 3.5)
    together = scan(whitened, SHORT, centre=centre, grids=[image_grid(SHORT)])
    for event in range(3):
        one = slice(event, event + 1)
        alone = scan(whitened[one], SHORT, centre=centre[one], grids=[image_grid(SHORT)])
        assert together.q[event] == alone.q[0]
        torch.testing.assert_close(together.views[0][event], alone.views[0][0])


def test_amplitude_of_the_data_does_not_matter(rng):
    whitened = torch.from_numpy(rng.standard_normal((1, SHORT.samples))).float()
    a, b = (
        scan(k * whitened, SHORT, centre=centres(4.0), grids=[image_grid(SHORT)]) for k in (1, 64)
    )
    assert a.q == b.q
    torch.testing.assert_close(a.views[0], b.views[0])


def test_only_the_search_window_chooses_the_plane(rng):
    far = sine_gaussian(SHORT, 6.0, 100, 45, 30.0)
    near = sine_gaussian(SHORT, 4.0, 100, 5, 5.0)
    whitened = torch.from_numpy(rng.standard_normal(SHORT.samples) + near + far)[None].float()
    near_first = scan(whitened, SHORT, centre=centres(4.0), grids=[])
    far_first = scan(whitened, SHORT, centre=centres(6.0), grids=[])
    assert near_first.q < far_first.q
    assert near_first.peak_time.item() == pytest.approx(4.0, abs=0.25)
    assert far_first.peak_time.item() == pytest.approx(6.0, abs=0.25)


def test_frequencies_above_the_band_and_times_outside_the_block_are_nan(rng):
    whitened = torch.from_numpy(rng.standard_normal((1, SHORT.samples))).float()
    grid = Grid(times=np.array([-1.5, 0.0, 1.0]), frequencies=np.array([5.0, 10, 100, 322, 324]))
    image = scan(whitened, SHORT, centre=centres(1.0), grids=[grid]).views[0][0]
    nan = [True, False, False]
    assert image.isnan().tolist() == [[True] * 3, nan, nan, nan, [True] * 3]


def test_trim_leaves_the_quiet_ends_out_of_the_medians(rng):
    values = rng.standard_normal((1, SHORT.samples)).astype(np.float32)
    quiet = values.copy()
    quiet[:, :1024] *= 1e-3
    quiet[:, -1024:] *= 1e-3
    options = {"centre": centres(4.0), "grids": [image_grid(SHORT)]}
    reference = scan(torch.from_numpy(values), SHORT, **options, trim=1.5).views[0]
    trimmed = scan(torch.from_numpy(quiet), SHORT, **options, trim=1.5).views[0]
    whole = scan(torch.from_numpy(quiet), SHORT, **options).views[0]
    high = slice(60, None)
    assert trimmed[0, high].mean() == pytest.approx(reference[0, high].mean().item(), rel=0.05)
    assert whole[0, high].mean() > 1.3 * trimmed[0, high].mean()


def test_rows_that_are_not_finite_or_empty_come_out_nan(rng):
    values = rng.standard_normal((3, SHORT.samples))
    values[0, 5] = np.nan
    values[2] = 0.0
    found = scan(
        torch.from_numpy(values).float(), SHORT, centre=centres(4, 4, 4), grids=[image_grid(SHORT)]
    )
    assert found.q.isnan().tolist() == [True, False, True]
    assert found.peak_energy.isnan().tolist() == [True, False, True]
    assert found.views[0].isnan().flatten(1).all(1).tolist() == [True, False, True]
    assert not found.views[0][1].isnan().any()


def test_a_centre_outside_the_block_is_refused():
    with pytest.raises(InputError, match="outside its block"):
        scan(torch.ones(1, SHORT.samples), SHORT, centre=centres(9.0), grids=[])

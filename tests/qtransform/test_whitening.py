"""Whitening against gwpy and scipy, and what whitening means."""

import numpy as np
import pytest
import scipy.signal
import torch
from gwpy.timeseries import TimeSeries
from hypothesis import given, settings
from hypothesis import strategies as st

from glitchvae.errors import InputError
from glitchvae.qtransform.whitening import psd, resample, whiten
from glitchvae.strain import open_strain


def coloured(rng, count, samples):
    """Noise whose spectrum falls steeply, at the scale of strain."""
    steps = rng.standard_normal((count, samples))
    return 1e-21 * scipy.signal.lfilter([1.0], [1.0, -0.98], steps, axis=-1)


def whiten_by_gwpy(values, sample_rate, start=0.0):
    series = TimeSeries(values, sample_rate=sample_rate, t0=start)
    asd = series.asd(2, 1, method="median", window="hann")
    return series.whiten(asd=asd, fduration=2).value


@pytest.mark.parametrize(
    ("duration", "sample_rate"), [(8, 4096), (24, 1024), (9.5, 2048), (17.3, 1000), (40, 512)]
)
def test_equals_gwpy_on_coloured_noise(rng, duration, sample_rate):
    values = coloured(rng, 2, round(duration * sample_rate))
    whitened = whiten(torch.from_numpy(values), sample_rate)
    assert whitened.dtype == torch.float32
    for row, raw in zip(whitened.numpy(), values, strict=True):
        np.testing.assert_allclose(row, whiten_by_gwpy(raw, sample_rate), atol=2e-6)


@pytest.mark.data
@pytest.mark.parametrize(
    "name",
    [
        "gwosc/L-L1_LOSC_4_V2-1126259446-32.hdf5",
        "gwosc/H-H1_LOSC_16_V2-1126259446-32.hdf5",
        "labelled/L-L1_GW190512_180714_2048HZ-1241719632-24.hdf5",
    ],
)
def test_equals_gwpy_on_real_strain(real_data, name):
    source = open_strain([real_data / "strain" / name])
    strain = source.read(*source.segments[0])
    whitened = whiten(torch.from_numpy(strain.values[None]), strain.sample_rate)[0].numpy()
    expected = whiten_by_gwpy(strain.values, strain.sample_rate, strain.start)
    np.testing.assert_allclose(whitened, expected, atol=1e-6 * np.abs(expected).max())


@pytest.mark.parametrize("segments", [4, 7, 8])
def test_psd_equals_scipy(rng, segments):
    values = coloured(rng, 3, 512 * (segments + 1))
    _, expected = scipy.signal.welch(
        values, 512, window="hann", nperseg=1024, noverlap=512, average="median"
    )
    np.testing.assert_allclose(psd(torch.from_numpy(values), 512).numpy(), expected, rtol=1e-10)


def test_white_output_has_unit_variance_and_flat_spectrum(rng):
    sample_rate = 1024
    whitened = whiten(torch.from_numpy(coloured(rng, 4, 64 * sample_rate)), sample_rate)
    inner = whitened[:, sample_rate:-sample_rate].double()
    assert inner.std().item() == pytest.approx(1.0, abs=0.03)
    assert abs(inner.mean().item()) < 0.01
    spectrum = psd(inner, sample_rate).mean(0)[40:-40] * sample_rate / 2
    low, high = spectrum[: len(spectrum) // 2], spectrum[len(spectrum) // 2 :]
    assert low.mean().item() == pytest.approx(high.mean().item(), rel=0.03)


@settings(max_examples=15, deadline=None)
@given(
    exponent=st.integers(-23, 3),
    offset=st.floats(-10, 10),
    seed=st.integers(0, 2**16),
)
def test_scale_and_offset_of_strain_do_not_matter(exponent, offset, seed):
    values = np.random.default_rng(seed).standard_normal((1, 4096))
    reference = whiten(torch.from_numpy(values), 512)
    scaled = whiten(torch.from_numpy((values + offset) * 10.0**exponent), 512)
    torch.testing.assert_close(scaled, reference, atol=1e-4, rtol=0)


def test_rows_without_noise_are_nan_and_leave_the_others(rng):
    good = coloured(rng, 1, 8192)[0]
    gap = good.copy()
    gap[5000:5003] = np.nan
    last = good.copy()
    last[-1] = np.inf
    rows = [good, np.zeros(8192), np.full(8192, 3.3e-21), gap, last, np.repeat(good[0], 8192)]
    whitened = whiten(torch.from_numpy(np.stack(rows)), 1024)
    assert whitened.isnan().all(-1).tolist() == [False, True, True, True, True, True]
    alone = whiten(torch.from_numpy(good[None]), 1024)[0]
    torch.testing.assert_close(whitened[0], alone, atol=1e-6, rtol=0)


def test_input_is_left_as_it_was(rng):
    values = torch.from_numpy(coloured(rng, 1, 8192))
    before = values.clone()
    whiten(values, 1024)
    assert torch.equal(values, before)


@pytest.mark.parametrize("samples", [100, 1500])
def test_a_block_shorter_than_its_spectrum_is_refused(samples):
    with pytest.raises(InputError, match="block"):
        whiten(torch.ones(1, samples), 1024)


@pytest.mark.parametrize("rate", [1024, 2048, 1500])
def test_resampling_equals_gwpy(rng, rate):
    values = coloured(rng, 2, 4096 * 4)
    resampled = resample(values, 4096, rate)
    for row, raw in zip(resampled, values, strict=True):
        expected = TimeSeries(raw, sample_rate=4096).resample(rate).value
        np.testing.assert_allclose(row, expected, rtol=1e-12, atol=1e-30)


def test_resampling_keeps_the_rate_and_never_raises_it(rng):
    values = rng.standard_normal(4096)
    assert resample(values, 4096, 4096) is values
    with pytest.raises(InputError, match="higher rate"):
        resample(values, 4096, 8192)

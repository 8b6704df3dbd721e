"""Whitening of strain as gwpy does it, for many blocks at once, on CPU or GPU.

The steps are those of `gwpy.timeseries.TimeSeries.whiten` (gwpy 4): a median-averaged
noise spectrum, its inverse truncated to a short filter (arXiv:gr-qc/0509116), and one
convolution. Everything that touches raw strain is done in float64, because strain has
a range of ten orders of magnitude between its lines and its floor.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import scipy.signal
import torch
from numpy.typing import NDArray
from scipy.fft import next_fast_len
from torch import Tensor

from glitchvae.errors import InputError
from glitchvae.qtransform.fourier import irfft, rfft
from glitchvae.threads import run

_TAPER_BINS = 5  # bins by which gwpy's filter design tapers either end of the transfer function


def psd(
    values: Tensor, sample_rate: float, *, fftlength: float = 2.0, overlap: float = 1.0
) -> Tensor:
    """One-sided power spectral density, median-averaged over Hann-windowed segments.

    Equal to `scipy.signal.welch(..., window="hann", average="median")`, which is what
    gwpy's `method="median"` calls.

    Args:
        values: Samples (B, T).
        sample_rate: Hz.
        fftlength: Length of a segment in seconds.
        overlap: Overlap of neighbouring segments in seconds.

    Returns:
        Density (B, fftlength * sample_rate / 2 + 1) in units of `values` squared per Hz.

    Raises:
        InputError: the block is shorter than one segment.
    """
    length = round(fftlength * sample_rate)
    step = length - round(overlap * sample_rate)
    if step <= 0 or values.shape[-1] < length:
        raise InputError(
            "the block cannot hold one segment of the noise spectrum",
            expected=f"at least {fftlength:g} s, overlapping by less than that",
            found=f"{values.shape[-1] / sample_rate:g} s, overlapping by {overlap:g} s",
        )
    window = torch.hann_window(length, dtype=values.dtype, device=values.device)
    segments = values.unfold(-1, length, step)
    segments = (segments - segments.mean(-1, keepdim=True)) * window
    spectra = torch.fft.rfft(segments)
    power = spectra.real**2 + spectra.imag**2
    density = _median(power, dim=-2)
    density[..., 1 : (length + 1) // 2] *= 2
    return density / (sample_rate * window.square().sum() * _median_bias(power.shape[-2]))


def whiten(
    values: Tensor,
    sample_rate: float,
    *,
    fftlength: float = 2.0,
    overlap: float = 1.0,
    fduration: float = 2.0,
) -> Tensor:
    """Blocks of strain divided by their own amplitude spectrum.

    Stationary Gaussian noise comes out with zero mean and unit variance. The first and
    the last `fduration / 2` seconds are tapered and not to be trusted.

    Args:
        values: Strain (B, T); computed in float64 whatever its dtype.
        sample_rate: Hz.
        fftlength: Length of the averaged periodograms (s).
        overlap: Overlap of those periodograms (s).
        fduration: Length of the whitening filter (s).

    Returns:
        Whitened strain (B, T) in float32. A row that has nothing to whiten by (a
        sample that is not finite, constant data, a spectrum with a zero) is NaN
        throughout and leaves the other rows untouched.

    Raises:
        InputError: the block is shorter than one periodogram or than the filter.
    """
    taps = int(fduration * sample_rate)
    if taps < 2 or taps % 2 or values.shape[-1] < max(taps, 4 * _TAPER_BINS):
        raise InputError(
            "the block does not fit the whitening filter",
            expected=f"at least {fduration:g} s, an even number of samples per filter",
            found=f"{values.shape[-1]} samples and {taps} taps",
        )

    whitened = torch.empty_like(values, dtype=torch.float32)

    def whiten_rows(part: slice) -> None:
        rows = values[part].to(torch.float64)
        density = psd(rows, sample_rate, fftlength=fftlength, overlap=overlap)
        usable = _has_noise(rows, density, sample_rate)[:, None]
        asd = density.masked_fill(~usable, 1.0).sqrt()
        impulse = _impulse_response(asd, rows.shape[-1], fftlength * sample_rate, taps)
        filtered = _convolve(_condition(rows, taps), impulse * np.sqrt(2 / sample_rate))
        whitened[part] = filtered.masked_fill_(~usable, torch.nan)

    # One block at a time on the CPU: its intermediates outgrow a cache soon enough.
    size = 1 if values.device.type == "cpu" else max(1, len(values))
    parts = [slice(first, first + size) for first in range(0, len(values), size)]
    run(whiten_rows, parts, values.device)
    return whitened


def resample(values: NDArray[np.float64], sample_rate: float, rate: float) -> NDArray[np.float64]:
    """Resample (..., T) down to `rate`, as gwpy's `TimeSeries.resample` does.

    Integer factors pass a zero-phase FIR filter, others a Hamming-windowed Fourier
    transform. Data already at `rate` are returned as they are.

    Raises:
        InputError: `rate` is above `sample_rate`: images are never made from invented bands.
    """
    factor = sample_rate / rate
    if np.isclose(factor, 1.0, rtol=1e-9, atol=0.0):
        return values
    if factor < 1:
        raise InputError(
            "strain is never resampled to a higher rate",
            expected=f"a rate of at most {sample_rate:g} Hz",
            found=f"{rate:g} Hz",
        )
    if float(factor).is_integer():
        return scipy.signal.decimate(values, int(factor), ftype="fir", axis=-1, zero_phase=True)
    count = int(values.shape[-1] / factor)
    return np.asarray(scipy.signal.resample(values, count, axis=-1, window="hamming"))


def _has_noise(values: Tensor, density: Tensor, sample_rate: float) -> Tensor:
    """(B,) whether samples are finite and the spectrum is above the rounding of float64."""
    largest = values.abs().amax(-1)
    rounding = (torch.finfo(values.dtype).eps * largest).square() / sample_rate
    return largest.isfinite() & (density > 0).all(-1) & (density.amax(-1) > rounding)


def _impulse_response(asd: Tensor, samples: int, bins: float, taps: int) -> Tensor:
    """Inverse of `asd` as a filter (B, taps) centred on element taps / 2.

    `gwpy.signal.filter_design.fir_from_transfer` after `FrequencySeries.interpolate`.

    Args:
        asd: Amplitude spectral density (B, F) at multiples of sample_rate / bins.
        samples: Length of the data, whose resolution the transfer function takes.
        bins: Samples per periodogram.
        taps: Length of the filter, even.
    """
    size = round((asd.shape[-1] - 1) * samples / bins + 1)
    position = torch.arange(size, dtype=asd.dtype, device=asd.device) * (bins / samples)
    left = position.long().clamp(max=asd.shape[-1] - 2)
    weight = (position - left).clamp(max=1.0)
    transfer = 1 / torch.lerp(asd[:, left], asd[:, left + 1], weight)
    taper = torch.hann_window(2 * _TAPER_BINS, periodic=False, dtype=asd.dtype, device=asd.device)
    transfer[:, :_TAPER_BINS] *= taper[:_TAPER_BINS]
    transfer[:, -_TAPER_BINS:] *= taper[_TAPER_BINS:]
    impulse = irfft(transfer)
    half = taps // 2
    centred = torch.cat((impulse[:, -half:], impulse[:, :half]), dim=-1)
    return centred * torch.hann_window(taps, dtype=asd.dtype, device=asd.device)


def _condition(values: Tensor, taps: int) -> Tensor:
    """Subtract the mean and taper half a filter length at both ends."""
    half = taps // 2
    window = torch.hann_window(taps, dtype=values.dtype, device=values.device)
    conditioned = values - values.mean(-1, keepdim=True)
    conditioned[:, :half] *= window[:half]
    conditioned[:, -half:] *= window[-half:]
    return conditioned


def _convolve(values: Tensor, impulse: Tensor) -> Tensor:
    """Linear convolution (B, T) with a filter centred on its middle element.

    Overlap-save: pieces of a fixed length that fits the processor's cache are
    multiplied in the frequency domain, and only their uncorrupted middle is kept.
    """
    samples, half = values.shape[-1], impulse.shape[-1] // 2
    whole = int(next_fast_len(samples + 2 * half))  # pyright: ignore[reportArgumentType]
    size = min(8 * half, whole)
    step = size - 2 * half
    pieces = -(-samples // step)
    padded = torch.nn.functional.pad(values, (half, pieces * step - samples + half))
    filtered = rfft(padded.unfold(-1, size, step))
    filtered *= rfft(impulse, n=size)[:, None]
    # The filter's centre is element `half`: element i of a piece holds sample i - 2 * half.
    kept = irfft(filtered, n=size)[..., 2 * half :]
    return kept.reshape(len(values), -1)[:, :samples]


def _median(values: Tensor, dim: int) -> Tensor:
    """Median that, unlike torch's, averages the two middle values of an even number."""
    if values.device.type == "cpu":  # numpy sorts along outer axes six times faster
        ordered = torch.from_numpy(np.sort(values.numpy(), axis=dim))
    else:
        ordered = values.sort(dim=dim).values
    count = values.shape[dim]
    return ordered.narrow(dim, (count - 1) // 2, 2 - count % 2).mean(dim)


@lru_cache(maxsize=32)
def _median_bias(count: int) -> float:
    """Ratio of median to mean of `count` chi-squared values (arXiv:gr-qc/0509116, app. B)."""
    even = 2.0 * np.arange(1, (count - 1) // 2 + 1)
    return float(1 + np.sum(1 / (even + 1) - 1 / even))

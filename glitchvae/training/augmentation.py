"""Augmentation: small changes of images that do not change their meaning, for the encoder only."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import torch
from pydantic import Field, PositiveFloat
from torch import Tensor

from glitchvae.config import Settings
from glitchvae.objectives import Batch
from glitchvae.shapes import AXIS_FREQUENCIES, ENERGY_CEILING, VIEWS
from glitchvae.spectrogram.canvas import zoom_weights

NOISE_ENERGY = 3.0
"""Energy over the median that 1 in 8 tiles of Gaussian noise exceed: exp(-3 ln 2)."""

Range = tuple[PositiveFloat, PositiveFloat]


class Augmentation(Settings):
    """Small changes of the images that the encoder sees; the loss uses unchanged images.

    The loss asks for every event as it is: in its place, as bright, all rows, all views.
    What the changes took or added is no part of the event, and the code learns to leave
    it out.

    Attributes:
        time_shift: Each event moves by a time uniform within plus or minus this many
            seconds, the same in its views, rounded to pixels; what leaves on one side
            enters on the other. Zero keeps them in place.
        band_limit: Share of events whose upper rows are hidden above a frequency uniform
            in log f, as if their strain had a lower sample rate, so that the codes of one
            glitch at 16, 4, 2 and 1 kHz come to lie together.
        lowest_limit: Lowest frequency at which `band_limit` cuts (Hz); strain at 1024 Hz
            reaches 323 Hz.
        gain: Range of a factor, uniform in its logarithm, on all energies of an event.
            Pictures published before gwpy normalised by medians are darker by up to ln 2.
        loudness: Range of a factor, uniform in its logarithm, on what an event's energies
            exceed the noise by: the same glitch at another SNR.
        hidden_view: Share of events of which views are missing.
        most_hidden: Most views that are missing of one of them; every set of views up to this
            number is as likely. At least one view stays.
        zoomed_views: Share of events whose shorter views are zoomed out of a longer one, which
            blurs them, as in sets that were published as one view: the 2, 1 and 0.5 s views
            out of that of 4 s, the shortest two out of that of 2 s, or the shortest out of
            that of 1 s, each as likely. A model of half the resolution in time sees out of
            the 2 s view what a picture of full resolution has in that of 4 s.
        other_noise: Share of events whose noise is replaced by that of one of the quietest
            events of the batch. The noise of an image is as good as a fingerprint: a model
            that is to tell events apart would look at nothing else.
        noise_class: Class whose events lend their noise instead, those of them that have all
            rows. The quietest events of a batch may well be faint glitches, and lend those.
        positive_pairs: Whether each event is shown twice, changed in two ways: for objectives that
            compare the two codes.
    """

    time_shift: float = Field(default=0.01, ge=0)
    band_limit: float = Field(default=0.3, ge=0, le=1)
    lowest_limit: float = Field(default=300.0, gt=0)
    gain: Range = (0.65, 1.0)
    loudness: Range = (1.0, 1.0)
    hidden_view: float = Field(default=0.0, ge=0, le=1)
    most_hidden: int = Field(default=1, ge=1)
    zoomed_views: float = Field(default=0.0, ge=0, le=1)
    other_noise: float = Field(default=0.0, ge=0, le=1)
    noise_class: str = ""
    positive_pairs: bool = False


def augmented(
    batch: Batch,
    augmentation: Augmentation,
    rng: np.random.Generator,
    *,
    noise: Tensor | None = None,
) -> Batch:
    """Augment the input of a batch and, if needed, its positive pair: see `Augmentation`.

    Args:
        batch: Events as they are.
        augmentation: What changes.
        rng: Draws the changes.
        noise: Input (L, views + 1, F, T) of events that lend their noise; those of the batch
            unless given.
    """
    x = change(batch.x, augmentation, rng, noise=noise)
    positive = None
    if augmentation.positive_pairs:
        positive = change(batch.x, augmentation, rng, noise=noise)
    return batch._replace(x=x, positive=positive)


def change(
    x: Tensor,
    augmentation: Augmentation,
    rng: np.random.Generator,
    *,
    noise: Tensor | None = None,
) -> Tensor:
    """Change every event of an input (B, views + 1, F, T) in its own way."""
    count, views = len(x), x.shape[1] - 1
    if augmentation.other_noise:
        noisy = rng.random(count) < augmentation.other_noise
        x = replace_noise(x, _on(x, noisy), rng, noise=noise)
    shifts = rng.uniform(-augmentation.time_shift, augmentation.time_shift, count)
    rows = _kept_rows(count, x.shape[2], augmentation, rng)
    gain, loudness = (
        _factors(span, count, rng) for span in (augmentation.gain, augmentation.loudness)
    )
    missing = _on(x, _hidden_views(count, views, augmentation, rng))
    if augmentation.time_shift:
        x = shift_time(x, shifts)
    if augmentation.loudness != (1, 1):
        x = amplify(x, _on(x, loudness))
    if augmentation.gain != (1, 1):
        x = dim(x, _on(x, gain))
    if augmentation.zoomed_views:
        sources = rng.integers(1, views, count) if views > 1 else np.zeros(count, np.int64)
        zoomed = rng.random(count) < augmentation.zoomed_views
        x = zoom(x, np.where(zoomed, sources, 0))
    unseen = torch.arange(x.shape[2], device=x.device) >= _on(x, rows)[:, None]
    return x.masked_fill(unseen[:, None, :, None] | missing[:, :, None, None], 0.0)


def dim(x: Tensor, gain: Tensor) -> Tensor:
    """Multiply the energies of each event of an input (B, views + 1, F, T) by a gain (B,).

    The input is the root of an energy. Saturated pixels stay: how much energy they hold
    beyond the ceiling is not known. The last channel, the computed band, stays too.
    """
    views = x[:, :-1]
    dimmed = torch.where(views < 1, views * gain.sqrt()[:, None, None, None], views)
    return torch.cat([dimmed, x[:, -1:]], dim=1)


def amplify(x: Tensor, factor: Tensor) -> Tensor:
    """Multiply the energy above the noise in an input (B, views + 1, F, T) by a factor (B,).

    Energies up to `NOISE_ENERGY` stay, and so do saturated pixels.
    """
    views, noise = x[:, :-1], NOISE_ENERGY / ENERGY_CEILING
    excess = (views.square() - noise).clamp_(min=0.0)
    louder = views.square() + (factor[:, None, None, None] - 1) * excess
    changed = torch.where(views < 1, louder.clamp_(max=1.0).sqrt(), views)
    return torch.cat([changed, x[:, -1:]], dim=1)


def replace_noise(
    x: Tensor, chosen: Tensor, rng: np.random.Generator, *, noise: Tensor | None = None
) -> Tensor:
    """Replace the noise of chosen events (B,) of an input (B, views + 1, F, T) by that of others.

    Energies above `NOISE_ENERGY` stay; below, those of another event stand, rolled by a random
    time. The lenders are `noise` (L, views + 1, F, T), with all rows, or else the quietest eighth
    of the batch, of which events without their upper rows lend none.
    """
    views, band = x[:, :-1], x[:, -1:]
    excess = (views.square() - NOISE_ENERGY / ENERGY_CEILING).clamp_(min=0.0)
    if noise is None:
        unlike_noise = excess.mean(dim=(1, 2, 3)) + (1 - band).mean(dim=(1, 2, 3))
        noise = x[unlike_noise.argsort()[: max(1, len(x) // 8)]]
    lent = noise[_on(x, rng.integers(0, len(noise), len(x))), :-1]
    lent = lent.roll(int(rng.integers(x.shape[-1])), dims=-1) * band
    keep = (excess > 0) | ~chosen[:, None, None, None]
    return torch.cat([torch.where(keep, views, lent), band], dim=1)


def shift_time(x: Tensor, seconds: np.ndarray) -> Tensor:
    """Roll each event of an input (B, views + 1, F, T) by its own time (B,), in whole pixels.

    View i spans `VIEWS[i]` seconds, so the same time is eight times as many pixels in the
    first as in the last. The last channel is constant in time and stays.
    """
    views, width = x[:, :-1], x.shape[-1]
    spans = np.resize(VIEWS, views.shape[1])
    pixels = _on(x, np.rint(seconds[:, None] / spans * width).astype(np.int64))
    places = (torch.arange(width, device=x.device) - pixels[:, :, None]) % width
    moved = views.gather(3, places[:, :, None].expand_as(views))
    return torch.cat([moved, x[:, -1:]], dim=1)


def zoom(x: Tensor, sources: np.ndarray) -> Tensor:
    """Cut the shorter views of each event of an input (B, views + 1, F, T) out of a longer one.

    Args:
        x: Input; view i spans `VIEWS[i]` seconds.
        sources: (B,) index of the view that the shorter ones of an event are cut out of; 0
            leaves it as it is.
    """
    zoomed = x.clone()
    for source in np.unique(sources[sources > 0]):
        rows = _on(x, np.flatnonzero(sources == source))
        for target in range(source):
            weights = zoom_weights(VIEWS[source], VIEWS[target], x.shape[-1])
            zoomed[rows, target] = x[rows, source] @ torch.as_tensor(weights, device=x.device)
    return zoomed


def _hidden_views(
    count: int, views: int, augmentation: Augmentation, rng: np.random.Generator
) -> np.ndarray:
    """(B, views + 1) views of each event to hide; never the last channel."""
    chosen = rng.random(count) < augmentation.hidden_view
    most = min(augmentation.most_hidden, max(views - 1, 1))
    sets = [s for n in range(1, most + 1) for s in combinations(range(views), n)]
    drawn = rng.integers(1, len(sets) + 1, count) - 1
    missing = np.zeros((len(sets), views + 1), dtype=bool)
    for row, hidden in enumerate(sets):
        missing[row, list(hidden)] = True
    return missing[drawn] & chosen[:, None]


def _factors(span: Range, count: int, rng: np.random.Generator) -> np.ndarray:
    low, high = np.log(span)
    return np.exp(rng.uniform(low, high, count)).astype(np.float32)


def _on(x: Tensor, values: np.ndarray) -> Tensor:
    return torch.from_numpy(values).to(x.device, non_blocking=True)


def _kept_rows(
    count: int, height: int, augmentation: Augmentation, rng: np.random.Generator
) -> np.ndarray:
    """Number of rows of each event that the encoder sees; for most events all."""
    low, high = np.log(AXIS_FREQUENCIES)
    lowest = height * (np.log(augmentation.lowest_limit) - low) / (high - low)
    limits = rng.uniform(lowest, height, count).astype(np.int64)
    return np.where(rng.random(count) < augmentation.band_limit, limits, height)

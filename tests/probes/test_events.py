"""Labelled events from codes and from images."""

import dataclasses
import logging
from pathlib import Path

import numpy as np
import pytest
import torch

from glitchvae.checkpoint import Checkpoint
from glitchvae.embedding import encode_spectrograms
from glitchvae.errors import InputError
from glitchvae.models import GlitchVAE, GlitchVAESettings, prepare
from glitchvae.probes import ProbeSet, encode_events, join_events, read_codes
from glitchvae.probes.events import pool_images, small_images
from glitchvae.spectrogram import SpectrogramSet
from tests.cards import blank_card


@pytest.fixture(scope="module")
def checkpoint():
    torch.manual_seed(1)
    model = GlitchVAE(GlitchVAESettings(widths=(4, 8, 8, 8), hidden=16, latent_size=6)).eval()
    card = blank_card("glitch", latent_size=6, seed=1)
    return Checkpoint(read=lambda: model, card=card, prototypes=None, digest="d", path=Path("tiny"))


@pytest.fixture
def images(rng):
    """Six events: the second is unusable, the third has no label."""
    count = 6
    numbers = ("snr", "peak_frequency", "q", "duration", "bandwidth", "f_max", "block_duration")
    return SpectrogramSet(
        images=rng.exponential(1.0, (count, 4, 140, 170)).astype(np.float16),
        event_id=[f"e{i}" for i in range(count)],
        ifo=["H1", "L1"] * 3,
        gps=1e9 + np.arange(count),
        status=["ok", "gap", *["ok"] * 4],
        label=["Blip", "Blip", "", "Tomte", "Blip", "Tomte"],
        split=["train"] * 4 + ["test"] * 2,
        **{name: rng.uniform(1, 2, count) for name in numbers},
    )


def test_images_and_their_codes_give_the_same_events(images, checkpoint):
    seen = encode_events([images.take(slice(0, 4)), images.take(slice(4, 6))], checkpoint)
    read = read_codes(encode_spectrograms(images, checkpoint))
    assert list(seen.event_id) == ["e0", "e3", "e4", "e5"]
    assert seen.place.tolist() == [0, 2, 3, 4]
    assert seen.usable == 5
    assert list(seen.split) == ["train", "train", "test", "test"]
    assert seen.pixels is not None
    assert read.pixels is None
    for name in ("event_id", "gps", "ifo", "label", "split", "triggers", "place"):
        np.testing.assert_array_equal(getattr(seen, name), getattr(read, name))
    np.testing.assert_allclose(seen.codes, read.codes, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(seen.triggers[:, 0], images.snr[[0, 3, 4, 5]])


def test_small_images_are_means_of_what_a_model_sees(images):
    small = small_images(images.images).reshape(6, 4, 28, 34)
    x = prepare(torch.from_numpy(images.images))[0].numpy()
    np.testing.assert_allclose(small[2, 1, 3, 4], x[2, 1, 15:20, 20:25].mean(), rtol=1e-5)


def test_events_that_occur_twice_are_kept_once(images, checkpoint, caplog):
    one = encode_events([images], checkpoint)
    other = dataclasses.replace(one, event_id=np.array(["e0", "f1", "f2", "f3"], dtype=object))
    with caplog.at_level(logging.WARNING):
        joined = join_events([one, other])
    assert list(joined.event_id) == ["e0", "e3", "e4", "e5", "f1", "f2", "f3"]
    assert joined.place.tolist() == [0, 2, 3, 4, 7, 8, 9]
    assert joined.usable == 10
    assert "1 events occur more than once" in caplog.text


def test_pixels_stay_only_where_all_have_them(images, checkpoint):
    seen = encode_events([images], checkpoint)
    read = read_codes(encode_spectrograms(images, checkpoint))
    assert join_events([seen, read]).pixels is None


def test_codes_of_several_sizes_are_refused(images, checkpoint):
    one = encode_events([images], checkpoint)
    other = dataclasses.replace(one, codes=one.codes[:, :3])
    with pytest.raises(InputError, match=r"one latent size; found \[3, 6\]"):
        join_events([one, other])


def test_events_without_labels_are_refused(images, checkpoint):
    bare = dataclasses.replace(images, label=None)
    with pytest.raises(InputError, match=r"set\.h5: no labelled event to probe"):
        encode_events([bare], checkpoint, where="set.h5")


def test_pooled_energies_are_means_of_squares_and_keep_gaps(rng):
    images = rng.uniform(0, 25, (2, 4, 140, 170)).astype(np.float16)
    images[1, :, 100:] = np.nan
    pooled = pool_images(images, 10)
    assert pooled.shape == (2, 4, 14, 17)
    expected = images[0, 2, 30:40, 50:60].astype(float).mean()
    assert pooled[0, 2, 3, 5] == pytest.approx(expected, rel=1e-3)
    assert np.isnan(pooled[1, :, 10:]).all()
    assert np.isfinite(pooled[1, :, :10]).all()
    with pytest.raises(InputError, match="a divisor of 140 and 170; found 4"):
        pool_images(images, 4)


def test_codes_of_anything_are_events(rng):
    codes, label = rng.normal(size=(5, 3)), np.array(list("aabba"), dtype=object)
    events = ProbeSet.of_codes(codes, label, gps=np.arange(5.0))
    np.testing.assert_array_equal(events.take(np.array([4, 1])).codes, codes[[4, 1]])
    assert len(set(events.event_id)) == 5
    assert np.isnan(events.triggers).all()
    assert events.pixels is None

"""Sets of images read small, with the blocks of time of their events."""

import numpy as np
import pytest

from glitchvae.errors import InputError
from glitchvae.probes import pool_images, read_pooled
from glitchvae.spectrogram import SpectrogramSet


def write(path, rng, *, split, gps, label=("Blip", "Tomte", "", "Blip")):
    names = ("snr", "peak_frequency", "q", "duration", "bandwidth", "block_duration")
    images = rng.uniform(0, 20, (4, 4, 140, 170))
    SpectrogramSet(
        images=images,
        event_id=list("abcd"),
        gps=gps,
        ifo=["H1"] * 4,
        f_max=np.full(4, 2048.0),
        status=["ok", "ok", "ok", "gap"],
        label=list(label),
        split=list(split),
        **{name: np.full(4, 10.0) for name in names},
    ).write(path)
    return images


def test_usable_labelled_events_are_read_small(rng, tmp_path):
    split, gps = ("train", "test", "test", "test"), [1000.0, np.nan, 1000.0, 1000.0]
    images = write(tmp_path / "set.h5", rng, split=split, gps=gps)
    data, blocks = read_pooled([tmp_path / "set.h5"], pool=10, block=512.0)
    assert list(data.labels) == ["Blip", "Tomte"]
    np.testing.assert_array_equal(blocks, [1.0, -2.0])
    small = pool_images(images[:2], 10)
    found = data.images(slice(None)).numpy()
    np.testing.assert_allclose(found, small, atol=0.06)


def test_a_set_without_test_events_is_refused(rng, tmp_path):
    write(tmp_path / "set.h5", rng, split=["train"] * 4, gps=np.full(4, 1000.0))
    with pytest.raises(InputError, match=r"set\.h5: no test events"):
        read_pooled([tmp_path / "set.h5"], pool=10, block=512.0)

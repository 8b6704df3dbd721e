"""Sets that are read in parts: the same data, in memory or mapped from disk."""

import numpy as np
import pytest
import torch

from glitchvae.dataset import read_images, write_gravity_spy
from glitchvae.errors import InputError, StorageError
from glitchvae.models import GlitchVAESettings, prepare, reduce, restore
from glitchvae.objectives import Annealed
from glitchvae.shapes import IMAGE_SHAPE
from glitchvae.spectrogram import SpectrogramSet
from glitchvae.training import TrainingConfig, TrainingData, read_training_data, resident_limit
from glitchvae.training.trainer import Trainer


def some_set(rng, prefix, count=10, **changes):
    images = rng.exponential(1.0, (count, 4, *IMAGE_SHAPE))
    images[::3, :, 120:] = np.nan
    column = np.arange(count, dtype=float)
    names = ("snr", "peak_frequency", "q", "duration", "bandwidth", "f_max", "block_duration")
    values = {
        "images": images,
        "event_id": [f"{prefix}{i}" for i in range(count)],
        "gps": 1.25e9 + column,
        "ifo": ["H1"] * count,
        **dict.fromkeys(names, column + 1.0),
        "status": ["ok"] * (count - 1) + ["gap"],
        "label": ["Blip", "Tomte"] * (count // 2),
        "split": ["train"] * (count - 3) + ["validation"] * 3,
        "imaging": {"name": prefix},
    }
    return SpectrogramSet(**(values | changes))


@pytest.fixture
def paths(tmp_path, rng):
    some_set(rng, "a").write(tmp_path / "a.h5")
    write_gravity_spy(some_set(rng, "b", f_max=np.full(10, 2048.0)), tmp_path / "b.h5")
    return [tmp_path / "a.h5", tmp_path / "b.h5"]


def whole(paths):
    parts = [TrainingData.from_spectrograms(read_images(p), description=p.name) for p in paths]
    return TrainingData.join(parts)


@pytest.mark.parametrize("limit", [None, 0])
@pytest.mark.parametrize("number", [1, 2])
def test_reading_in_parts_is_reading_at_once(paths, tmp_path, limit, number):
    expected = whole(paths[:number])
    data = read_training_data(paths[:number], limit=limit, folder=tmp_path / "runs")
    assert data.resident == (limit is None)
    assert torch.equal(data.counts, expected.counts)
    assert torch.equal(data.computed, expected.computed)
    for name in ("digest", "imaging", "description", "nbytes"):
        assert getattr(data, name) == getattr(expected, name), name
    assert list(data.labels) == list(expected.labels)
    assert list(data.split) == list(expected.split)


@pytest.mark.parametrize("limit", [None, 0])
def test_images_are_reduced_to_the_shape_of_the_model(paths, tmp_path, limit):
    images = read_images(paths[0])
    full = prepare(torch.from_numpy(images.images[images.usable]))[0]
    data = read_training_data(paths[:1], shape=(70, 85), limit=limit, folder=tmp_path / "runs")
    assert data.counts.shape == (9, 4, 70, 85)
    seen = data.batch(slice(None)).x
    assert torch.equal(seen[:, -1], reduce(full, (70, 85))[:, -1])
    energies, expected = restore(seen[:, :-1]), restore(reduce(full, (70, 85))[:, :-1])
    torch.testing.assert_close(energies, expected, rtol=0, atol=0.06)


def test_a_mapped_file_has_no_name_to_stay_behind(paths, tmp_path):
    data = read_training_data(paths, limit=0, folder=tmp_path / "runs")
    assert isinstance(data.counts.numpy(), np.ndarray)
    assert list((tmp_path / "runs").iterdir()) == []


def test_training_from_disk_gives_the_same_weights(paths, tmp_path):
    model = GlitchVAESettings(image_shape=IMAGE_SHAPE, widths=(4, 4), hidden=8, latent_size=2)
    config = TrainingConfig(
        objective=Annealed(beta0=4, iteration_threshold=50), steps=2, batch_size=4, model=model
    )
    weights = []
    for limit in (None, 0):
        trainer = Trainer(read_training_data(paths, limit=limit, folder=tmp_path), config)
        trainer.advance()
        trainer.advance()
        weights.append(torch.cat([p.flatten() for p in trainer.model.parameters()]))
    assert torch.equal(*weights)


def test_batches_from_disk_reach_a_gpu(cuda, paths, tmp_path):
    data = [read_training_data(paths, limit=limit, folder=tmp_path).to(cuda) for limit in (None, 0)]
    rows = torch.tensor([3, 1], device=cuda)
    assert data[1].counts.device.type == "cpu"
    assert torch.equal(data[0].batch(rows).x, data[1].batch(rows).x)


def test_nothing_usable_is_said_with_the_file(paths, rng):
    some_set(rng, "a", status=["gap"] * 10).write(paths[0])
    with pytest.raises(InputError, match=r"a\.h5: no usable event"):
        read_training_data(paths)


def test_a_disk_that_is_too_small_is_said_before(paths, tmp_path, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 1000}))
    with pytest.raises(StorageError, match="no room for the images"):
        read_training_data(paths, limit=0, folder=tmp_path)


def test_half_of_the_memory_may_be_taken():
    assert 1e8 < resident_limit() < 1e15

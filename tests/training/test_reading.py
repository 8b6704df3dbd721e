"""Sets that are read in parts: the same data, in memory or mapped from disk."""

import numpy as np
import pytest
import torch

from glitchvae.checkpoint import load_checkpoint
from glitchvae.dataset import read_images, write_gravity_spy
from glitchvae.errors import InputError, StorageError
from glitchvae.models import GlitchVAESettings, prepare, reduce, restore
from glitchvae.objectives import Annealed
from glitchvae.shapes import IMAGE_SHAPE
from glitchvae.spectrogram import SpectrogramSet
from glitchvae.training import (
    TrainingConfig,
    TrainingData,
    read_training_data,
    resident_limit,
    train,
)
from glitchvae.training.trainer import Trainer, data_order, training_rows


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


def drawn_from_first(data, steps=700):
    config = TrainingConfig(batch_size=1)
    order = data_order(data, training_rows(data), config, 0, torch.device("cpu"))
    return np.mean([row < 9 for step in range(steps) for row in order(step).tolist()])


def test_sets_have_their_shares_of_a_batch(paths):
    data = read_training_data(paths, shape=(20, 24), shares=[3, 1])
    assert drawn_from_first(data) == pytest.approx(0.75, abs=0.05)
    assert drawn_from_first(read_training_data(paths, shape=(20, 24))) == pytest.approx(0.5)


def test_shares_are_part_of_the_digest_and_of_nothing_else(paths):
    plain = read_training_data(paths, shape=(20, 24))
    none = read_training_data(paths, shape=(20, 24), shares=[None, None])
    weighted = [read_training_data(paths, shape=(20, 24), shares=s) for s in ([3, 1], [1, 3])]
    assert plain.digest == none.digest
    assert none.weights is None
    assert len({plain.digest, *(data.digest for data in weighted)}) == 3
    assert all(torch.equal(data.counts, plain.counts) for data in weighted)


@pytest.mark.parametrize(
    ("shares", "message"),
    [
        ([1.0], "2 shares, in the order of the sets, or none; found 1"),
        ([1.0, None], "found 1"),
        ([1.0, 0.0], r"b\.h5: no share of a batch; expected a number above zero; found 0"),
        ([-1.0, 1.0], r"a\.h5.*found -1"),
        ([np.nan, 1.0], r"a\.h5.*found nan"),
    ],
)
def test_bad_shares_name_their_set(paths, shares, message):
    with pytest.raises(InputError, match=message):
        read_training_data(paths, shares=shares)


def test_events_have_weights_of_their_own(paths):
    data = read_training_data(paths[:1], shape=(20, 24))
    weights = np.full(len(data), 1e-9)
    weights[3] = 1.0
    config = TrainingConfig(batch_size=1)
    heavy = data.weighted(weights)
    order = data_order(heavy, training_rows(heavy), config, 0, torch.device("cpu"))
    assert {int(order(step)[0]) for step in range(30)} == {3}


@pytest.mark.parametrize("weights", [np.ones(2), np.zeros(9), np.full(9, -1.0), np.full(9, np.nan)])
def test_weights_that_are_none_are_refused(paths, weights):
    data = read_training_data(paths[:1], shape=(20, 24))
    with pytest.raises(InputError, match="9 numbers above zero"):
        data.weighted(weights)


def test_joined_sets_keep_their_weights(paths):
    first, second = (read_training_data([path], shape=(20, 24)) for path in paths)
    joined = TrainingData.join([first.weighted(np.full(len(first), 2.0)), second])
    assert joined.weights is not None
    assert joined.weights.tolist() == [2.0] * len(first) + [1.0] * len(second)
    assert TrainingData.join([first, second]).weights is None


def test_a_run_with_shares_resumes_to_the_same_weights(paths, tmp_path, stop_after):
    data = read_training_data(paths, shape=(20, 24), shares=[3, 1])
    model = GlitchVAESettings(image_shape=(20, 24), widths=(4, 8), hidden=16, latent_size=3)
    config = TrainingConfig(steps=12, batch_size=4, save_every=4, model=model)
    train(data, config, tmp_path / "whole")
    with pytest.raises(stop_after.killed):
        train(data, config, tmp_path / "parts", progress=stop_after(6, None))
    train(data, config, tmp_path / "parts", resume=True)
    digests = [load_checkpoint(tmp_path / name).card.weights_digest for name in ("whole", "parts")]
    assert digests[0] == digests[1]

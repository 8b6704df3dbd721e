"""Tasks: sets of images are read part by part."""

from itertools import islice

import numpy as np
import pytest

from glitchvae.archive import create_archive, image_tasks, tasks
from glitchvae.archive.known_classes import job_of
from glitchvae.dataset import read_images, stream_images
from glitchvae.errors import InputError
from glitchvae.shapes import IMAGE_SHAPE
from glitchvae.spectrogram import SpectrogramSet

COUNT, PART = 50, 8


@pytest.fixture
def model(tmp_path, save_untrained):
    return save_untrained(tmp_path / "model")


@pytest.fixture
def path(tmp_path, rng):
    """A set of two detectors, one event of which is there twice, far apart."""
    gps = 1e9 + np.arange(COUNT, dtype=float)
    names = [f"e{n}" for n in range(COUNT)]
    names[-1], gps[-1] = names[0], gps[0]
    columns = ("snr", "peak_frequency", "q", "duration", "bandwidth")
    images = SpectrogramSet(
        images=rng.uniform(0, 20, (COUNT, 4, *IMAGE_SHAPE)),
        event_id=names,
        gps=gps,
        ifo=["H1", "H1", "L1", "H1", "L1"] * (COUNT // 5 - 1) + ["H1"] * 5,
        **{name: rng.uniform(8, 20, COUNT) for name in columns},
        f_max=np.full(COUNT, 2048.0),
        block_duration=np.full(COUNT, 64.0),
        status=["ok"] * COUNT,
    )
    images.write(tmp_path / "set.h5")
    return tmp_path / "set.h5"


def fill(place, path, model):
    """The archive, what came of the set, and the numbers of events that progress was told of."""
    archive = create_archive(place)
    (task,), problems = image_tasks([path])
    assert (task.size, problems) == (COUNT, [])
    job, _ = job_of(model, catalog=archive.own_catalog, uncertainty=False, archive=archive.path)
    told = []
    return archive, task.fill(archive, job, told.append), told


def test_parts_give_what_the_whole_set_gives(tmp_path, path, model, monkeypatch):
    archive, whole, _ = fill(tmp_path / "whole", path, model)
    most = []

    def parts(place):
        for part in stream_images(place, size=PART):
            most.append(len(part))
            yield part

    monkeypatch.setattr(tasks, "stream_images", parts)
    streamed, rows, told = fill(tmp_path / "streamed", path, model)
    assert max(most) == PART
    assert sum(told) == COUNT
    assert rows.known == whole.known == 0
    assert len(rows.rows) == COUNT - 1
    kept, expected = (each.embeddings().sorted() for each in (streamed, archive))
    assert kept.event_id.tolist() == expected.event_id.tolist()
    np.testing.assert_allclose(kept.mean, expected.mean, atol=1e-5)
    # Again: everything is there.
    assert fill(tmp_path / "streamed", path, model)[1].known == COUNT - 1


def test_a_set_that_is_damaged_midway_leaves_its_events_before(tmp_path, path, model, monkeypatch):
    def parts(place):
        yield from islice(stream_images(place, size=PART), 2)
        raise OSError("truncated")

    monkeypatch.setattr(tasks, "stream_images", parts)
    archive, filled, _ = fill(tmp_path / "archive", path, model)
    (problem,) = filled.problems
    assert isinstance(problem, InputError)
    assert problem.where == path
    assert "truncated" in str(problem)
    before = read_images(path).event_id[: 2 * PART].tolist()
    assert sorted(archive.embeddings().event_id) == sorted(before)
    assert len(filled.rows) == 2 * PART


def test_what_is_no_set_is_told_before_any_work(tmp_path, path):
    damaged = tmp_path / "no-set.h5"
    damaged.write_bytes(path.read_bytes()[:3000])
    found, problems = image_tasks([damaged, path])
    assert [task.path for task in found] == [path]
    assert "no-set.h5" in str(problems[0])


def test_an_empty_set_is_no_error(tmp_path, path, model):
    read_images(path).take(np.zeros(COUNT, dtype=bool)).write(tmp_path / "empty.h5")
    (task,), problems = image_tasks([tmp_path / "empty.h5"])
    assert (task.size, problems) == (0, [])
    archive = create_archive(tmp_path / "archive")
    job, _ = job_of(model, catalog=archive.own_catalog, uncertainty=False, archive=archive.path)
    assert task.fill(archive, job, lambda _: None).rows is None
    assert task.plan(job).triggers == 0

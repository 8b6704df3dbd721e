"""Datasets hold what arrays and files hold, in any accepted form, and refuse the rest by name."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
import torch
from click.testing import CliRunner

import glitchvae as gv
from glitchvae.api import datasets
from glitchvae.cli import main
from glitchvae.errors import ConfigError, InputError
from glitchvae.models import prepare
from glitchvae.spectrogram import SpectrogramSet
from glitchvae.validation.images import dsprites as drawing


@pytest.mark.parametrize("kind", [bool, np.uint8, np.float32, np.float64])
@pytest.mark.parametrize("as_tensor", [False, True])
@pytest.mark.parametrize("axis", [False, True])
def test_pictures_of_any_kind_are_the_same_pictures(kind, as_tensor, axis, pictures):
    images = (255 * pictures).astype(np.uint8) if kind is np.uint8 else pictures.astype(kind)
    images = images[:, None] if axis else images
    made = gv.Dataset(torch.from_numpy(images) if as_tensor else images)
    assert (len(made), made.shape, made.kind) == (240, (1, 16, 16), "pictures")
    assert made.inputs().dtype == torch.float32
    np.testing.assert_array_equal(made.inputs()[:, 0].numpy(), pictures)
    stored = made.images[:, 0] / (255 if kind is np.uint8 else 1)
    np.testing.assert_array_equal(stored, pictures)


def test_floats_in_four_views_are_glitches(rng):
    energies = rng.exponential(1.0, (3, 4, 140, 170)).astype(np.float32)
    energies[1, :, 100:] = np.nan
    made = gv.Dataset(energies, labels=["Blip", None, "Tomte"])
    assert (made.kind, made.classes) == ("glitches", ("Blip", "Tomte"))
    np.testing.assert_allclose(made.images, energies.clip(max=25.5), rtol=1e-3, atol=1e-6)
    x = made.inputs()
    assert x.shape == (3, 5, 140, 170)
    assert torch.equal(x, prepare(torch.from_numpy(made.images))[0])
    assert (x[1, 4, 100:] == 0).all()
    assert gv.Dataset(np.zeros((3, 4, 140, 170), np.uint8)).kind == "pictures"


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ([1, 2, 1], ["1", "2", "1"]),
        (np.array([1, 2, 1]), ["1", "2", "1"]),
        (torch.tensor([1, 2, 1]), ["1", "2", "1"]),
        (["a", None, np.nan], ["a", "", ""]),
        (pd.Series(["a", "b", None]), ["a", "b", ""]),
        (pd.Categorical(["b", "a", "b"]), ["b", "a", "b"]),
        ([b"a", b"b", b"a"], ["a", "b", "a"]),
        (None, ["", "", ""]),
    ],
)
def test_labels_are_names_whatever_they_were(labels, expected):
    assert list(gv.Dataset(np.zeros((3, 4, 4)), labels=labels).labels) == expected


def test_some_of_them_keep_what_belongs_to_them(data):
    for rows in (slice(3, 90, 7), np.arange(240) % 5 == 1, [7, 2, 2], -1):
        chosen = np.atleast_1d(np.arange(240)[rows])
        some = data[rows]
        np.testing.assert_array_equal(some.images, data.images[chosen])
        np.testing.assert_array_equal(some.labels, data.labels[chosen])
        np.testing.assert_array_equal(some.split, data.split[chosen])
        np.testing.assert_array_equal(some.factors, data.factors[chosen])
    assert len(list(data[:3])) == 3


def test_the_callers_arrays_stay_the_callers(rng):
    images = rng.random((3, 8, 8)).astype(np.float32)
    made = gv.Dataset(images)
    images[:] = 2
    assert made.images.max() <= 1


def test_torch_loads_images_and_labels(data):
    train, test = data.torch("train"), data.torch("test")
    assert (len(train), len(test)) == (180, 60)
    assert train.classes == test.classes == ("0", "1", "2")
    loader = torch.utils.data.DataLoader(train, batch_size=32)
    images, labels = (torch.cat(parts) for parts in zip(*loader, strict=True))
    rows = data.split == "train"
    np.testing.assert_array_equal(images.numpy(), data.images[rows])
    np.testing.assert_array_equal(labels.numpy(), data.labels[rows].astype(int))
    image, label = train[5]
    assert torch.equal(image, images[5])
    assert label == labels[5]
    assert isinstance(label, int)
    with pytest.raises(IndexError):
        train[180]


def test_a_label_that_is_not_known_is_minus_one():
    made = gv.Dataset(np.zeros((3, 4, 4)), labels=["b", "", "a"])
    assert made.torch().labels.tolist() == [1, -1, 0]


def test_images_of_no_split_are_for_training():
    made = gv.Dataset(np.zeros((3, 4, 4)), split=["", "train", "test"])
    assert len(made.torch("train")) == 2
    with pytest.raises(InputError, match="no image in the split 'validation'"):
        made.torch("validation")


def test_a_summary_counts_by_class_and_split(data, glitches):
    table = data.summary().to_pandas().set_index("class")
    assert table.loc["1", "train"] + table.loc["1", "test"] == 80
    assert "factors x, y, size" in repr(data.summary())
    text = repr(glitches.summary())
    assert "detectors: H1" in text
    assert glitches.summary().to_pandas().drop(columns="class").to_numpy().sum() == 24


def test_a_simulated_set_is_the_one_the_command_writes(glitches, tmp_path):
    path, own = tmp_path / "set.h5", tmp_path / "own.h5"
    command = ["simulate", "dataset", "--count", "24", "--seed", "12", "-o", str(path)]
    done = CliRunner().invoke(main, command)
    assert done.exit_code == 0, done.output
    opened, written = gv.open_dataset(path), gv.simulate_dataset(24, seed=12, output=own)
    for other in (opened, written):
        np.testing.assert_array_equal(other.images, glitches.images)
        np.testing.assert_array_equal(other.labels, glitches.labels)
        np.testing.assert_array_equal(other.event_id, glitches.event_id)
        np.testing.assert_array_equal(other.factors, glitches.factors)
    assert opened.name == "set.h5"
    assert own.read_bytes() == path.read_bytes()


def test_factors_of_glitches_follow_the_events(glitches):
    assert glitches.factor_names == ("snr", "peak_frequency", "q", "duration", "bandwidth")
    assert glitches.factors.shape == (24, 5)
    assert glitches.factors.max() == 7
    assert gv.Dataset(glitches.images).factors is None


def test_events_without_an_image_are_left_out_and_counted(glitches, tmp_path):
    status = glitches.record.status.copy()
    status[3] = "gap"
    dataclasses.replace(glitches.record, status=status).write(tmp_path / "set.h5")
    opened = gv.open_dataset(tmp_path / "set.h5")
    assert len(opened) == 23
    assert "left out: gap 1" in repr(opened.summary())


def test_labels_of_a_file_become_those_of_the_catalogue(glitches, tmp_path):
    label = glitches.labels.copy()
    label[:] = "Blip Low Frequency"
    label[0] = "Mine"
    dataclasses.replace(glitches.record, label=label).write(tmp_path / "set.h5")
    assert gv.open_dataset(tmp_path / "set.h5").classes == ("Blip_Low_Frequency", "Mine")


def test_a_set_beyond_the_memory_is_not_opened(glitches, tmp_path, monkeypatch):
    glitches.record.write(tmp_path / "set.h5")
    monkeypatch.setattr(datasets, "resident_limit", lambda: 1_000_000)
    with pytest.raises(
        InputError, match=r"do not fit in memory.*0\.001 GB.*found 0\.00457 GB.*train"
    ):
        gv.open_dataset(tmp_path / "set.h5")


def test_a_published_set_opens(real_data):
    opened = gv.open_dataset(real_data / "gravityspy" / "real_events.h5")
    assert opened.kind == "glitches"
    assert len(opened) > 50
    assert len(opened.classes) > 10


@pytest.fixture
def few_sprites(monkeypatch):
    drawn = drawing.draw_dsprites().take(slice(0, 737_280, 4001))
    monkeypatch.setattr(drawing, "draw_dsprites", lambda: drawn)
    return drawn


def test_sprites_bring_their_factors(few_sprites):
    made = gv.dsprites()
    assert made.factor_names == ("shape", "scale", "orientation", "x", "y")
    np.testing.assert_array_equal(made.factors, few_sprites.factors)
    np.testing.assert_array_equal(made.images, few_sprites.images())
    some = gv.dsprites(points=50, seed=3)
    expected = few_sprites.sample(50, np.random.default_rng(3))
    np.testing.assert_array_equal(some.factors, expected.factors)
    np.testing.assert_array_equal(some.inputs().numpy(), expected.images())


IMAGES = np.zeros((4, 8, 8))


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: gv.Dataset([]), InputError, r"no pictures; expected an array.*\(0,\)"),
        (lambda: gv.Dataset(None), InputError, "images: the values are not numbers.*NoneType"),
        (lambda: gv.Dataset("set.h5"), InputError, "images: the values are not numbers.*str"),
        (
            lambda: gv.Dataset([[1, 2], [3]]),
            InputError,
            "images: the value is not an array; expected rows of one",
        ),
        (lambda: gv.Dataset(IMAGES[0]), InputError, r"no pictures.*\(8, 8\)"),
        (lambda: gv.Dataset(IMAGES + np.nan), InputError, "not a number in row 0.* NaN"),
        (lambda: gv.Dataset(255 * (IMAGES + 1)), InputError, "range in row 0.*255 to 255"),
        (lambda: gv.Dataset(IMAGES.astype(int)), InputError, "pictures of another type.*int64"),
        (lambda: gv.Dataset(IMAGES * 1j), InputError, "the values are not numbers.*complex128"),
        (lambda: gv.Dataset(np.zeros((0, 8, 8))), InputError, "no pictures"),
        (
            lambda: gv.Dataset(-np.ones((2, 4, 140, 170))),
            InputError,
            "row 0 is not an image of a gl",
        ),
        (
            lambda: gv.Dataset(IMAGES, ["a"]),
            InputError,
            r"labels: the number of values differs.*\(4,\).*\(1,\)",
        ),
        (lambda: gv.Dataset(IMAGES, "abcd"), InputError, "labels: the number of values differs"),
        (lambda: gv.Dataset(IMAGES, split=["valid"] * 4), InputError, r"row 0.*'validation'\?"),
        (
            lambda: gv.Dataset(IMAGES, split="train"),
            InputError,
            "split: the number of values differs",
        ),
        (lambda: gv.Dataset(IMAGES, factors=np.ones((4, 2))), InputError, "not whole numbers"),
        (lambda: gv.Dataset(IMAGES, factors={"x": [-1] * 4}), InputError, "from -1"),
        (lambda: gv.Dataset(IMAGES, factors={"x": [1]}), InputError, r"columns \(4,\).*\(1,\)"),
        (lambda: gv.Dataset(IMAGES, factors={}), InputError, "factors have the wrong shape"),
        (lambda: gv.Dataset(IMAGES, factors=[1] * 4), InputError, r"\(4, K\); found \(4,\)"),
        (lambda: gv.Dataset(IMAGES)[np.zeros(3, bool)], InputError, r"a mask \(4,\)"),
        (
            lambda: gv.Dataset(IMAGES)[[9]],
            InputError,
            "the selection of rows is not valid.*9 is out of bounds",
        ),
        (lambda: gv.Dataset(IMAGES)["train"], InputError, "the selection of rows is not valid"),
        (lambda: gv.Dataset(IMAGES).torch("valid"), InputError, r"did you mean 'validation'\?"),
        (lambda: gv.Dataset(IMAGES).torch(3), InputError, "unknown split 3"),
        (lambda: gv.Dataset(IMAGES).torch("test"), InputError, "no image in the split 'test'"),
        (lambda: gv.open_dataset("/nowhere.h5"), InputError, "/nowhere.h5: no such file"),
        (lambda: gv.open_dataset(None), InputError, "path: the value is not a path.*None"),
        (lambda: gv.simulate_dataset(0, seed=1), ConfigError, "count.*greater than or equal to 1"),
        (lambda: gv.simulate_dataset(2.5, seed=1), ConfigError, "count.*fractional"),
        (lambda: gv.simulate_dataset(2, seed=-1), ConfigError, "seed"),
        (lambda: gv.simulate_dataset(2, seed=1, balance="x"), InputError, "the balance is unknown"),
        (lambda: gv.simulate_dataset(2, seed=1, imaging="lite"), ConfigError, r"'light'\?"),
        (
            lambda: gv.simulate_dataset(2, seed=1, ifos="X1"),
            InputError,
            "X1: the noise curve is unknown",
        ),
        (lambda: gv.simulate_dataset(2, seed=1, ifos=()), ConfigError, "ifos"),
        (lambda: gv.simulate_dataset(2, seed=1, ifos=3), ConfigError, "ifos"),
        (lambda: gv.simulate_dataset(2, seed=1, device="gpu"), ConfigError, "the device 'gpu'"),
        (lambda: gv.dsprites(points=0), ConfigError, "points"),
        (lambda: gv.dsprites("/nowhere.npz"), InputError, "no such file"),
        (lambda: gv.chairs("/nowhere"), InputError, "the folder holds no chairs"),
    ],
)
def test_bad_input_is_named(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_whatever_holds_spectrograms_is_a_dataset(glitches):
    class Holder:
        spectrograms = glitches.record

    for held in (glitches.record, Holder()):
        assert isinstance(datasets.spectrograms_of(held), SpectrogramSet)
        np.testing.assert_array_equal(datasets.as_dataset(held).gps, glitches.gps)


def test_arrays_in_a_file_are_no_set_and_the_way_to_use_them_is_told(tmp_path):
    np.savez(tmp_path / "mine.npz", images=IMAGES)
    with pytest.raises(InputError, match=r"mine.npz: arrays of numpy.*gv\.train\(array\)"):
        gv.open_dataset(tmp_path / "mine.npz")

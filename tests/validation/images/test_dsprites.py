"""dSprites: drawn as published, and the published file read."""

import zipfile

import numpy as np
import pytest

from glitchvae.errors import InputError
from glitchvae.validation.images import dsprites
from glitchvae.validation.images.dsprites import (
    COUNT,
    SIZES,
    VALUES,
    draw_dsprites,
    ellipse,
    heart,
    place,
    read_dsprites,
    square,
)
from glitchvae.validation.images.factors import FactorData, check_lengths, grid_of
from glitchvae.validation.images.polygons import WIDTH, fill


@pytest.fixture(scope="module")
def drawn():
    return draw_dsprites()


@pytest.mark.data
def test_drawn_images_are_those_published(real_data, drawn):
    with np.load(real_data / "dsprites" / "dsprites_12_official_images.npz") as file:
        images, latents = file["imgs"].astype(bool), file["latents_values"]
    for image, latent in zip(images, latents, strict=True):
        classes = [int(abs(v - x).argmin()) for v, x in zip(VALUES, latent[1:], strict=True)]
        found = drawn.images(np.array([np.ravel_multi_index(classes, SIZES)]))[0, 0]
        assert (found & image).sum() == (found | image).sum(), classes


def test_every_combination_is_there_once_at_one_bit_a_pixel(drawn):
    assert len(drawn) == COUNT == 737_280
    assert drawn.pixels.nbytes == COUNT * 64 * 64 // 8
    assert drawn.shape == (1, 64, 64)
    assert np.array_equal(drawn.factors.T, np.indices(drawn.sizes).reshape(len(SIZES), -1))


def test_areas_are_those_of_the_outlines(drawn, rng):
    rows = rng.choice(COUNT, 3000, replace=False)
    area = drawn.images(rows).sum(axis=(1, 2, 3))
    for shape, outline in enumerate((square(), ellipse(), heart())):
        x, y = outline.T
        exact = abs(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2
        of_shape = drawn.factors[rows, 0] == shape
        scale = VALUES[1][drawn.factors[rows[of_shape], 1]]
        assert (area[of_shape] / scale**2).mean() == pytest.approx(exact, rel=0.01)


def test_a_sprite_moves_right_and_down_with_its_position(drawn):
    rows, columns = np.mgrid[:64, :64] + 0.5
    start = int(np.ravel_multi_index((1, 3, 7, 0, 0), SIZES))
    for step in (np.ravel_multi_index((0, 0, 0, 31, 0), SIZES), 31):
        images = drawn.images(np.array([start, start + step]))[:, 0]
        x, y = ((image * np.array([columns, rows])).sum((1, 2)) / image.sum() for image in images)
        moved = y - x
        expected = (32, 0) if step > 31 else (0, 32)
        assert moved == pytest.approx(expected, abs=0.3)


def test_a_turn_by_pi_leaves_square_and_ellipse_and_turns_the_heart():
    middle = np.array([32.0])
    for outline, same in ((square(), True), (ellipse(), True), (heart(), False)):
        upright, turned = (
            fill(place(outline, 1.0, angle), middle, middle) for angle in (0.0, np.pi)
        )
        assert (upright == turned).all() == same


def inside_by_a_ray_upwards(outline, x, y):
    """Even-odd rule with rays along the other axis than the one that fills rows."""
    odd = np.zeros(x.shape, bool)
    for (ax, ay), (bx, by) in zip(outline, np.roll(outline, -1, axis=0), strict=True):
        spans = (ax <= x) != (bx <= x)
        with np.errstate(divide="ignore", invalid="ignore"):
            height = ay + (x - ax) * (by - ay) / (bx - ax)
        odd ^= spans & (height < y)
    return odd


def test_filling_agrees_with_a_test_of_every_pixel(rng):
    x, y = np.array([30.3, 12.0]), np.array([20.7, 70.0])
    rows, columns = np.mgrid[:WIDTH, :WIDTH] + 0.5
    for outline in (heart(), rng.normal(0, 9, (7, 2))):  # the second crosses itself
        bits = np.unpackbits(fill(outline, x, y), axis=-1).astype(bool)
        for i, j in np.ndindex(2, 2):
            expected = inside_by_a_ray_upwards(outline, columns - x[i], rows - y[j])
            assert (bits[i, j] == expected).all()


def write_npz(path, count=COUNT, dtype=np.uint8, **changes):
    classes = np.hstack([np.zeros((COUNT, 1), np.int64), grid_of(SIZES)])
    arrays = {"imgs": np.zeros((count, 64, 64), dtype), "latents_classes": classes}
    arrays |= changes
    with path.open("wb") as stream:
        np.savez_compressed(stream, **{k: v for k, v in arrays.items() if v is not None})
    return path


@pytest.fixture
def few(monkeypatch):
    """dSprites with two values of each factor, for files that are quickly written."""
    values = tuple(v[:2] for v in VALUES)
    for name, value in {
        "VALUES": values,
        "SIZES": (2,) * 5,
        "COUNT": 32,
        "_LATENTS": (32, 6),
        "_CHUNK": 10,
    }.items():
        monkeypatch.setattr(dsprites, name, value)
    images = np.random.default_rng(0).integers(0, 2, (32, 64, 64), dtype=np.uint8)
    classes = np.hstack([np.zeros((32, 1), np.int64), grid_of((2,) * 5)])
    return {"imgs": images, "latents_classes": classes}


def test_the_published_file_is_read(few, tmp_path):
    read = read_dsprites(write_npz(tmp_path / "a.npz", **few))
    assert (read.images()[:, 0] == few["imgs"]).all()
    assert (read.factors == grid_of((2,) * 5)).all()


def test_the_published_hdf5_is_read(few, tmp_path):
    import h5py

    with h5py.File(tmp_path / "a.hdf5", "w") as file:
        file["imgs"] = few["imgs"]
        file["latents/classes"] = few["latents_classes"]
    assert (read_dsprites(tmp_path / "a.hdf5").images()[:, 0] == few["imgs"]).all()
    with h5py.File(tmp_path / "b.hdf5", "w") as file:
        file["imgs"] = few["imgs"]
    with pytest.raises(InputError, match="no dataset 'latents/classes'"):
        read_dsprites(tmp_path / "b.hdf5")


def test_another_or_partial_file_is_named(few, tmp_path):
    cases = [
        ({"imgs": None}, "no array 'imgs'.*latents_classes"),
        ({"imgs": few["imgs"][:12]}, r"'imgs'.*expected shape \(32, 64, 64\).*found.*\(12, 64"),
        ({"imgs": few["imgs"].astype(float)}, "'imgs'.*of uint8; found.*float64"),
        ({"latents_classes": few["latents_classes"][:, 1:]}, r"'latents_classes'.*\(32, 6\)"),
        ({"latents_classes": few["latents_classes"] * 3}, "factors are not those of dSprites"),
        ({"latents_classes": np.array([{}])}, r"'latents_classes'.*found shape \(1,\) of object"),
        ({"imgs": np.asfortranarray(few["imgs"])}, "'imgs' is stored column by column"),
    ]
    for number, (changes, message) in enumerate(cases):
        path = write_npz(tmp_path / f"{number}.npz", **{**few, **changes})
        with pytest.raises(InputError, match=message):
            read_dsprites(path)


def test_a_file_that_is_not_there_is_named(tmp_path):
    for path in (tmp_path / "none.npz", tmp_path):
        with pytest.raises(InputError, match=rf"{path}: no such file"):
            read_dsprites(path)


def test_an_array_that_is_none_is_named(few, tmp_path):
    path = write_npz(tmp_path / "a.npz", latents_classes=few["latents_classes"], imgs=None)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("imgs.npy", b"these are no images")
    with pytest.raises(InputError, match=r"a\.npz: array 'imgs' cannot be read; found"):
        read_dsprites(path)


def test_a_truncated_file_is_named(few, tmp_path):
    whole = write_npz(tmp_path / "whole.npz", **few).read_bytes()
    (tmp_path / "half.npz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"half.npz.*not a readable .npz"):
        read_dsprites(tmp_path / "half.npz")
    damaged = bytearray(whole)
    middle = whole.index(b"imgs.npy") + 6000
    damaged[middle : middle + 500] = bytes(500)
    (tmp_path / "damaged.npz").write_bytes(damaged)
    with pytest.raises(InputError, match=r"damaged.npz: array 'imgs' cannot be read to its end"):
        read_dsprites(tmp_path / "damaged.npz")


def test_the_drawn_set_names_what_it_is(drawn):
    few = drawn.sample(100, np.random.default_rng(0))
    assert len(few) == 100
    assert few.names == ("shape", "scale", "orientation", "x", "y")
    assert few.sizes == SIZES
    assert len(drawn.sample(COUNT + 1, np.random.default_rng(0))) == COUNT


def test_lengths_that_differ_are_named():
    with pytest.raises(InputError, match=r"codes.*3.*factors.*4"):
        check_lengths("here", codes=3, factors=4)
    with pytest.raises(InputError, match=r"images.*factors"):
        FactorData(
            name="x",
            pixels=np.zeros((2, 1, 4, 4), np.uint8),
            binary=False,
            factors=np.zeros((3, 0), np.int64),
            names=(),
            values=(),
            description="",
        )

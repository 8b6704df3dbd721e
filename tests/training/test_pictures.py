"""Pictures for training: bits, bytes and floats that come back as they were."""

import numpy as np
import pytest
import torch

from glitchvae.errors import InputError
from glitchvae.models import ImageVAE, ImageVAESettings
from glitchvae.training import Augmentation, PictureData
from glitchvae.training.step import in_range


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 5, 7), (1, 1, 1), (2, 64, 64)])
def test_black_and_white_comes_back_bit_by_bit(shape, rng):
    images = rng.random((11, *shape)) > 0.5
    data = PictureData.from_images(images)
    rows = torch.tensor([10, 0, 3])
    assert data.images(rows).dtype == torch.float32
    assert np.array_equal(data.images(rows).numpy(), images[rows.numpy()])
    assert data.nbytes == 11 * -(-np.prod(shape) // 8)


def test_bytes_and_floats_come_back(rng):
    grey = rng.integers(0, 256, (4, 1, 6, 5), dtype=np.uint8)
    data = PictureData.from_images(grey)
    np.testing.assert_allclose(data.images(slice(None)).numpy(), grey / 255, atol=1e-7)
    assert data.nbytes == grey.nbytes
    fine = rng.random((4, 3, 6, 5))
    data = PictureData.from_images(fine)
    np.testing.assert_allclose(data.images(slice(None)).numpy(), fine, atol=1e-7)


def test_a_batch_explains_itself_and_ignores_changes_of_glitches(pictures):
    rows = torch.tensor([4, 2])
    plain = pictures.batch(rows)
    batch = pictures.training_batch(rows, Augmentation(band_limit=1.0), np.random.default_rng(0))
    assert torch.equal(batch.x, plain.x)
    assert torch.equal(batch.x, batch.target)
    assert batch.valid.all()
    assert len(batch.valid) == 2


def test_the_digest_follows_pixels_shape_and_split(rng):
    images = rng.random((6, 1, 4, 4)) > 0.5
    digests = {
        PictureData.from_images(images).digest,
        PictureData.from_images(~images).digest,
        PictureData.from_images(images.reshape(6, 1, 2, 8)).digest,
        PictureData.from_images(images, split=np.array(["train", "test"] * 3, object)).digest,
    }
    assert len(digests) == 4
    assert PictureData.from_images(images.copy()).digest in digests


def test_the_callers_images_stay_the_callers(rng):
    images = rng.random((3, 1, 4, 4)).astype(np.float32)
    data = PictureData.from_images(images)
    images[:] = 0
    assert data.images(slice(None)).sum() > 0


def test_a_model_for_signed_data_is_given_those(pictures):
    settings = ImageVAESettings(
        image_shape=(1, 32, 32), likelihood="gaussian", data_range=(-1.0, 1.0)
    )
    batch = in_range(pictures.batch(slice(0, 4)), ImageVAE(settings))
    assert set(batch.x.unique().tolist()) == set(batch.target.unique().tolist()) == {-1.0, 1.0}


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((0, 1, 4, 4), bool), r"no pictures"),
        (np.zeros((4, 4), bool), r"\(N, C, H, W\)"),
        (np.zeros((2, 1, 4, 4), np.int64), "int64"),
        (np.full((2, 1, 4, 4), 255.0), r"row 0.*0 to 1.*255"),
        (np.stack([np.zeros((1, 4, 4)), np.full((1, 4, 4), np.nan)]), "row 1.*16 NaN"),
    ],
)
def test_what_is_no_picture_is_named(images, message):
    with pytest.raises(InputError, match=message):
        PictureData.from_images(images, description="x.npz")


def test_pictures_of_one_channel_need_no_axis_for_it(rng):
    images = rng.random((5, 8, 9)) > 0.5
    with_axis = PictureData.from_images(images[:, None])
    assert PictureData.from_images(images).digest == with_axis.digest


@pytest.mark.parametrize("rows", [slice(1, 9, 3), np.array([4, 0]), slice(None, None, -1)])
@pytest.mark.parametrize("kind", [bool, np.uint8, np.float32])
def test_some_of_them_are_those(kind, rows, rng):
    images = (255 * rng.random((11, 2, 5, 7))).astype(np.uint8)
    images = images > 99 if kind is bool else images if kind is np.uint8 else images / 255
    names = np.arange(11).astype(str).astype(object)
    some = PictureData.from_images(images, labels=names).take(rows)
    again = PictureData.from_images(images[rows], labels=names[rows])
    assert some.digest == again.digest
    assert torch.equal(some.images(slice(None)), again.images(slice(None)))
    assert list(some.labels) == list(names[rows])

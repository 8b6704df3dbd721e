"""Sets of images: the layouts they come in, and splits that do not leak."""

from glitchvae.dataset.assembling import SPLITS
from glitchvae.dataset.metadata import add_metadata
from glitchvae.dataset.official import read_gravity_spy, write_gravity_spy
from glitchvae.dataset.pictures import read_picture, read_pictures
from glitchvae.dataset.reading import is_image_set, read_images
from glitchvae.dataset.splitting import shared_blocks, split_at_random, split_by_time_blocks

__all__ = [
    "SPLITS",
    "add_metadata",
    "is_image_set",
    "read_gravity_spy",
    "read_images",
    "read_picture",
    "read_pictures",
    "shared_blocks",
    "split_at_random",
    "split_by_time_blocks",
    "write_gravity_spy",
]

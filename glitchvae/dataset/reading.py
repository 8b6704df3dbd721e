"""Any set of images, told apart by its content."""

from __future__ import annotations

from pathlib import Path

import h5py

from glitchvae.dataset.official import is_gravity_spy, read_gravity_spy
from glitchvae.dataset.pictures import is_picture_folder, read_pictures
from glitchvae.errors import InputError
from glitchvae.spectrogram import SpectrogramSet
from glitchvae.store import schema_of


def is_image_set(path: str | Path) -> bool:
    """Whether `read_images` can read this, by content; never raises for another file."""
    path = Path(path)
    if path.is_dir():
        return is_picture_folder(path)
    if not path.is_file() or not h5py.is_hdf5(path):
        return False
    return schema_of(path) == SpectrogramSet.schema or is_gravity_spy(path)


def read_images(path: str | Path) -> SpectrogramSet:
    """An own Spectrogram set, a Gravity Spy training set or a folder of its pictures.

    Raises:
        InputError: it is none of them, or it is damaged.
    """
    path = Path(path)
    if path.is_dir():
        return read_pictures(path)
    if (schema := schema_of(path)) == SpectrogramSet.schema:
        return SpectrogramSet.read(path)
    if schema is None and is_gravity_spy(path):
        return read_gravity_spy(path)
    raise InputError(
        "no set of images", where=path, found=schema or "another HDF5 layout",
        expected="a Spectrogram set, Gravity Spy's /<label>/<split>/<id>/<view>.png, "
        "or a folder of its pictures",
    )  # fmt: skip

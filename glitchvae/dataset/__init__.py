"""Sets of images: the layouts they come in, and splits that do not leak."""

from glitchvae.dataset.assembling import SPLITS, join_parts
from glitchvae.dataset.describing import BYTES_PER_EVENT, SetSummary, summarise
from glitchvae.dataset.labelling import UNKNOWN_LABEL, name_classes
from glitchvae.dataset.locked import is_locked, read_o3_events
from glitchvae.dataset.merging import merge_sets
from glitchvae.dataset.metadata import add_metadata
from glitchvae.dataset.official import write_gravity_spy
from glitchvae.dataset.pictures import read_picture
from glitchvae.dataset.reading import count_images, is_image_set, read_images, stream_images
from glitchvae.dataset.splitting import (
    empty_splits,
    fold_by_time_blocks,
    published_split,
    shared_blocks,
    split_at_random,
    split_by_time_blocks,
)

__all__ = [
    "BYTES_PER_EVENT",
    "SPLITS",
    "UNKNOWN_LABEL",
    "SetSummary",
    "add_metadata",
    "count_images",
    "empty_splits",
    "fold_by_time_blocks",
    "is_image_set",
    "is_locked",
    "join_parts",
    "merge_sets",
    "name_classes",
    "published_split",
    "read_images",
    "read_o3_events",
    "read_picture",
    "shared_blocks",
    "split_at_random",
    "split_by_time_blocks",
    "stream_images",
    "summarise",
    "write_gravity_spy",
]

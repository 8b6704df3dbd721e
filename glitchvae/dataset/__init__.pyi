from .assembling import SPLITS as SPLITS
from .assembling import join_parts as join_parts
from .describing import BYTES_PER_EVENT as BYTES_PER_EVENT
from .describing import SetSummary as SetSummary
from .describing import summarise as summarise
from .labelling import UNKNOWN_LABEL as UNKNOWN_LABEL
from .labelling import name_classes as name_classes
from .locked import is_locked as is_locked
from .locked import read_o3_events as read_o3_events
from .merging import merge_sets as merge_sets
from .metadata import add_metadata as add_metadata
from .official import write_gravity_spy as write_gravity_spy
from .own_readers import ImageReader as ImageReader
from .pictures import read_picture as read_picture
from .reading import count_images as count_images
from .reading import is_image_set as is_image_set
from .reading import read_images as read_images
from .reading import stream_images as stream_images
from .splitting import empty_splits as empty_splits
from .splitting import fold_by_time_blocks as fold_by_time_blocks
from .splitting import published_split as published_split
from .splitting import shared_blocks as shared_blocks
from .splitting import split_at_random as split_at_random
from .splitting import split_by_time_blocks as split_by_time_blocks

__all__ = [
    "BYTES_PER_EVENT",
    "SPLITS",
    "UNKNOWN_LABEL",
    "ImageReader",
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

"""Glitches and their codes on disk: immutable Parquet parts and an index over them."""

from glitchvae.archive.archive import TOLERANCE, Archive, archive_path, create_archive
from glitchvae.archive.filling import Filled, Job, fill_from_images, fill_from_strain
from glitchvae.archive.gathering import Gathered, checkpoint_of, describe_model, gather
from glitchvae.archive.summary import Summary
from glitchvae.archive.tasks import ImagesTask, StrainTask, Task, image_tasks, strain_tasks

__all__ = [
    "TOLERANCE",
    "Archive",
    "Filled",
    "Gathered",
    "ImagesTask",
    "Job",
    "StrainTask",
    "Summary",
    "Task",
    "archive_path",
    "checkpoint_of",
    "create_archive",
    "describe_model",
    "fill_from_images",
    "fill_from_strain",
    "gather",
    "image_tasks",
    "strain_tasks",
]

"""Glitches and their codes on disk: immutable Parquet parts and an index over them."""

from glitchvae.archive.archive import Archive, archive_path, create_archive
from glitchvae.archive.summary import Summary

__all__ = ["Archive", "Summary", "archive_path", "create_archive"]

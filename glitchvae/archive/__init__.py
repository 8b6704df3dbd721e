"""Glitches and their codes on disk: immutable Parquet parts and an index over them."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

"""Embedding of glitches as codes: the record of embeddings, its computation and storage."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

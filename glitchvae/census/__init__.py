"""A census: years of strain, cut into shards that any number of workers embed and one merges."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

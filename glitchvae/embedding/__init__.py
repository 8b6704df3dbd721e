"""From glitches to codes: the record of embeddings, and how it is made and stored."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

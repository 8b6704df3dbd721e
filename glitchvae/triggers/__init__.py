"""Times and frequencies of glitches: the table `Triggers`, found or read."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

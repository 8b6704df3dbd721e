"""Four views of each trigger, as normalised energy and as Gravity Spy's pixels."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

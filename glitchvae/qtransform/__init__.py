"""The Q-transform of gwpy in batches, on CPU or GPU.

Chatterji et al. 2004 (Class. Quantum Grav. 21, S1809) define the transform;
`gwpy.signal.qtransform` (version 4) is the implementation reproduced here, tile by
tile: `scan` is `TimeSeries.q_transform` for many events at once.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

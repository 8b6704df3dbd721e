"""The Q-transform of gwpy in batches, on CPU or GPU.

Chatterji et al. 2004 (Class. Quantum Grav. 21, S1809) define the transform;
`gwpy.signal.qtransform` (version 4) is the implementation reproduced here, tile by
tile: `scan` is `TimeSeries.q_transform` for many events at once.
"""

from glitchvae.qtransform.energies import tile_energies
from glitchvae.qtransform.frozen import FrozenScan
from glitchvae.qtransform.scan import Grid, Scan, scan
from glitchvae.qtransform.tiling import Plane, Tiling, usable_band

__all__ = ["FrozenScan", "Grid", "Plane", "Scan", "Tiling", "scan", "tile_energies", "usable_band"]

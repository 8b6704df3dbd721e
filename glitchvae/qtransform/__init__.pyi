from .energies import tile_energies as tile_energies
from .frozen import FrozenScan as FrozenScan
from .scanning import Grid as Grid
from .scanning import Scan as Scan
from .scanning import scan as scan
from .tiling import Plane as Plane
from .tiling import Tiling as Tiling
from .tiling import usable_band as usable_band

__all__ = [
    "FrozenScan",
    "Grid",
    "Plane",
    "Scan",
    "Tiling",
    "scan",
    "tile_energies",
    "usable_band",
]

"""Strain: its sources, read slice by slice.

`open_strain` takes files on disk (GWOSC HDF5, gwpy HDF5, GWF), `open_gwosc` open
data by detector and time, `find_strain` a site's own frames. Each returns a
`StrainSource`, whose `read` returns a `Strain`.
"""

from glitchvae.strain.discovery import find_strain, open_gwosc
from glitchvae.strain.gwosc import write_gwosc
from glitchvae.strain.opening import is_strain, open_strain
from glitchvae.strain.series import Strain
from glitchvae.strain.source import StrainSource, Stretch

__all__ = [
    "Strain",
    "StrainSource",
    "Stretch",
    "find_strain",
    "is_strain",
    "open_gwosc",
    "open_strain",
    "write_gwosc",
]

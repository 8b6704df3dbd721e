from .canvas import octaves as octaves
from .canvas import row_frequencies as row_frequencies
from .imaging import image_strain as image_strain
from .imaging import make_spectrograms as make_spectrograms
from .imaging import tile_snr as tile_snr
from .pixels import energy_to_pixel as energy_to_pixel
from .pixels import pixel_to_energy as pixel_to_energy
from .record import ImagedEvents as ImagedEvents
from .record import SpectrogramSet as SpectrogramSet
from .record import damaged as damaged
from .settings import IMAGING as IMAGING
from .settings import ImagingSettings as ImagingSettings
from .settings import imaging_settings as imaging_settings

__all__ = [
    "IMAGING",
    "ImagedEvents",
    "ImagingSettings",
    "SpectrogramSet",
    "damaged",
    "energy_to_pixel",
    "image_strain",
    "imaging_settings",
    "make_spectrograms",
    "octaves",
    "pixel_to_energy",
    "row_frequencies",
    "tile_snr",
]

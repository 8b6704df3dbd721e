"""Four views around each trigger, as normalised energy and as Gravity Spy's pixels."""

from glitchvae.spectrogram.canvas import row_frequencies
from glitchvae.spectrogram.imaging import image_strain, make_spectrograms, tile_snr
from glitchvae.spectrogram.pixels import energy_to_pixel, pixel_to_energy
from glitchvae.spectrogram.record import ImagedEvents, SpectrogramSet
from glitchvae.spectrogram.settings import IMAGING, ImagingSettings, imaging_settings

__all__ = [
    "IMAGING",
    "ImagedEvents",
    "ImagingSettings",
    "SpectrogramSet",
    "energy_to_pixel",
    "image_strain",
    "imaging_settings",
    "make_spectrograms",
    "pixel_to_energy",
    "row_frequencies",
    "tile_snr",
]

"""Four views around each trigger, as normalised energy and as Gravity Spy's pixels."""

from glitchvae.spectrogram.canvas import column_times, row_frequencies
from glitchvae.spectrogram.imaging import image_strain, make_spectrograms, tile_snr
from glitchvae.spectrogram.pixels import (
    energy_to_pixel,
    merged_view,
    pixel_to_energy,
    split_views,
)
from glitchvae.spectrogram.record import ImagedEvents, SpectrogramSet, damaged
from glitchvae.spectrogram.settings import IMAGING, ImagingSettings, imaging_settings

__all__ = [
    "IMAGING",
    "ImagedEvents",
    "ImagingSettings",
    "SpectrogramSet",
    "column_times",
    "damaged",
    "energy_to_pixel",
    "image_strain",
    "imaging_settings",
    "make_spectrograms",
    "merged_view",
    "pixel_to_energy",
    "row_frequencies",
    "split_views",
    "tile_snr",
]

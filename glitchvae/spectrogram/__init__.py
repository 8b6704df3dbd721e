"""Four views around each trigger, as normalised energy and as Gravity Spy's pixels."""

from glitchvae.spectrogram.record import SpectrogramSet
from glitchvae.spectrogram.settings import IMAGING, ImagingSettings, imaging_settings

__all__ = ["IMAGING", "ImagingSettings", "SpectrogramSet", "imaging_settings"]

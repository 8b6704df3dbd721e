"""Progress of commands on stderr."""

from glitchvae.progress import progress_of

__all__ = ["progress_of"]

"""Find, embed, classify and discover classes of glitches in gravitational-wave strain."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("glitchvae")
except PackageNotFoundError:  # a bare checkout that was never installed
    __version__ = "0.0.0+unknown"

__all__ = ["__version__"]

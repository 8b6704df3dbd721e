"""Variational autoencoders by name: settings, a module, distributions out of `forward`."""

from __future__ import annotations

from glitchvae.config import Settings
from glitchvae.errors import ModelError
from glitchvae.models.glitch_vae import GlitchVAE, GlitchVAESettings
from glitchvae.models.preparation import prepare, restore

__all__ = [
    "ARCHITECTURES", "GlitchVAE", "GlitchVAESettings", "architecture_of", "build", "prepare",
    "restore",
]  # fmt: skip

ARCHITECTURES: dict[str, tuple[type[GlitchVAESettings], type[GlitchVAE]]] = {
    "glitch": (GlitchVAESettings, GlitchVAE),
}
"""Name on a model card -> (settings, module built from them)."""


def architecture_of(settings: Settings) -> str:
    """The name under which a model with these settings goes on a card."""
    return next(name for name, (kind, _) in ARCHITECTURES.items() if kind is type(settings))


def build(architecture: str, settings: dict[str, object]) -> GlitchVAE:
    """A model with fresh weights.

    Raises:
        ModelError: no such architecture in this version.
        pydantic.ValidationError: the settings do not fit it.
    """
    if architecture not in ARCHITECTURES:
        raise ModelError(
            "unknown architecture", expected=sorted(ARCHITECTURES), found=architecture,
            remedy="The checkpoint may need a newer glitchvae.",
        )  # fmt: skip
    kind, module = ARCHITECTURES[architecture]
    return module(kind.model_validate(settings))

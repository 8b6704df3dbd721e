"""Variational autoencoders by name: settings, a module, and distributions from `forward`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from glitchvae.config import Settings, nearest, parse
from glitchvae.errors import ConfigError, ModelError
from glitchvae.models.glitch_vae import GlitchVAE, GlitchVAESettings
from glitchvae.models.hierarchy import (
    HIDDEN_WIDTHS,
    LATENT_SIZES,
    HierarchicalVAE,
    HierarchySettings,
)
from glitchvae.models.image_vae import ImageVAE, ImageVAESettings
from glitchvae.models.latents import Latents, standard_normal
from glitchvae.models.learnt_prior import PseudoInputs, log_mixture
from glitchvae.models.likelihood import (
    Likelihood,
    check_range,
    scale_to_range,
    scale_to_unit,
)
from glitchvae.models.model import Model
from glitchvae.models.preparation import enlarge, prepare, reduce, restore
from glitchvae.models.user import (
    UserEncoder,
    UserVAE,
    UserVAESettings,
    build_user,
    complete_user,
    evaluating,
    has_method,
    wrap_encoder,
    wrap_vae,
)
from glitchvae.plugins import registered

__all__ = [
    "ARCHITECTURES",
    "HIDDEN_WIDTHS",
    "LATENT_SIZES",
    "USER",
    "GlitchVAE",
    "GlitchVAESettings",
    "HierarchicalVAE",
    "HierarchySettings",
    "ImageVAE",
    "ImageVAESettings",
    "Latents",
    "Likelihood",
    "Model",
    "PseudoInputs",
    "UserEncoder",
    "UserVAE",
    "UserVAESettings",
    "architecture_of",
    "build",
    "check_range",
    "enlarge",
    "evaluating",
    "has_method",
    "log_mixture",
    "prepare",
    "read_model",
    "reduce",
    "restore",
    "scale_to_range",
    "scale_to_unit",
    "standard_normal",
    "takes_views",
    "wrap_encoder",
    "wrap_vae",
]


USER = "user"
"""Architecture of the user's own network, whose class is named on the card."""


ARCHITECTURES: dict[str, tuple[type[Settings], Callable[..., Model[Any]]]] = {
    "glitch": (GlitchVAESettings, GlitchVAE),
    "image": (ImageVAESettings, ImageVAE),
    "hierarchy": (HierarchySettings, HierarchicalVAE),
    USER: (UserVAESettings, build_user),
}
"""Name on a model card -> (settings, module built from them)."""


def architecture_of(settings: Settings) -> str:
    """Name of the architecture with these settings on a card."""
    return next(name for name, (kind, _) in ARCHITECTURES.items() if kind is type(settings))


def takes_views(model: Model[Any]) -> bool:
    """Whether the input is the views of a glitch, as `prepare` makes it, and not a picture."""
    if isinstance(model, UserVAE):
        return model.settings.takes_views
    return isinstance(model, GlitchVAE) or getattr(model.settings, "network", "") == "glitch"


def build(architecture: str, settings: dict[str, Any]) -> Model[Any]:
    """Make a model with fresh weights.

    Raises:
        ModelError: no such architecture in this version.
        pydantic.ValidationError: the settings do not fit it.
    """
    if architecture not in ARCHITECTURES:
        raise ModelError(
            "unknown architecture",
            expected=sorted(ARCHITECTURES),
            found=architecture,
            remedy="The checkpoint may need a newer glitchvae.",
        )
    kind, module = ARCHITECTURES[architecture]
    return module(kind.model_validate(settings))


def read_model(values: dict[str, Any], *, where: object = None) -> Settings:
    """Settings of the model described by a table of a configuration file.

    Args:
        values: Keys of the settings, and `architecture` ("glitch" where absent; of a network of
            one's own its `module:Class`, or the name of an entry point).
        where: The file, for errors.

    Raises:
        ConfigError: an unknown architecture or key, with the nearest valid name.
    """
    entries = {key: value for key, value in values.items() if key != "architecture"}
    name = str(values.get("architecture", "glitch"))
    if name not in ARCHITECTURES and (":" in name or name in registered("models")):
        entries, name = {"network": name, **entries}, USER
    if name == USER:
        return complete_user(entries, where=where)
    if name not in ARCHITECTURES:
        raise ConfigError(
            f"unknown architecture {name!r}{nearest(name, list(ARCHITECTURES))}",
            where=where,
            remedy="A network of your own is named module:Class.",
        )
    return parse(ARCHITECTURES[name][0], entries, where=where)

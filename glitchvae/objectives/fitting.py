"""Checks of the latent layers for which an objective is defined."""

from __future__ import annotations

from glitchvae.errors import ModelError
from glitchvae.objectives.base import VAE, LikelihoodOn, Objective


def require_one_layer(objective: Objective, model: VAE) -> None:
    """Refuse a hierarchy.

    Raises:
        ModelError: the model has more than one latent layer.
    """
    if len(model.layers) > 1:
        raise ModelError(
            f"the objective {_name(objective)!r} does not fit the model",
            expected="one latent layer",
            found=_describe(model),
            remedy="Hierarchies are trained by dlgm, tc-dlgm or seatbelt.",
        )


def require_hierarchy(objective: Objective, model: VAE, *, one_layer: str) -> None:
    """Refuse a single latent layer, for which the run would have the wrong name.

    Args:
        objective: That is for hierarchies.
        model: To be trained.
        one_layer: Name of the same objective for one layer.

    Raises:
        ModelError: the model has one latent layer.
    """
    if len(model.layers) == 1:
        raise ModelError(
            f"the objective {_name(objective)!r} does not fit the model",
            expected="two latent layers or more",
            found=_describe(model),
            remedy=f"With one layer the objective is {one_layer}. For a hierarchy set "
            'architecture = "hierarchy" of the model, or leave it out.',
        )


def require_likelihood_on(objective: Objective, layers: LikelihoodOn, model: VAE) -> None:
    """Refuse a hierarchy whose decoder depends on other layers.

    Raises:
        ModelError: the model's likelihood is on other layers.
    """
    if _likelihood_on(model) != layers:
        raise ModelError(
            f"the objective {_name(objective)!r} does not fit the model",
            expected=f'likelihood_on = "{layers}"',
            found=_describe(model),
            remedy="Change likelihood_on of the model (all: seatbelt; first: tc-dlgm).",
        )


def _describe(model: VAE) -> str:
    if len(model.layers) == 1:
        return f"one of {model.layers[0]} dimensions"
    sizes = f"a hierarchy with latent layers of {list(model.layers)} dimensions"
    return f'{sizes} and likelihood_on = "{_likelihood_on(model)}"'


def _likelihood_on(model: VAE) -> str:
    return getattr(getattr(model, "settings", None), "likelihood_on", "unknown")


def _name(objective: Objective) -> str:
    return objective.model_dump()["name"]

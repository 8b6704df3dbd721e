"""Which latent layers an objective is defined for."""

from __future__ import annotations

from typing import Literal

from glitchvae.errors import ModelError
from glitchvae.objectives.base import VAE, Objective


def require_one_layer(objective: Objective, model: VAE) -> None:
    """Refuse a hierarchy.

    Raises:
        ModelError: the model has more than one latent layer.
    """
    if len(model.layers) > 1:
        raise ModelError(
            f"the objective {_name(objective)!r} does not fit the model",
            expected="one latent layer", found=_describe(model),
            remedy="Hierarchies are trained by dlgm, tc-dlgm or seatbelt.",
        )  # fmt: skip


def require_likelihood_on(
    objective: Objective, layers: Literal["first", "all"], model: VAE
) -> None:
    """Refuse a hierarchy whose decoder reads other layers; a single layer is first and all.

    Raises:
        ModelError: the model's likelihood is on other layers.
    """
    if len(model.layers) > 1 and _likelihood_on(model) != layers:
        raise ModelError(
            f"the objective {_name(objective)!r} does not fit the model",
            expected=f'likelihood_on = "{layers}"', found=_describe(model),
            remedy="Change likelihood_on of the model (all: seatbelt; first: tc-dlgm).",
        )  # fmt: skip


def require_lower_layers(objective: Objective, free_bits: float, model: VAE) -> None:
    """Refuse free bits where no layer may have them: they are for those below the top.

    Raises:
        ModelError: free bits for a model with one latent layer.
    """
    if free_bits > 0 and len(model.layers) == 1:
        raise ModelError(
            f"the free bits of the objective {_name(objective)!r} do not fit the model",
            expected="two latent layers or more, of which all but the top have free bits",
            found=_describe(model), remedy="Set free_bits = 0.",
        )  # fmt: skip


def _describe(model: VAE) -> str:
    if len(model.layers) == 1:
        return f"one of {model.layers[0]} dimensions"
    sizes = f"a hierarchy with latent layers of {list(model.layers)} dimensions"
    return f'{sizes} and likelihood_on = "{_likelihood_on(model)}"'


def _likelihood_on(model: VAE) -> str:
    return getattr(getattr(model, "settings", None), "likelihood_on", "unknown")


def _name(objective: Objective) -> str:
    return objective.model_dump()["name"]

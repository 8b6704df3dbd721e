"""Sets of pictures that models are trained on: by the name on a card, drawn or read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal

from glitchvae.checkpoint import Checkpoint
from glitchvae.errors import InputError
from glitchvae.validation.images.celeba import read_celeba
from glitchvae.validation.images.chairs import AZIMUTHS, ELEVATIONS, draw_chairs, read_chairs
from glitchvae.validation.images.dsprites import draw_dsprites, read_dsprites
from glitchvae.validation.images.faces import read_faces
from glitchvae.validation.images.factors import FactorData

PictureSet = Literal["dsprites", "chairs", "faces", "celeba"]

_READ: dict[PictureSet, Callable[[Path], FactorData]] = {
    "dsprites": read_dsprites,
    "chairs": read_chairs,
    "faces": read_faces,
    "celeba": read_celeba,
}
_DRAW: dict[PictureSet, Callable[[int], FactorData]] = {
    "dsprites": lambda _: draw_dsprites(),
    "chairs": lambda count: drawn_chairs(count),
}
_DESCRIBED: dict[str, tuple[PictureSet, bool]] = {
    "dSprites": ("dsprites", True),
    "parametric chairs": ("chairs", True),
    "3D Chairs": ("chairs", False),
    "3D Faces": ("faces", False),
    "CelebA": ("celeba", False),
}
"""First words of a set's description on a card: which it is, and whether it can be drawn. Drawn
dSprites are the published ones; drawn chairs are others than the published ones."""


def training_pictures(
    checkpoint: Checkpoint, count: int, path: Path | None = None, chosen: PictureSet | None = None
) -> FactorData:
    """The pictures that a model was trained on, at its size.

    Args:
        checkpoint: A model of pictures.
        count: How many are wanted: of a few chairs every eighth azimuth alone is drawn.
        path: The published file or folder; None has the same drawn, where that is possible.
        chosen: Which set, whatever the card says; of a model whose card does not tell.

    Raises:
        InputError: the card does not tell what the model was trained on, or that cannot be
            drawn, or does not fit the model.
    """
    described = checkpoint.card.data.description
    name, drawn = _DESCRIBED.get(described.split(",")[0], (None, False))
    if chosen is not None:
        name, drawn = chosen, chosen in _DRAW
    if name is None:
        raise InputError(
            "the card does not tell which pictures the model was trained on",
            where=checkpoint.path,
            expected=", ".join(_DESCRIBED),
            found=described or "no description of the data",
            remedy=f"Name them with --set {'|'.join(_READ)}.",
        )
    if path is None and not drawn:
        raise InputError(
            "the model is of pictures that cannot be drawn",
            where=checkpoint.path,
            expected=f"the published file or folder of {name}",
            found=described,
            remedy="Give it with --data.",
        )
    pictures = _DRAW[name](count) if path is None else _READ[name](path)
    return pictures.fitted(checkpoint.model.settings.image_shape)


def drawn_chairs(count: int) -> FactorData:
    """At least `count` parametric chairs if possible; with every eighth azimuth for few."""
    few = count < _CHAIRS * len(AZIMUTHS)
    return draw_chairs(AZIMUTHS[:: 8 if few else 1], ELEVATIONS)


_CHAIRS = 216  # of each place

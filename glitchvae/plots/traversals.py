"""Latent traversals: decoded pictures along each latent dimension."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.distributions import Distribution

from glitchvae.checkpoint import load_checkpoint
from glitchvae.errors import InputError
from glitchvae.models import scale_to_unit
from glitchvae.plots.captions import dimension_name
from glitchvae.plots.curves import picture_grid
from glitchvae.validation.disentanglement import name_dimensions
from glitchvae.validation.disentanglement.encoding import encode, explain
from glitchvae.validation.disentanglement.scoring import fitted
from glitchvae.validation.images.factors import FactorData

CARRIES = 0.1
"""KL (nats) below which a dimension is unused."""

MOST = 16
"""Largest number of dimensions with unused ones; of more they are left out."""

PLACES = tuple(np.linspace(-2.0, 2.0, 9))
"""Values of the traversed latent variable, in standard deviations of the prior."""


@torch.inference_mode()
def traverse(
    decode: Callable[[Tensor], Distribution],
    origin: NDArray[np.floating],
    dimensions: Sequence[int],
    values: Sequence[float],
) -> NDArray[np.float32]:
    """Decoded means with one latent variable at a time set to each of some values.

    Args:
        decode: Latents (B, Z) to the distribution of pictures (B, C, H, W).
        origin: (Z,) the code to start from; zeros are the mean of the prior.
        dimensions: Which variables to change.
        values: What to set them to, in units of the prior's standard deviation.

    Returns:
        Pictures (dimensions, values, C, H, W).

    Raises:
        InputError: a dimension is not there.
    """
    wrong = [d for d in dimensions if not 0 <= d < len(origin)]
    if wrong:
        raise InputError(
            "the latent dimension does not exist", expected=f"0 to {len(origin) - 1}", found=wrong
        )
    codes = np.tile(np.asarray(origin, np.float32), (len(dimensions), len(values), 1))
    for row, dimension in enumerate(dimensions):
        codes[row, :, dimension] = values
    pictures = decode(torch.from_numpy(codes.reshape(-1, len(origin)))).mean
    return pictures.numpy().reshape(len(dimensions), len(values), *pictures.shape[1:])


def traversals(
    pictures: NDArray[Any],
    names: Sequence[str],
    values: Sequence[float],
    path: str | Path,
    *,
    title: str = "",
) -> None:
    """Draw traversals, a row for each latent dimension, and write them as PNG.

    Args:
        pictures: (rows, values, C, H, W) as `picture_grid` takes them.
        names: One for each row.
        values: One for each column.
        path: Where the PNG goes.
        title: Headline.

    Raises:
        InputError: names or values do not fit the pictures.
        StorageError: the disk refused the write.
    """
    picture_grid(pictures, names, [f"{value:+.1f}" for value in values], path, title=title)


def draw_factor_traversals(run: str | Path, data: FactorData, path: str | Path) -> None:
    """Draw images, their reconstructions and the traversals of one model, as PNG.

    Traversals start at the image in the middle of `data`. Dimensions stand in the order of
    their KL; those below `CARRIES` are dead and drawn in grey. Each of the others is named
    after the factor that it knows most of, with the share of that factor's entropy.

    Args:
        run: Folder of the model.
        data: Images whose factors are known, at the model's size or reducible to it.
        path: Where the PNG goes.

    Raises:
        ModelError: the model is not of such images.
        StorageError: the disk refused the write.
    """
    model = load_checkpoint(run).model
    points = fitted(data, model, run)
    images = points.to_training()
    codes = encode(model, images).mean
    named = name_dimensions(codes, points.factors, points.names)
    kl = explain(model, images).kl
    order = [int(d) for d in np.argsort(-kl)]
    if len(order) > MOST:
        order = [d for d in order if kl[d] >= CARRIES] or order[:1]
    names = [
        f"{dimension_name(d, model.layers)}: "
        + (f"{named[d][0]} {named[d][1]:.0%}, {kl[d]:.1f} nats" if kl[d] >= CARRIES else "dead")
        for d in order
    ]
    raw = traverse(model.decode, codes[len(points) // 2], order, PLACES)
    pictures = scale_to_unit(torch.from_numpy(raw), model.likelihood).numpy()
    pictures = np.stack(
        [row if kl[d] >= CARRIES else greyed(row) for row, d in zip(pictures, order, strict=True)]
    )
    chosen = np.linspace(0, len(points) - 1, len(PLACES)).astype(int)
    with torch.inference_mode():
        drawn = model.decode(torch.from_numpy(codes[chosen])).mean
    originals = images.batch(torch.from_numpy(chosen)).x.numpy()
    both = [originals, scale_to_unit(drawn, model.likelihood).numpy()]
    traversals(
        np.concatenate([np.stack(both), pictures]),
        ["images", "reconstructions", *names],
        PLACES,
        path,
    )


def greyed(pictures: NDArray[np.floating]) -> NDArray[np.floating]:
    """Pictures in [0, 1] with contrast reduced to a third around grey."""
    return 0.5 + (np.clip(pictures, 0.0, 1.0) - 0.5) / 3

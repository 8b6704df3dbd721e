"""Measures of the uncertainty of codes: spread of the posterior and stability under changes.

Codes are compared by the cosine of the angle between them, seen from the centre of the
prior: 1 where a change leaves the code alone, near 0 where it leads anywhere else.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity

from glitchvae.models import prepare
from glitchvae.shapes import ENERGY_CEILING, VIEWS

SHIFT = 0.01
"""Assumed error of a trigger's time (s): half a period at 50 Hz."""

QUIETER = 0.9
"""Factor on the SNR of the fainter version."""

TILT = 0.2
"""Change of the energies of the lowest rows (up) and of the highest (down), as a share."""

Encode = Callable[[Tensor], Tensor]
"""Function from input (B, views + 1, F, T) to codes (B, Z)."""


def latent_spread(log_var: Tensor) -> Tensor:
    """(B,) geometric mean of the posterior's standard deviations, from log-variances (B, Z)."""
    return (0.5 * log_var).mean(dim=-1).exp()


def view_agreement(encode: Encode, images: Tensor, codes: Tensor) -> Tensor:
    """(B,) cosine of codes (B, Z) and the codes without one view, mean over the views.

    A view that is hidden is zero, as in training with hidden views.
    """
    x = prepare(images)[0]
    hidden = (_without_view(x, view) for view in range(images.shape[1]))
    return _mean_cosine(codes, map(encode, hidden))


def code_stability(encode: Encode, images: Tensor, codes: Tensor) -> Tensor:
    """(B,) cosine of codes (B, Z) and codes of slightly changed images, mean over the changes.

    The changes are a later trigger, a lower SNR and another PSD; see `changes`.
    """
    return _mean_cosine(codes, (encode(prepare(image)[0]) for image in changes(images)))


def changes(images: Tensor) -> Iterator[Tensor]:
    """Iterate over slightly changed versions of energies (B, views, F, T).

    Where the energy is saturated it is not known by how much: such pixels keep it.
    """
    energies = images.float()
    yield shift_time(energies, SHIFT)
    yield _unless_saturated(energies, make_quieter(energies, QUIETER))
    yield _unless_saturated(energies, tilt(energies, TILT))


def shift_time(energies: Tensor, seconds: float) -> Tensor:
    """Views of a glitch moved by `seconds`, interpolated linearly; edge values are repeated."""
    width = energies.shape[-1]
    columns = torch.arange(width, device=energies.device)
    views = [
        _sample(view, (columns - seconds / duration * width).clamp(0, width - 1))
        for view, duration in zip(energies.unbind(dim=1), VIEWS, strict=True)
    ]
    return torch.stack(views, dim=1)


def make_quieter(energies: Tensor, factor: float) -> Tensor:
    """Scale the SNR of energies by `factor`, above a median noise energy of 1."""
    excess = (energies - 1).clamp(min=0)
    return energies - (1 - factor**2) * excess


def tilt(energies: Tensor, share: float) -> Tensor:
    """Multiply energies by a gain from 1 + share to 1 - share over the frequency rows.

    It stands for a PSD that was estimated a little differently. That of the whitening
    would change the phases of neighbouring tiles too, and a row's own median would take
    most of it back: an approximation from above.
    """
    rows = torch.linspace(0, math.pi, energies.shape[2], device=energies.device)
    return energies * (1 + share * rows.cos())[:, None]


def _without_view(x: Tensor, view: int) -> Tensor:
    hidden = x.clone()
    hidden[:, view] = 0
    return hidden


def _mean_cosine(codes: Tensor, others: Iterator[Tensor]) -> Tensor:
    return torch.stack([cosine_similarity(codes, other) for other in others]).mean(dim=0)


def _unless_saturated(energies: Tensor, changed: Tensor) -> Tensor:
    return torch.where(energies < ENERGY_CEILING, changed, energies)


def _sample(view: Tensor, columns: Tensor) -> Tensor:
    """A view (B, F, T) interpolated at columns (T,)."""
    left = columns.floor().long().clamp(max=view.shape[-1] - 2)
    weight = columns - left
    return view[..., left] * (1 - weight) + view[..., left + 1] * weight

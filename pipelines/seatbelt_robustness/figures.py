"""Figures of a study of robustness: many models under attack and noise, side by side."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray

from glitchvae.models import restore
from glitchvae.plots import page
from glitchvae.plots.curves import Curve, curves, picture_grid
from glitchvae.plots.traversals import traversals, traverse
from glitchvae.shapes import ENERGY_CEILING, VIEWS
from glitchvae.validation.robustness.measuring import Robustness

from .claims import Cell, Found

_ATTACKED = 0.1
"""Of the divergence left: an attack that leaves less has made its image the target."""


SAMPLES = 10
PLACES = (-2.0, -1.5, -1.0, -0.5, 0.0, 0.5, 1.0, 1.5, 2.0)
"""Of a variable of the top layer, in standard deviations of the prior."""


def draw_study(found: Found, model_of: Callable[[Cell], Any], out: Path) -> None:
    """Every figure of a study, into its folder.

    Curves over beta, penalty and noise, and layers, are of all models; the weakest and the
    strongest beta alone are attacked, sampled and moved in pictures, of one seed.

    Args:
        found: Models and what was measured of them.
        model_of: Gives the model of a cell.
        out: The folder.
    """
    over_beta(found, lambda one: one.evidence.elbo, out / "elbo.png", ylabel="ELBO (nats)")
    over_beta(
        found,
        lambda one: float(one.mean_relative_divergence.mean()),
        out / "mean_relative_divergence.png",
        ylabel="divergence left, mean over lambdas and pairs",
    )
    ends = {min(cell.beta for cell in found), max(cell.beta for cell in found)}
    apart = {cell: one for cell, one in found.items() if cell.beta in ends}
    over_penalty(apart, out / "attacks.png")
    over_noise(apart, out / "noise.png")
    once = min(cell.seed for cell in found)
    first = {cell: one for cell, one in found.items() if cell.seed == once}
    deep = {cell.label: one.evidence.rates for cell, one in first.items() if cell.layers > 1}
    layer_map(deep, out / "layers.png")
    shown = {cell: one for cell, one in first.items() if cell in apart}
    adversaries(shown, out / "adversaries.png")
    models = {cell: model_of(cell) for cell in shown}
    samples(models, out / "samples.png")
    top_layer(models, out / "traversals.png")


def over_beta(
    found: Found, measure: Callable[[Robustness], float], path: str | Path, *, ylabel: str
) -> None:
    """Draw a number of every model against beta, a curve for each family, seeds in the bands.

    Args:
        found: Models and what was measured of them.
        measure: The number.
        path: Where the PNG goes.
        ylabel: What the number is.
    """
    lines = {}
    for family in dict.fromkeys(cell.family for cell in sorted(found)):
        same = {cell: measure(one) for cell, one in found.items() if cell.family == family}
        betas = sorted({cell.beta for cell in same})
        seeds = [[v for cell, v in same.items() if cell.beta == beta] for beta in betas]
        middle, low, high = (np.array([f(s) for s in seeds]) for f in (np.mean, min, max))
        lines[family] = Curve(np.array(betas), middle, low, high)
    curves(lines, path, xlabel="beta", ylabel=ylabel)


def over_penalty(found: Found, path: str | Path) -> None:
    """Draw the divergence left against lambda; bands hold half of the attacks."""
    lines = {}
    for label, same in _by_label(found).items():
        left = np.concatenate([one.by_pair(one.attacks.relative_divergence) for one in same])
        penalty = same[0].attacks.strength[: left.shape[1]]
        lines[label] = Curve(penalty, left.mean(0), *np.quantile(left, (0.25, 0.75), axis=0))
    curves(
        lines,
        path,
        xscale="log",
        xlabel="penalty weight lambda",
        ylabel="divergence left of that without attack",
    )


def over_noise(found: Found, path: str | Path) -> None:
    """Draw log p(x | z*) against the noise in the input of z*, seeds in the bands."""
    lines = {}
    for label, same in _by_label(found).items():
        likely = np.stack([one.noise.log_likelihood for one in same])
        lines[label] = Curve(same[0].noise.scale, likely.mean(0), likely.min(0), likely.max(0))
    curves(
        lines, path, xlabel="standard deviation of the noise in x", ylabel="log p(x | z*) (nats)"
    )


@page.own_style
def layer_map(rates: Mapping[str, Sequence[float]], path: str | Path, *, title: str = "") -> None:
    """Draw the KL of every latent layer of many models, a row for each model, as PNG.

    Args:
        rates: By model, nats of its layers, bottom up.
        path: Where the PNG goes.
        title: Headline.

    Raises:
        InputError: there is none.
        StorageError: the disk refused the write.
    """
    page.check_lengths(path, models=len(rates))
    most = max(map(len, rates.values()))
    table = np.full((len(rates), most), np.nan)
    for row, values in zip(table, rates.values(), strict=True):
        row[: len(values)] = values
    figure = Figure(
        figsize=(2.6 + 0.7 * most, 0.8 + 0.24 * len(rates)), dpi=120, facecolor=page.PAPER
    )
    axes = figure.subplots()
    axes.imshow(table, aspect="auto", cmap="Blues", vmin=0)
    for row, column in np.argwhere(np.isfinite(table)):
        dark = table[row, column] > 0.6 * np.nanmax(table)
        axes.text(
            column,
            row,
            f"{table[row, column]:.2f}",
            ha="center",
            va="center",
            fontsize=7,
            color=page.PAPER if dark else page.INK,
        )
    axes.set_xticks(range(most), [f"z{i + 1}" for i in range(most)])
    axes.set_yticks(range(len(rates)), list(rates))
    axes.set_title(title or "KL of each layer (nats)", loc="left", fontsize=9)
    page.finish(figure, path, spines=False)


def adversaries(found: Mapping[Cell, Robustness], path: str | Path) -> None:
    """Draw one attack on each model: input, perturbation, both together, what is drawn, target.

    All models are attacked at one lambda, the highest at which the first of them is taken in: less
    than a tenth of its divergence is left.

    Args:
        found: Models; their examples are of the same pair.
        path: Where the PNG goes.
    """
    first = next(iter(found.values()))
    left = first.by_pair(first.attacks.relative_divergence)[0]
    chosen = int(np.flatnonzero(left < _ATTACKED).max(initial=0))
    penalty = first.attacks.strength[chosen]
    rows = []
    for one in found.values():
        clean, target, perturbation, drawn = one.example
        added = perturbation[chosen]
        rows.append(
            [seen(clean), changed(added), seen(clean + added), seen(drawn[chosen]), seen(target)]
        )
    picture_grid(
        np.array(rows),
        [cell.label for cell in found],
        ["input", "perturbation", "perturbed", "is drawn as", "target"],
        path,
        title=f"penalty weight {penalty:.4g}",
    )


@torch.inference_mode()
def samples(models: Mapping[Cell, Any], path: str | Path) -> None:
    """Draw ancestral samples: latents drawn from the top down, and the mean of what they give."""
    rows = []
    for model in models.values():
        mean = model.sample(SAMPLES, generator=torch.Generator().manual_seed(0)).mean
        rows.append(seen(mean.numpy()))
    columns = [str(i + 1) for i in range(SAMPLES)]
    picture_grid(np.array(rows), [cell.label for cell in models], columns, path)


def top_layer(models: Mapping[Cell, Any], path: str | Path) -> None:
    """Draw what each top variable of the deepest Seatbelt-VAE of the strongest beta moves."""
    cell = max(models, key=lambda c: (c.kind == "seatbelt", c.layers, c.beta))
    model = models[cell]
    top = range(model.layers[-1])
    pictures = traverse(model.generate, np.zeros(model.layers[-1]), top, PLACES)
    names = [f"z{len(model.layers)}, {d + 1}" for d in top]
    traversals(seen(pictures), names, PLACES, path, title=cell.label)


def seen(pictures: NDArray[np.floating]) -> NDArray[np.floating]:
    """Pictures (…, C, F, T) as `picture_grid` takes them: views of glitches become energies."""
    if pictures.shape[-3] != len(VIEWS):
        return pictures.clip(0, 1)
    return restore(torch.as_tensor(pictures)).numpy()


def changed(perturbation: NDArray[np.floating]) -> NDArray[np.floating]:
    """A perturbation to be looked at: grey is none; of glitches its size, the largest bright."""
    if perturbation.shape[-3] != len(VIEWS):
        return 0.5 + 0.5 * perturbation
    size = np.abs(perturbation)
    return ENERGY_CEILING * size / max(size.max(), np.finfo(size.dtype).tiny)


def _by_label(found: Found) -> dict[str, list[Robustness]]:
    """The seeds of every kind, depth and beta."""
    labels: dict[str, list[Robustness]] = {}
    for cell in sorted(found):
        labels.setdefault(cell.label, []).append(found[cell])
    return labels

"""Figures of a study of robustness: many models under attack and noise, side by side."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray

from glitchvae.models import restore, scale_to_unit
from glitchvae.plots import page
from glitchvae.plots.curves import Curve, curves, picture_grid
from glitchvae.plots.traversals import traversals, traverse
from glitchvae.shapes import ENERGY_CEILING, VIEWS
from glitchvae.validation.robustness.measuring import Robustness

from .claims import KINDS, Cell

Found = Mapping[Cell, Robustness]

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
    if deep:
        layer_map(deep, out / "layers.png")
    unit_map({cell.label: one.evidence.units for cell, one in first.items()}, out / "units.png")
    for kind in dict.fromkeys(cell.kind for cell in found if cell.layers > 1):
        heat_maps(found, kind, out / f"heat-{kind}.png")
    noise_histograms(apart, out / "noise-histograms.png")
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
def noise_histograms(found: Found, path: str | Path) -> None:
    """Draw how log p(x | z*) of single images is spread, a row a family and a column a noise.

    The betas lie over each other in one panel; the images of all seeds are counted together.
    """
    labels, scales = _by_label(found), next(iter(found.values())).noise.scale
    families = list(dict.fromkeys(cell.family for cell in sorted(found)))
    figure = Figure(
        figsize=(1 + 2 * len(scales), 0.6 + 1.6 * len(families)), dpi=110, facecolor=page.PAPER
    )
    panels = figure.subplots(len(families), len(scales), sharex=True, squeeze=False)
    every = np.concatenate([one.noisy.ravel() for one in found.values()])
    low, high = np.quantile(every[np.isfinite(every)], (0.005, 0.995))
    edges = np.linspace(low, high + 1e-6 * abs(high), 41)
    for row, family in zip(panels, families, strict=True):
        same = [name for name in labels if _family_of(labels, found, name) == family]
        for column, axes in enumerate(row):
            for colour, name in zip(page.CYCLE, same, strict=False):
                values = np.concatenate([one.noisy[column] for one in labels[name]])
                axes.hist(
                    np.clip(values, edges[0], edges[-1]),
                    edges,
                    density=True,
                    histtype="stepfilled",
                    alpha=0.45,
                    color=colour,
                    label=name,
                )
            axes.set_yticks([])
        row[0].set_ylabel(family, fontsize=7)
        row[0].legend(fontsize=6, frameon=False)
    for axes, scale in zip(panels[0], scales, strict=True):
        axes.set_title(f"noise {scale:g}", fontsize=8)
    figure.supxlabel("log p(x | z*) (nats); what lies outside is in the outermost bins", fontsize=8)
    page.finish(figure, path)


def _family_of(labels: Mapping[str, list[Robustness]], found: Found, name: str) -> str:
    one = labels[name][0]
    return next(cell.family for cell, other in found.items() if other is one)


HEAT: dict[str, Callable[[Robustness], float]] = {
    "Delta_latent (powers of ten, nats)": lambda one: _log10(one.delta_latent),
    "Delta_output (powers of ten, nats)": lambda one: _log10(one.delta_output),
    "-log p of the target after latent attacks (nats)": lambda one: float(
        one.attacks.target_distortion.mean()
    ),
}
"""The panels of a heat map: what the paper's figures 6 and 7 show."""


def _log10(value: float) -> float:
    return float(np.log10(value)) if value > 0 else float("nan")


@page.own_style
def heat_maps(found: Found, kind: str, path: str | Path) -> None:
    """Draw Delta and -log p against beta and L, mean over seeds; the bottom row is beta-TCVAE.

    Args:
        found: Models and what was measured of them.
        kind: Of the hierarchies above the bottom row.
        path: Where the PNG goes.
    """
    chosen = {c: one for c, one in found.items() if c.kind == kind or c.layers == 1}
    betas = sorted({cell.beta for cell in chosen})
    depths = sorted({cell.layers for cell in chosen})
    figure = Figure(figsize=(1 + 3 * len(HEAT), 1 + 0.5 * len(depths)), dpi=120)
    for axes, (title, measure) in zip(
        figure.subplots(1, len(HEAT), squeeze=False)[0], HEAT.items(), strict=True
    ):
        table = np.full((len(depths), len(betas)), np.nan)
        for row, column in np.ndindex(table.shape):
            values = [
                measure(one)
                for cell, one in chosen.items()
                if (cell.layers, cell.beta) == (depths[row], betas[column])
            ]
            table[row, column] = np.mean(values) if values else np.nan
        axes.imshow(table, origin="lower", aspect="auto", cmap="Blues")
        middle = (np.nanmin(table) + np.nanmax(table)) / 2 if np.isfinite(table).any() else 0.0
        for row, column in np.argwhere(np.isfinite(table)):
            dark = table[row, column] > middle
            axes.text(
                column,
                row,
                f"{table[row, column]:.4g}",
                ha="center",
                va="center",
                fontsize=7,
                color=page.PAPER if dark else page.INK,
            )
        axes.set_xticks(range(len(betas)), [f"{beta:g}" for beta in betas])
        axes.set_yticks(range(len(depths)), [f"L = {depth}" for depth in depths])
        axes.set_xlabel("beta", fontsize=8)
        axes.set_title(title, fontsize=7)
    figure.suptitle(f"{KINDS[kind]}; L = 1 is beta-TCVAE", fontsize=9)
    page.finish(figure, path, spines=False)


@page.own_style
def unit_map(units: Mapping[str, Sequence[Sequence[float]]], path: str | Path) -> None:
    """Draw the KL of every unit of every layer, a row a model, the largest of a layer first.

    Args:
        units: By model, nats of the units of its layers, bottom up.
        path: Where the PNG goes.
    """
    page.check_lengths(path, models=len(units))
    depth = max(map(len, units.values()))
    size = 3.2 + 2 * depth, 0.9 + 0.24 * len(units)
    figure = Figure(figsize=size, dpi=120, facecolor=page.PAPER, layout="constrained")
    panels = figure.subplots(1, depth, squeeze=False)[0]
    brightest = max(max(layer) for layers in units.values() for layer in layers)
    for place, axes in enumerate(panels):
        most = max(len(layers[place]) for layers in units.values() if place < len(layers))
        table = np.full((len(units), most), np.nan)
        for row, layers in zip(table, units.values(), strict=True):
            if place < len(layers):
                row[: len(layers[place])] = sorted(layers[place], reverse=True)
        axes.imshow(table, aspect="auto", cmap="Blues", vmin=0, vmax=max(brightest, 1e-6))
        axes.set_title(f"z{place + 1}", fontsize=8)
        axes.set_xlabel("unit, by KL", fontsize=7)
        axes.set_yticks(range(len(units)), list(units) if place == 0 else [""] * len(units))
    figure.colorbar(
        panels[0].images[0], ax=panels.tolist(), label="KL of a unit (nats)", shrink=0.8
    )
    for axes in figure.axes:
        axes.tick_params(labelsize=7)
    page.save(figure, path)


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

    Every model is shown at a lambda of its own: that at which its adversary came nearest to the
    target, the least -log p of the target; of equals the highest, whose perturbation is smallest.

    Args:
        found: Models; their examples are of the same pair.
        path: Where the PNG goes.
    """
    rows, names = [], []
    for cell, one in found.items():
        clean, target, perturbation, drawn = one.example
        chosen = best_lambda(one)
        names.append(f"{cell.label}, lambda {one.attacks.strength[chosen]:.3g}")
        added = perturbation[chosen]
        rows.append(
            [seen(clean), changed(added), seen(clean + added), seen(drawn[chosen]), seen(target)]
        )
    picture_grid(
        np.array(rows),
        names,
        ["input", "perturbation", "perturbed", "is drawn as", "target"],
        path,
    )


def best_lambda(one: Robustness) -> int:
    """Which lambda brought the example nearest to its target; of equals the highest."""
    left = one.by_pair(one.attacks.target_distortion)[0]
    return len(left) - 1 - int(np.argmin(left[::-1]))


@torch.inference_mode()
def samples(models: Mapping[Cell, Any], path: str | Path) -> None:
    """Draw ancestral samples: latents drawn from the top down, and the mean of what they give."""
    rows = []
    for model in models.values():
        mean = model.sample(SAMPLES, generator=torch.Generator().manual_seed(0)).mean
        rows.append(seen(scale_to_unit(mean, model.likelihood).numpy()))
    columns = [str(i + 1) for i in range(SAMPLES)]
    picture_grid(np.array(rows), [cell.label for cell in models], columns, path)


def top_layer(models: Mapping[Cell, Any], path: str | Path) -> None:
    """Draw what each top variable of the deepest Seatbelt-VAE of the strongest beta moves."""
    cell = max(models, key=lambda c: (c.kind == "seatbelt", c.layers, c.beta))
    model = models[cell]
    top = range(model.layers[-1])
    raw = torch.from_numpy(traverse(model.generate, np.zeros(model.layers[-1]), top, PLACES))
    pictures = scale_to_unit(raw, model.likelihood).numpy()
    names = [f"z{len(model.layers)} dim {d + 1}" for d in top]
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

"""Plots of the log of a training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from glitchvae.errors import InputError
from glitchvae.plots import page
from glitchvae.plots.captions import dimension_name
from glitchvae.training.log import Log, dimension_kl

_LABELLED = 12


@page.own_style
def rate_distortion(logs: Mapping[str, Log], path: str | Path) -> None:
    """Draw the path of each training in the plane of rate and distortion, as PNG.

    On a dashed line the ELBO is the same: distortion and rate add up to it (Alemi et al.
    2018, "Fixing a broken ELBO"). A dot is the end of a training.

    Args:
        logs: By name, with the columns `rate` and `reconstruction` in nats.
        path: Where the PNG goes.

    Raises:
        InputError: no log, or one without the columns.
        StorageError: the disk refused the write.
    """
    page.check_lengths(path, logs=len(logs))
    figure = Figure(figsize=(6.4, 5.0), dpi=120, facecolor=page.PAPER)
    axes = figure.subplots()
    for number, (name, log) in enumerate(logs.items()):
        rate, distortion = (column(log, key, name) for key in ("rate", "reconstruction"))
        colour = page.CYCLE[number % len(page.CYCLE)]
        axes.plot(rate, distortion, color=colour, lw=0.9, alpha=0.55)
        axes.plot(rate[-1], distortion[-1], "o", color=colour, ms=5, label=name)
    _zoom_to_the_ends(axes, logs)
    _draw_equal_elbo(axes)
    axes.set(xlabel="rate: KL from the prior (nats)", ylabel="distortion: −log p(x|z) (nats)")
    axes.legend(fontsize=7, frameon=False, ncols=1 + len(logs) // 12)
    page.finish(figure, path)


@page.own_style
def kl_per_dimension(
    log: Log, path: str | Path, *, title: str = "", layers: Sequence[int] = ()
) -> None:
    """Draw the KL of every latent dimension over the steps of a training, as PNG.

    Colours follow the order in which dimensions first carry half a nat: they open one after
    the other under an annealed beta (Sankarapandian & Kulis, Fig. 2).

    Args:
        log: With the columns `step`, `kl_1`, `kl_2`, …; `weight_beta` and `weight_capacity`
            are drawn too.
        path: Where the PNG goes.
        title: Headline.
        layers: Sizes of the latent layers, bottom up, to name dimensions of a hierarchy by.

    Raises:
        InputError: there are no such columns.
        StorageError: the disk refused the write.
    """
    step, kl = column(log, "step"), dimension_kl(log)
    figure = Figure(figsize=(7.2, 4.4), dpi=120, facecolor=page.PAPER)
    axes = figure.subplots()
    order = opening_order(kl)
    colours = colormaps["viridis"](np.linspace(0.0, 0.92, len(order)))
    for colour, dimension in zip(colours, order, strict=True):
        axes.plot(step, kl[:, dimension], color=colour, lw=1.2)
    for dimension in np.argsort(-kl[-1])[:_LABELLED]:
        if kl[-1, dimension] > 0.5:
            axes.annotate(
                dimension_name(int(dimension), layers),
                (step[-1], kl[-1, dimension]),
                xytext=(3, 0),
                textcoords="offset points",
                fontsize=6.5,
                color=page.FAINT,
                va="center",
            )
    axes.set(xlabel="step", ylabel="KL of a latent dimension (nats)", title=title)
    _draw_schedules(axes, log, step)
    page.finish(figure, path)


@page.own_style
def layer_kl(log: Log, layers: Sequence[int], path: str | Path, *, title: str = "") -> None:
    """Draw the KL of every dimension of every latent layer at the end of a training, as PNG.

    A row is a layer, z1 at the bottom; its dimensions stand from the largest KL to the smallest
    (paper B, App. F, in kind).

    Args:
        log: With the columns `kl_1`, `kl_2`, …, layer after layer, bottom up.
        layers: Sizes of the latent layers, bottom up.
        path: Where the PNG goes.
        title: Headline.

    Raises:
        InputError: the columns are not there or do not fit the layers.
        StorageError: the disk refused the write.
    """
    last = dimension_kl(log)[-1]
    if len(last) != sum(layers):
        raise InputError(
            "log and model do not belong together",
            where=path,
            expected=f"{sum(layers)} columns kl_1 …",
            found=len(last),
        )
    parts = np.split(last, np.cumsum(layers)[:-1])
    rows = np.full((len(layers), max(layers)), np.nan)
    for row, part in zip(rows, parts, strict=True):
        row[: len(part)] = np.sort(part)[::-1]
    figure = Figure(figsize=(7.6, 1.3 + 0.42 * len(layers)), dpi=120, facecolor=page.PAPER)
    axes = figure.subplots()
    picture = axes.imshow(rows, origin="lower", aspect="auto", cmap="magma", vmin=0)
    names = [f"z{i + 1}: {part.sum():.1f} nats" for i, part in enumerate(parts)]
    axes.set_yticks(range(len(layers)), names, fontsize=7)
    axes.set(xlabel="dimension of the layer, by KL", ylabel="layer: its KL", title=title)
    figure.colorbar(picture, ax=axes, label="KL (nats)", pad=0.02)
    page.finish(figure, path, spines=False)


def opening_order(kl: NDArray[Any], *, nats: float = 0.5) -> NDArray[np.int64]:
    """Dimensions in the order in which they first reach a KL threshold.

    Dimensions that never do come last.
    """
    open_ = kl >= nats
    first = np.where(open_.any(axis=0), open_.argmax(axis=0), len(kl))
    return np.lexsort((-kl[-1], first))


def column(log: Log, name: str, where: str | None = None) -> NDArray[np.float64]:
    """One column of a log.

    Raises:
        InputError: it is not there.
    """
    if name not in log:
        raise InputError(f"no column {name!r} in the log", where=where, found=", ".join(log))
    return np.asarray(log[name], dtype=float)


def _zoom_to_the_ends(axes: Axes, logs: Mapping[str, Log]) -> None:
    """Set axis limits that leave out the first tenth of every training."""
    for set_limits, key in ((axes.set_xlim, "rate"), (axes.set_ylim, "reconstruction")):
        late = np.concatenate([log[key][len(log[key]) // 10 :] for log in logs.values()])
        late = late[np.isfinite(late)]
        margin = 0.06 * max(np.ptp(late), 1e-9)
        set_limits(late.min() - margin, late.max() + margin)


def _draw_equal_elbo(axes: Axes) -> None:
    (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()
    for total in np.linspace(left + low, right + high, 7)[1:-1]:
        ends = [total - left, total - right]
        axes.plot([left, right], ends, "--", color=page.GREY, lw=0.8, zorder=0)
    axes.set(xlim=(left, right), ylim=(low, high))


def _draw_schedules(axes: Axes, log: Log, step: NDArray[Any]) -> None:
    for name in ("beta", "capacity"):
        weight = log.get(f"weight_{name}", log.get(name))  # older logs have the bare name
        if weight is not None and np.ptp(weight) > 0:
            other = axes.twinx()
            other.plot(step, weight, ":", color=page.FAINT, lw=1.0)
            other.set_ylabel(f"{name} (dotted)", color=page.FAINT, fontsize=8)
            other.tick_params(labelsize=7, colors=page.FAINT)
            other.spines[:].set_visible(False)

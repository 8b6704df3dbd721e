"""The map of the codes: a plane of points with pictures, drawn by Bokeh."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from bokeh.core.properties import value
from bokeh.models import (
    CDSView,
    ColumnDataSource,
    HoverTool,
    IndexFilter,
    ResetTool,
    Text,
)
from bokeh.plotting import figure
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE

from glitchvae.discovery import Discovery
from glitchvae.report.groups import Group
from glitchvae.report.times import unix_milliseconds, utc

POINTS = 10_000
"""Most points of the map: beyond that a browser stutters; groups are sampled."""

PICTURES = 3_000
"""Most points with a picture: about 3 kB each."""

_MARKERS = {"H1": "circle", "L1": "triangle", "V1": "square", "K1": "diamond"}
_OTHER = "hex"
_NEIGHBOURS = 15  # of UMAP
_FEWEST = 100  # points below which t-SNE takes the place of UMAP
_TSNE = (10, 2_000)  # points between which t-SNE means something and takes seconds
_PERPLEXITY = 15.0  # of t-SNE
_SIZE = (800.0, 600.0)  # pixels of the map on a desktop, about
_LETTER, _LINE_HEIGHT = 6.5, 15.0  # pixels of a caption
_INK, _FAINT, _LINE = "#1c2430", "#5c6675", "#e3e7ec"

# Bokeh escapes what stands in @{...}, so that a label is text whatever it holds.
_TOOLTIP = """
<div style="max-width: 240px; font: 12.5px/1.45 system-ui, sans-serif; color: #1c2430">
  <img src="@picture" alt="" style="display: block; margin-bottom: 4px">
  <div style="color: @colour; font-weight: 600">@group</div>
  <div>@ifo · @time</div>
  <div>SNR @snr{0.0} · @frequency{0} Hz · novelty_p @novelty_p{0.0000}</div>
  <div>nearest: @nearest · label: @label</div>
  <div style="color: #5c6675">@event</div>
</div>
"""


class Projection(NamedTuple):
    """Positions (n, 2) of n events, by the name of the method; the best one first."""

    rows: NDArray[np.int64]
    positions: Mapping[str, NDArray[np.float64]]
    explained: float  # share of the variance that the two axes of PCA hold


def project(discovery: Discovery, rows: NDArray[np.int64], *, seed: int = 0) -> Projection:
    """Two dimensions of the codes: PCA always, before it a map that keeps neighbours together.

    That is UMAP where it is installed and points are many, t-SNE where they are few.

    Args:
        discovery: Codes (N, Z).
        rows: (n,) events to be drawn; PCA is fitted to all N.
        seed: Of all of them.
    """
    codes = discovery.embeddings.mean.astype(np.float64)
    usable = codes[np.isfinite(codes).all(axis=1)]
    if len(usable) < 2 or usable.shape[1] < 2:
        flat = np.zeros((len(rows), 2))
        flat[:, 0] = codes[rows, 0] if codes.shape[1] else 0.0
        return Projection(rows, {"PCA": flat}, 1.0)
    pca = PCA(2, random_state=seed).fit(usable)
    positions = {**neighbour_map(codes[rows], seed), "PCA": pca.transform(codes[rows])}
    return Projection(rows, positions, float(pca.explained_variance_ratio_.sum()))


def neighbour_map(codes: NDArray[np.float64], seed: int) -> dict[str, NDArray[np.float64]]:
    """Positions (n, 2) that keep neighbours together, by the method; none where none fits."""
    if len(codes) >= _FEWEST and importlib.util.find_spec("umap") is not None:
        return {"UMAP": _umap(codes, seed)}
    if _TSNE[0] <= len(codes) <= _TSNE[1]:
        return {"t-SNE": _tsne(codes, seed)}
    return {}


def _tsne(codes: NDArray[np.float64], seed: int) -> NDArray[np.float64]:
    perplexity = min(_PERPLEXITY, (len(codes) - 1) / 3)
    model = TSNE(2, perplexity=perplexity, init="pca", random_state=seed, n_jobs=1)
    return np.asarray(model.fit_transform(codes), dtype=np.float64)


def _umap(codes: NDArray[np.float64], seed: int) -> NDArray[np.float64]:
    from umap import UMAP

    model = UMAP(n_neighbors=_NEIGHBOURS, min_dist=0.1, random_state=seed, n_jobs=1)
    return np.asarray(model.fit_transform(codes), dtype=np.float64)


def draw_plane(
    discovery: Discovery, groups: Sequence[Group], plane: Projection, pictures: Mapping[int, str]
) -> Any:
    """The map as a Bokeh figure; the page's script filters its source `glitches`.

    Args:
        discovery: The events.
        groups: Candidates, classes, the rest.
        plane: Where the events lie.
        pictures: Images inside the page, by row.
    """
    source = ColumnDataSource(_columns(discovery, groups, plane, pictures), name="glitches")
    names = ColumnDataSource(_captions(groups, plane), name="names")
    view = CDSView(filter=IndexFilter(indices=list(range(len(plane.rows))), name="shown"))
    page = figure(
        sizing_mode="stretch_both",
        toolbar_location="above",
        tools="pan,box_zoom,wheel_zoom",
        active_drag="pan",
        min_border=8,
        background_fill_color="#ffffff",
        outline_line_color=_LINE,
        output_backend="canvas",
    )
    points = page.scatter(
        "x",
        "y",
        source=source,
        view=view,
        marker="marker",
        size="size",
        color="colour",
        fill_alpha="opacity",
        line_color="#ffffff",
        line_width=0.4,
        line_alpha=0.8,
        hover_line_color=_INK,
    )
    page.add_tools(
        HoverTool(renderers=[points], tooltips=_TOOLTIP, point_policy="snap_to_data", limit=1),
        ResetTool(),
    )
    page.add_glyph(
        names,
        Text(
            x="x",
            y="y",
            text="name",
            text_align="center",
            text_baseline="bottom",
            y_offset=-4,
            text_font_size="size",
            text_color="ink",
            text_font_style="style",
            text_font=value("system-ui, sans-serif"),
            background_fill_color="#ffffff",
            background_fill_alpha=0.75,
        ),
    )
    _calm(page)
    return page


def _columns(
    discovery: Discovery, groups: Sequence[Group], plane: Projection, pictures: Mapping[int, str]
) -> dict[str, Any]:
    """One entry per point, in the order in which they are painted: candidates last."""
    events, rows = discovery.embeddings, plane.rows
    index = np.zeros(len(events), dtype=np.int64)
    for number, group in enumerate(groups):
        index[group.rows] = number
    own = [groups[n] for n in index[rows]]
    strong = np.array([group.kind in ("candidate", "displaced") for group in own], dtype=bool)
    paint = np.argsort(strong, kind="stable")
    small = 5.0 if len(rows) > 3000 else 6.5
    positions = {
        f"{name}_{axis}": values[paint, n]
        for name, values in plane.positions.items()
        for n, axis in enumerate("xy")
    }
    first = next(iter(plane.positions))
    columns = {
        "group_number": index[rows],
        "group": [group.name for group in own],
        "colour": [group.colour for group in own],
        "size": np.where(strong, small + 3, small),
        "opacity": np.where(strong, 0.95, 0.7),
        "marker": [_MARKERS.get(str(name), _OTHER) for name in events.ifo[rows]],
        "ifo": events.ifo[rows],
        "event": events.event_id[rows],
        "time": utc(events.gps[rows]),
        "milliseconds": unix_milliseconds(events.gps[rows]),
        "snr": events.snr[rows],
        "frequency": events.peak_frequency[rows],
        "novelty_p": events.novelty_p[rows],
        "nearest": events.class_name[rows],
        "label": np.full(len(rows), "", dtype=object)
        if events.label is None
        else events.label[rows],
        "picture": [pictures.get(int(row), "") for row in rows],
    }
    painted = {name: _plain(np.asarray(value)[paint]) for name, value in columns.items()}
    axes = {axis: positions[f"{first}_{axis}"] for axis in "xy"}
    return painted | {name: _plain(v) for name, v in (positions | axes).items()}


def _plain(values: NDArray[Any]) -> Any:
    """float32 where there are numbers: a third of the bytes, and more than a screen can show."""
    if values.dtype.kind == "f":
        return (
            values
            if values.dtype == np.float64 and np.nanmax(values, initial=0) > 1e9
            else (values.astype(np.float32))
        )
    return values.tolist() if values.dtype == object else values


def _captions(groups: Sequence[Group], plane: Projection) -> dict[str, Any]:
    """The name of each group at the median of its points, the most important first."""
    place = {int(row): n for n, row in enumerate(plane.rows)}
    points = [
        (group, [place[int(row)] for row in group.rows if int(row) in place])
        for group in groups
        if group.kind != "rest"
    ]
    named = sorted(
        ((group, drawn) for group, drawn in points if drawn),
        key=lambda one: (one[0].kind not in ("candidate", "displaced"), -len(one[1])),
    )
    strong = [group.kind in ("candidate", "displaced") for group, _ in named]
    captions: dict[str, list[Any]] = {
        "name": [group.name for group, _ in named],
        "ink": [group.colour if s else _FAINT for (group, _), s in zip(named, strong, strict=True)],
        "style": ["bold" if s else "normal" for s in strong],
        "size": ["13px" if s else "11px" for s in strong],
    }
    for name, positions in plane.positions.items():
        middles = np.array([np.median(positions[drawn], axis=0) for _, drawn in named])
        kept = _apart(middles.reshape(-1, 2), captions["name"], np.ptp(positions, axis=0))
        for n, axis in enumerate("xy"):
            captions[f"{name}_{axis}"] = kept[:, n].tolist()
    first = next(iter(plane.positions))
    return captions | {axis: list(captions[f"{first}_{axis}"]) for axis in "xy"}


def _apart(
    middles: NDArray[np.float64], names: Sequence[str], extent: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Places (n, 2) of captions; NaN, which is not drawn, for one that covers an earlier one."""
    pixels = middles * np.array(_SIZE) / np.where(extent > 0, extent, 1.0)
    widths = _LETTER * np.array([len(name) for name in names])
    kept = middles.copy()
    for n in range(1, len(kept)):
        across, down = np.abs(pixels[:n] - pixels[n]).T
        covers = (across < (widths[:n] + widths[n]) / 2) & (down < _LINE_HEIGHT)
        if (covers & np.isfinite(kept[:n, 0])).any():
            kept[n] = np.nan
    return kept


def _calm(page: Any) -> None:
    """No axes: the directions of the plane have no unit."""
    page.axis.visible = False
    page.grid.grid_line_color = _LINE
    page.grid.grid_line_alpha = 0.7
    page.toolbar.logo = None
    page.toolbar.autohide = False
    page.match_aspect = False

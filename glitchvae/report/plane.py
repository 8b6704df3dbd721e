"""The map of the codes and the scatter plots: points with pictures, drawn by Bokeh."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
from bokeh.core.properties import value
from bokeh.models import (
    CDSView,
    ColumnDataSource,
    CustomJSHover,
    HoverTool,
    IndexFilter,
    LinearColorMapper,
    LogTicker,
    NumeralTickFormatter,
    ResetTool,
    TapTool,
    Text,
)
from bokeh.plotting import figure
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE

from glitchvae.discovery import Discovery
from glitchvae.report.groups import Group
from glitchvae.report.times import unix_milliseconds

POINTS = 10_000
"""Largest number of points of the map, for speed in a browser; groups are sampled."""

PICTURE_BYTES = 500_000
"""Bytes for the pictures of points: the page has 3 MB, of which Bokeh takes 1.3."""

_MARKERS = {"H1": "circle", "L1": "triangle", "V1": "square", "K1": "diamond"}
_OTHER = "hex"
_NEIGHBOURS = 15  # of UMAP
_FEWEST = 100  # points below which t-SNE takes the place of UMAP
_TSNE = (10, 2_000)  # points between which t-SNE means something and takes seconds
_PERPLEXITY = 15.0  # of t-SNE
_SIZE = (800.0, 600.0)  # pixels of the map on a desktop, about
_LETTER, _LINE_HEIGHT = 6.5, 15.0  # pixels of a caption
_INK, _FAINT, _LINE = "#1c2430", "#5c6675", "#e3e7ec"

_QUIET = 7.5  # SNR of the smallest points
_SMALL = 5.5  # pixels
_STYLE: dict[str, Any] = {
    "sizing_mode": "stretch_both",
    "toolbar_location": "above",
    "tools": "pan,box_zoom,wheel_zoom",
    "active_drag": "pan",
    "min_border": 8,
    "background_fill_color": "#ffffff",
    "outline_line_color": _LINE,
    "output_backend": "canvas",
}

# Bokeh escapes what stands in @{...}, so that a label is text whatever it holds.
_TOOLTIP = """
<div style="max-width: 260px; font: 12.5px/1.45 system-ui, sans-serif; color: #1c2430">
  <img src="@picture" alt="" width="172" height="142" style="display: block; margin-bottom: 4px">
  <div style="font-weight: 600">@row{group}</div>
  <div>@row{when}</div>
  <div style="color: #5c6675">@row{gps}</div>
  <div>@row{facts}</div>
  <div>@row{named}</div>
</div>
"""


class Projection(NamedTuple):
    """Positions (n, 2) of n events by the name of the method, the preferred one first."""

    rows: NDArray[np.int64]
    positions: Mapping[str, NDArray[np.float64]]
    explained: float  # share of the variance that the two axes of PCA hold


def project(discovery: Discovery, rows: NDArray[np.int64], *, seed: int = 0) -> Projection:
    """Project codes to two dimensions: PCA always, preceded by a neighbour-preserving map.

    That is UMAP where it is installed and points are many, t-SNE where they are few.

    Args:
        discovery: Codes (N, Z).
        rows: (n,) events to be drawn; PCA is fitted to all N.
        seed: Of all of them.
    """
    codes = discovery.embeddings.mean.astype(np.float64)
    usable = codes[np.isfinite(codes).all(axis=1)]
    if len(usable) < 2 or usable.shape[1] < 2 or not np.ptp(usable, axis=0).any():
        flat = np.zeros((len(rows), 2))
        flat[:, 0] = codes[rows, 0] if codes.shape[1] else 0.0
        return Projection(rows, {"PCA": flat}, 1.0)
    pca = PCA(2, random_state=seed).fit(usable)
    positions = {**neighbour_map(codes[rows], seed), "PCA": pca.transform(codes[rows])}
    return Projection(rows, positions, float(pca.explained_variance_ratio_.sum()))


def neighbour_map(codes: NDArray[np.float64], seed: int) -> dict[str, NDArray[np.float64]]:
    """Positions (n, 2) by UMAP or t-SNE; none if there are too few or too many points."""
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


def draw_figures(
    discovery: Discovery,
    groups: Sequence[Group],
    plane: Projection,
    table_rows: NDArray[np.int64],
    pictures: Mapping[int, str],
) -> dict[str, Any]:
    """Draw the map and the scatter plots as Bokeh figures over one source of points.

    The page's script filters the source `glitches` by the filter `shown`.

    Args:
        discovery: The events.
        groups: Candidates, classes, the rest.
        plane: Where the events lie on the map.
        table_rows: Rows of the events that the page's script knows, in its order.
        pictures: Images inside the page, by row.

    Returns:
        Figures by name: "map", and those of "time_frequency", "time_snr" and "snr_frequency" of
        which anything is known.
    """
    columns = _columns(discovery, groups, plane, table_rows, pictures)
    source = ColumnDataSource(columns, name="glitches")
    view = CDSView(filter=IndexFilter(indices=list(range(len(plane.rows))), name="shown"))
    colours = LinearColorMapper(
        palette=[group.colour for group in groups], low=-0.5, high=len(groups) - 0.5
    )
    drawing = _Drawing(source, view, {"field": "group_number", "transform": colours})
    figures = {"map": _draw_map(drawing, ColumnDataSource(_captions(groups, plane), name="names"))}
    known = {
        name: np.isfinite(columns[name]).any() for name in ("milliseconds", "snr", "frequency")
    }
    for title, (x, y) in _SCATTERS.items():
        if known[x] and known[y]:
            figures[title] = _draw_scatter(drawing, x, y)
    times = [figures[name] for name in ("time_frequency", "time_snr") if name in figures]
    if len(times) == 2:
        times[1].x_range = times[0].x_range
    return figures


class _Drawing(NamedTuple):
    """Data and tools shared by all figures."""

    source: ColumnDataSource
    view: CDSView
    colour: dict[str, Any]


_SCATTERS = {
    "time_frequency": ("milliseconds", "frequency"),
    "time_snr": ("milliseconds", "snr"),
    "snr_frequency": ("snr", "frequency"),
}
_AXES: dict[str, tuple[Literal["datetime", "log"], str]] = {
    "milliseconds": ("datetime", "time (UTC)"),
    "frequency": ("log", "peak frequency (Hz)"),
    "snr": ("log", "SNR"),
}


def _draw_map(drawing: _Drawing, names: ColumnDataSource) -> Any:
    page = figure(**_STYLE)
    _add_points(page, drawing, "x", "y", size="size")
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
    # The directions of the plane have no unit.
    page.axis.visible = False
    page.match_aspect = False
    _calm(page)
    return page


def _draw_scatter(drawing: _Drawing, x: str, y: str) -> Any:
    (across, x_label), (up, y_label) = _AXES[x], _AXES[y]
    page = figure(
        x_axis_type=across,
        y_axis_type=up,
        x_axis_label=x_label,
        y_axis_label=y_label,
        **_STYLE,
    )
    _add_points(page, drawing, x, y, size=_SMALL if "snr" in (x, y) else "loudness")
    page.axis.axis_label_text_font_style = "normal"
    page.axis.axis_label_text_color = page.axis.major_label_text_color = _FAINT
    page.axis.axis_line_color = page.axis.major_tick_line_color = _LINE
    page.axis.minor_tick_line_color = None
    if "log" in (across, up):
        for axis in (page.xaxis[0] if across == "log" else None, page.yaxis[0]):
            if axis is not None:
                axis.formatter = NumeralTickFormatter(format="0,0.[0]")
                axis.ticker = LogTicker(mantissas=[1, 2, 5], desired_num_ticks=6)
    _calm(page)
    return page


def _add_points(page: Any, drawing: _Drawing, x: str, y: str, *, size: Any) -> None:
    points = page.scatter(
        x,
        y,
        source=drawing.source,
        view=drawing.view,
        marker="marker",
        size=size,
        color=drawing.colour,
        fill_alpha="opacity",
        line_color="#ffffff",
        line_width=0.4,
        line_alpha=0.8,
        hover_line_color=_INK,
    )
    points.selection_glyph = points.nonselection_glyph = None
    told = CustomJSHover(code="return glitchvae.tell(value, format)")
    page.add_tools(
        HoverTool(
            renderers=[points],
            tooltips=_TOOLTIP,
            formatters={"@row": told},
            point_policy="snap_to_data",
            limit=1,
        ),
        TapTool(renderers=[points]),
        ResetTool(),
    )


def _columns(
    discovery: Discovery,
    groups: Sequence[Group],
    plane: Projection,
    table_rows: NDArray[np.int64],
    pictures: Mapping[int, str],
) -> dict[str, Any]:
    """Columns with one entry per point, in the order of painting: candidates last.

    Texts are those of the page's script, which `row` leads to: each takes a third of a byte here.
    """
    events, rows = discovery.embeddings, plane.rows
    index = np.zeros(len(events), dtype=np.uint16)
    for number, group in enumerate(groups):
        index[group.rows] = number
    kinds = np.array([group.kind for group in groups], dtype=object)[index[rows]]
    paint = np.argsort(np.isin(kinds.astype(str), ["candidate", "displaced"]), kind="stable")
    rows, kinds = rows[paint], kinds[paint]
    small = 5.0 if len(rows) > 3000 else 6.5
    positions = {
        f"{name}_{axis}": values[paint, n]
        for name, values in plane.positions.items()
        for n, axis in enumerate("xy")
    }
    first = next(iter(plane.positions))
    axes = {axis: positions[f"{first}_{axis}"] for axis in "xy"}
    snr, ifo = events.snr[rows], events.ifo[rows]
    loud = np.log2(np.clip(np.nan_to_num(snr, nan=_QUIET), _QUIET, 64 * _QUIET) / _QUIET)
    numbers = {
        "size": np.where(kinds == "candidate", small + 2.5, small),
        "loudness": small - 1.5 + 1.6 * loud,
        "opacity": np.select([kinds == "candidate", kinds == "rest"], [0.95, 0.45], 0.7),
        "snr": snr,
        "frequency": events.peak_frequency[rows],
        **positions,
        **axes,
    }
    return {
        "row": np.searchsorted(table_rows, rows).astype(np.int32),
        "group_number": index[rows],
        "marker": [_MARKERS.get(str(name), _OTHER) for name in ifo],
        "milliseconds": unix_milliseconds(events.gps[rows]),
        "picture": [pictures.get(int(row), "") for row in rows],
        **{name: np.asarray(values, dtype=np.float32) for name, values in numbers.items()},
    }


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
    """Positions (n, 2) of captions; NaN for a caption that would cover an earlier one."""
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
    page.grid.grid_line_color = _LINE
    page.grid.grid_line_alpha = 0.7
    page.toolbar.logo = None
    # It lies in a shadow tree, which the page's own style does not reach.
    page.toolbar.stylesheets = ["@media print { :host { display: none; } }"]
    page.toolbar.autohide = False

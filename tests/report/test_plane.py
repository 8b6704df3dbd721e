"""The map: positions, columns, and what the page's script looks for."""

import dataclasses
import importlib.util

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from sklearn.decomposition import PCA

from glitchvae.report.groups import groups_of
from glitchvae.report.plane import draw_figures, neighbour_map, project


@pytest.fixture
def only_pca(monkeypatch):
    monkeypatch.setattr("glitchvae.report.plane.neighbour_map", lambda codes, seed: {})


def test_pca_is_that_of_all_codes(only_pca, discovery):
    rows = np.arange(10)
    plane = project(discovery, rows)
    usable = discovery.embeddings.mean[:-2].astype(float)
    pca = PCA(2).fit(usable)
    assert list(plane.positions) == ["PCA"]
    np.testing.assert_allclose(
        np.abs(plane.positions["PCA"]), np.abs(pca.transform(usable[:10])), rtol=1e-5, atol=1e-6
    )
    assert plane.explained == pytest.approx(pca.explained_variance_ratio_.sum())


@pytest.mark.skipif(importlib.util.find_spec("umap") is None, reason="umap-learn is an extra")
@pytest.mark.slow
def test_umap_keeps_groups_together(make):
    discovery = make(200)
    plane = project(discovery, np.arange(198))
    assert list(plane.positions) == ["UMAP", "PCA"]
    places = [plane.positions["UMAP"][group.rows] for group in groups_of(discovery)]
    spread = np.mean([np.std(p, axis=0).mean() for p in places])
    assert np.std([p.mean(axis=0) for p in places], axis=0).mean() > 2 * spread


def test_the_figure_holds_what_the_filters_need(only_pca, discovery):
    rows = np.arange(58)
    groups = groups_of(discovery)
    figures = draw_figures(discovery, groups, project(discovery, rows), rows, {0: "data:,"})
    assert list(figures) == ["map", "time_frequency", "time_snr", "snr_frequency"]
    page = figures["map"]
    source = page.select_one({"name": "glitches"})
    data = source.data
    assert {len(column) for column in data.values()} == {58}
    assert {"x", "y", "PCA_x", "PCA_y", "row", "snr", "milliseconds", "group_number"} <= set(data)
    assert page.select_one({"name": "shown"}).indices == list(range(58))
    # Candidates are painted last, over the known classes.
    kinds = [groups[n].kind for n in data["group_number"]]
    assert kinds == sorted(kinds, key=lambda kind: kind == "candidate")
    assert sum(picture != "" for picture in data["picture"]) == 1
    np.testing.assert_array_equal(data["snr"], discovery.embeddings.snr[data["row"]])
    assert np.all(np.diff(np.sort(data["milliseconds"])) >= 0)
    assert data["milliseconds"].dtype == np.float64


def test_codes_of_one_dimension_lie_on_a_line(only_pca, discovery):
    events = discovery.embeddings
    flat = dataclasses.replace(events, mean=events.mean[:, :1], log_var=events.log_var[:, :1])
    plane = project(dataclasses.replace(discovery, embeddings=flat), np.arange(5))
    assert (plane.positions["PCA"][:, 1] == 0).all()


def test_equal_codes_lie_in_one_place(discovery):
    events = discovery.embeddings
    same = dataclasses.replace(events, mean=np.ones_like(events.mean))
    plane = project(dataclasses.replace(discovery, embeddings=same), np.arange(30))
    assert np.isfinite(plane.positions["PCA"]).all()


def test_only_what_is_known_is_plotted(only_pca, make):
    discovery = make(timed=False)
    groups, rows = groups_of(discovery), np.arange(58)
    figures = draw_figures(discovery, groups, project(discovery, rows), rows, {})
    assert list(figures) == ["map", "snr_frequency"]


def test_few_points_are_laid_out_by_their_neighbours():
    middles = np.repeat(np.eye(3) * 20, 12, axis=0)
    codes = middles + np.random.default_rng(0).normal(size=middles.shape)
    found = neighbour_map(codes, seed=0)
    assert list(found) == ["t-SNE"]
    distances = cdist(found["t-SNE"], found["t-SNE"]) + np.diag(np.full(36, np.inf))
    assert (distances.argmin(axis=1) // 12 == np.arange(36) // 12).all()


def test_a_handful_of_points_has_no_neighbours():
    assert neighbour_map(np.zeros((5, 3)), seed=0) == {}


def test_no_caption_covers_another(only_pca, discovery):
    groups, rows = groups_of(discovery), np.arange(58)
    plane = project(discovery, rows)
    stacked = plane._replace(positions={"PCA": np.zeros((58, 2))})
    names = (
        draw_figures(discovery, groups, stacked, rows, {})["map"].select_one({"name": "names"}).data
    )
    # All groups in one place: only the first, a candidate, keeps its name.
    assert np.isfinite(names["x"]).tolist() == [True] + [False] * (len(names["x"]) - 1)
    assert names["name"][0] == next(g.name for g in groups if g.kind == "candidate")

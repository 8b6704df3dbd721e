"""Figures of a study of robustness show the models that they were given."""

from types import SimpleNamespace

import numpy as np
import pytest
from glitchvae_recipe_seatbelt_robustness import figures
from glitchvae_recipe_seatbelt_robustness.claims import Cell

from glitchvae.validation.robustness.measuring import Example

LAMBDAS = np.array([0.01, 1.0, 100.0])


def model(level, channels=1):
    """Made-up measurements: two pairs at three lambdas."""
    left = np.array([[0.0, level, 1.0], [0.0, level, 1.0]])
    shape = (3, channels, 4, 6)
    perturbation = np.stack([np.full(shape[1:], 0.1 * k) for k in (3, 2, 1)])
    return SimpleNamespace(
        evidence=SimpleNamespace(elbo=-100 * level),
        by_pair=lambda values: values.reshape(2, 3),
        attacks=SimpleNamespace(
            relative_divergence=left.ravel(),
            strength=np.tile(LAMBDAS, 2),
            target_distortion=np.array([50.0, 50.0, 90.0, 10.0, 70.0, 90.0]) + level,
        ),
        noise=SimpleNamespace(scale=np.array([0.0, 0.2]), log_likelihood=np.array([-level, -9.0])),
        noisy=np.array([np.linspace(-5, 5, 20), np.linspace(-9, 0, 20)]) - level,
        delta_latent=10 * level,
        delta_output=1e3,
        example=Example(np.zeros(shape[1:]), np.ones(shape[1:]), perturbation, np.ones(shape)),
    )


@pytest.fixture
def found():
    return {
        Cell(kind, layers, beta, seed): model(0.02 * beta + 0.001 * seed + 0.01 * layers)
        for kind, layers in (("tc", 1), ("seatbelt", 2))
        for beta in (1.0, 10.0)
        for seed in (0, 1)
    }


def test_a_curve_over_beta_is_the_mean_of_the_seeds(found, tmp_path, saved):
    figures.over_beta(found, lambda one: one.evidence.elbo, tmp_path / "e.png", ylabel="ELBO")
    (axes,) = saved[0].axes
    by_name = {line.get_label(): line for line in axes.lines}
    assert set(by_name) == {"beta-TCVAE", "Seatbelt-VAE, L = 2"}
    np.testing.assert_allclose(by_name["beta-TCVAE"].get_xdata(), [1, 10])
    np.testing.assert_allclose(by_name["beta-TCVAE"].get_ydata(), [-3.05, -21.05])


@pytest.mark.parametrize("draw", [figures.over_penalty, figures.over_noise])
def test_curves_have_a_model_each_whatever_its_seeds(found, tmp_path, saved, draw):
    draw(found, tmp_path / "c.png")
    (axes,) = saved[0].axes
    assert {line.get_label() for line in axes.lines} == {cell.label for cell in found}


def test_every_layer_of_every_model_has_its_number(tmp_path, saved):
    figures.layer_map({"shallow": [5.0], "deep": [4.0, 0.5]}, tmp_path / "l.png")
    (axes,) = saved[0].axes
    assert sorted(text.get_text() for text in axes.texts) == ["0.50", "4.00", "5.00"]
    assert [text.get_text() for text in axes.get_yticklabels()] == ["shallow", "deep"]


def test_every_model_is_shown_where_its_adversary_came_nearest_with_least(found, tmp_path, saved):
    """Of the first pair: at 0.01 and 1 it comes equally near, and 1 takes less perturbation."""
    figures.adversaries(found, tmp_path / "a.png")
    assert len(saved[0].axes) == 5 * len(found)
    assert all(axes.get_ylabel().endswith(", lambda 1") for axes in saved[0].axes[::5])
    perturbed = saved[0].axes[2].images[0].get_array()
    np.testing.assert_allclose(perturbed, 0.2)


def test_heat_maps_have_the_mean_of_the_seeds_and_beta_tcvae_at_the_bottom(found, tmp_path, saved):
    figures.heat_maps(found, "seatbelt", tmp_path / "h.png")
    latent, output, target = saved[0].axes
    assert [text.get_text() for text in latent.get_yticklabels()] == ["L = 1", "L = 2"]
    assert [text.get_text() for text in latent.get_xticklabels()] == ["1", "10"]
    table = np.asarray(latent.images[0].get_array())
    expected = np.log10([[0.3, 2.1], [0.4, 2.2]])  # 10 (0.02 beta + 0.01 L), mean over seeds
    np.testing.assert_allclose(table, expected, atol=0.01)
    np.testing.assert_allclose(np.asarray(output.images[0].get_array()), 3)
    assert np.asarray(target.images[0].get_array())[0, 0] == pytest.approx(60.03, abs=0.01)


def test_histograms_of_noise_count_every_image_of_every_seed(found, tmp_path, saved):
    figures.noise_histograms(found, tmp_path / "n.png")
    axes = saved[0].axes
    assert len(axes) == 2 * 2  # families and scales
    assert [text.get_text() for text in axes[2].get_legend().get_texts()] == [
        "plain VAE",
        "beta-TCVAE, beta = 10",
    ]
    for panel in axes:
        for polygon in panel.patches:  # densities: each encloses an area of one
            x, y = polygon.get_xy().T
            assert abs(np.sum(0.5 * (y[1:] + y[:-1]) * np.diff(x))) == pytest.approx(1, rel=1e-6)


def test_units_are_sorted_within_their_layer(tmp_path, saved):
    units = {"shallow": [[0.5, 2.0]], "deep": [[1.0, 3.0, 0.0], [0.2]]}
    figures.unit_map(units, tmp_path / "u.png")
    first, second, *_ = saved[0].axes
    table = np.ma.filled(first.images[0].get_array(), np.nan)
    np.testing.assert_allclose(table, [[2.0, 0.5, np.nan], [3.0, 1.0, 0.0]])
    assert np.isnan(np.ma.filled(second.images[0].get_array(), np.nan)[0, 0])


def test_views_of_glitches_are_shown_as_energies():
    views = np.full((2, 4, 3, 3), 0.5)
    np.testing.assert_allclose(figures.seen(views), 0.25 * 25.5)
    views[0, 0, 0, 0] = -1.0
    changed = figures.changed(views)
    np.testing.assert_allclose((changed.max(), changed.min()), (25.5, 0.5 * 25.5))
    assert figures.seen(np.full((1, 3, 3), 1.5)).max() == 1
    np.testing.assert_allclose(figures.changed(np.full((1, 3, 3), -1.0)), 0)

"""Simple classifiers find what is there, and the penalty is chosen on training events."""

import numpy as np
import pytest

from glitchvae.errors import InputError
from glitchvae.probes import (
    fit_linear_probe,
    fit_neighbours,
    fit_pixel_probe,
    fit_trigger_trees,
)
from glitchvae.probes.classifiers import PENALTIES


def test_a_linear_probe_does_not_see_the_scale_of_a_code(clusters):
    codes, labels = clusters
    scale = np.logspace(-3, 3, 6)
    np.testing.assert_array_equal(fit_linear_probe(codes, labels).predict(codes), labels)
    np.testing.assert_array_equal(
        fit_linear_probe(codes * scale, labels).predict(codes * scale), labels
    )


def test_the_penalty_is_strong_where_codes_hold_little(rng):
    """Of 40 numbers one tells a little: a free fit would follow the others."""
    labels = rng.choice(np.array(["Blip", "Tomte"], dtype=object), 200)
    codes = rng.normal(size=(200, 40))
    codes[:, 0] += 1.0 * (labels == "Blip")
    chosen = fit_linear_probe(codes, labels)[-1].C
    assert chosen in PENALTIES
    assert chosen <= 0.1


def test_the_penalty_is_chosen_for_other_groups():
    """Thirty numbers tell the day, whose events are all of one class: no help elsewhere."""
    rng = np.random.default_rng(0)
    day = np.repeat(np.arange(40), 10)
    labels = np.where(rng.random(40)[day] < 0.5, "Blip", "Tomte").astype(object)
    place = rng.normal(size=(40, 30))[day]
    codes = np.column_stack([rng.normal(size=400) + (labels == "Blip"), place])
    alone, blocked = (fit_linear_probe(codes, labels, groups=g)[-1].C for g in (None, day))
    assert blocked < alone


@pytest.mark.parametrize(
    ("labels", "groups"), [(["Blip"] * 4, None), (["Blip", "Tomte"] * 2, [1] * 4)]
)
def test_a_probe_needs_two_classes_and_two_groups(labels, groups):
    with pytest.raises(InputError, match="too few classes or groups to fit"):
        fit_linear_probe(np.eye(4), np.array(labels, dtype=object), groups=groups)


def test_neighbours_and_principal_components_find_clusters(clusters):
    codes, labels = clusters
    np.testing.assert_array_equal(fit_neighbours(codes, labels).predict(codes), labels)
    pixels = np.repeat(codes, 50, axis=1)
    np.testing.assert_array_equal(fit_pixel_probe(pixels, labels).predict(pixels), labels)


def test_trees_know_the_detector_as_a_category_and_bear_gaps(rng):
    detector = rng.integers(0, 3, 300).astype(float)
    table = np.column_stack([rng.normal(size=(300, 5)), detector])
    table[::7, 0] = np.nan
    labels = np.where(detector == 1, "Blip", "Tomte").astype(object)  # no threshold parts it
    trees = fit_trigger_trees(table, labels)
    np.testing.assert_array_equal(trees.predict(table), labels)
    assert trees.is_categorical_.tolist() == [False] * 5 + [True]

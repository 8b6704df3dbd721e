"""Groups of codes: both methods on blobs, options, limits, and agreement against scikit-learn."""

import numpy as np
import pytest
from sklearn import metrics

from glitchvae.discovery.clustering import agreement, find_groups, jaccard
from glitchvae.errors import InputError


@pytest.fixture
def blobs(rng):
    """Groups of 60, 40 and 20 points, far apart, and where each point is from."""
    sizes, middles = (20, 60, 40), (0.0, 30.0, -30.0)
    points = [rng.normal(m, 1.0, (n, 4)) for n, m in zip(sizes, middles, strict=True)]
    return np.concatenate(points), np.repeat(["c", "a", "b"], sizes).astype(object)


@pytest.mark.parametrize("method", ["hdbscan", "gmm"])
def test_either_method_tells_blobs_apart_the_largest_first(blobs, method):
    points, names = blobs
    labels = find_groups(points, method=method, min_events=10)
    assert labels.dtype == np.int64
    for number, name in enumerate("abc"):
        own = labels[names == name]
        assert np.mean(own == number) > 0.9
    again = find_groups(points, method=method, min_events=10)
    np.testing.assert_array_equal(labels, again)


def test_small_groups_are_dissolved(blobs):
    points, names = blobs
    labels = find_groups(points, method="gmm", groups=3, min_events=30)
    assert set(labels[names == "c"]) == {-1}
    assert set(labels[names == "a"]) == {0}


def test_the_mixture_takes_the_number_it_is_told(blobs):
    labels = find_groups(blobs[0], method="gmm", min_events=2, groups=2)
    assert set(labels) <= {0, 1}


def test_points_without_structure(rng):
    same = np.ones((50, 3))
    assert set(find_groups(same, method="gmm")) == {0}
    assert set(find_groups(same, method="gmm", groups=3)) == {0}
    assert set(find_groups(rng.normal(size=(5, 3)), min_events=10)) == {-1}


def test_codes_that_are_not_finite_are_refused():
    with pytest.raises(InputError, match="NaN or infinity"):
        find_groups(np.array([[0.0], [np.nan]]))


def test_agreement_is_that_of_scikit_learn(rng):
    classes = rng.choice(["x", "y", "z"], 200).astype(object)
    groups = rng.integers(-1, 4, 200)
    found = agreement(groups, classes)
    named = classes.astype(str)
    assert found.nmi == pytest.approx(metrics.normalized_mutual_info_score(named, groups))
    assert found.ari == pytest.approx(metrics.adjusted_rand_score(named, groups))
    most = sum(max(np.sum((groups == g) & (classes == c)) for c in "xyz") for g in range(-1, 4))
    assert found.purity == pytest.approx(most / 200)


def test_agreement_of_the_classes_with_themselves_is_perfect():
    classes = np.array(["x", "x", "y"], dtype=object)
    assert agreement(np.array([1, 1, 0]), classes) == (1.0, 1.0, 1.0)
    with pytest.raises(InputError, match="differ in length"):
        agreement(np.zeros(2, int), classes)


def test_jaccard():
    assert jaccard(np.array([1, 2, 3]), np.array([2, 3, 4])) == pytest.approx(0.5)
    assert jaccard(np.array([], int), np.array([], int)) == 0.0

"""Simple classifiers, whose accuracy shows what codes, pixels or triggers hold."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, GroupKFold
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from glitchvae.errors import InputError

PENALTIES = (0.01, 0.1, 1.0, 10.0, 100.0)
"""Values of C, the inverse of the penalty, that cross-validation chooses from."""

FOLDS = 5
NEIGHBOURS = 5
COMPONENTS = 100


def fit_linear_probe(
    codes: NDArray[np.floating],
    labels: NDArray[np.object_],
    *,
    groups: NDArray | None = None,
) -> Pipeline:
    """Logistic regression on standardised codes, with penalty chosen by cross-validation.

    Args:
        codes: (N, Z) of the training events.
        labels: (N,) class names.
        groups: (N,) events of one group, such as a day, stay in one fold, so that the
            penalty is chosen for events of other days. None: every event is its own.

    Returns:
        The probe, refitted to all events with the penalty that named most events of the
        left-out folds rightly.

    Raises:
        InputError: fewer than two classes or two groups.
    """
    classes = labels.astype(str)
    groups = np.arange(len(labels)) if groups is None else np.asarray(groups)
    folds = min(FOLDS, len(np.unique(groups)))
    if len(np.unique(classes)) < 2 or folds < 2:
        raise InputError(
            "there are too few classes or groups to fit a probe",
            expected="events of two classes in two groups",
            found=f"{len(np.unique(classes))} classes in {len(np.unique(groups))} groups",
        )
    probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
    grid = {"logisticregression__C": PENALTIES}
    search = GridSearchCV(probe, grid, cv=GroupKFold(folds), scoring="accuracy")
    return search.fit(codes, classes, groups=groups).best_estimator_


def fit_neighbours(codes: NDArray[np.floating], labels: NDArray[np.object_]) -> Pipeline:
    """Majority vote of the five nearest neighbours, by the distance of similarity search.

    Codes are compared as they are: the prior gives all latent dimensions one scale.
    """
    nearest = KNeighborsClassifier(min(NEIGHBOURS, len(codes)))
    return make_pipeline(nearest).fit(codes, labels.astype(str))


def fit_pixel_probe(
    pixels: NDArray[np.floating],
    labels: NDArray[np.object_],
    *,
    groups: NDArray | None = None,
    components: int = COMPONENTS,
    seed: int = 0,
) -> Pipeline:
    """The linear probe on principal components of pixels (N, P): a baseline without a network."""
    most = min(components, *np.subtract(pixels.shape, 1))
    pca = PCA(most, svd_solver="randomized", random_state=seed)
    return make_pipeline(pca, fit_linear_probe(pca.fit_transform(pixels), labels, groups=groups))


def fit_trigger_trees(
    triggers: NDArray[np.floating], labels: NDArray[np.object_], *, seed: int = 0
) -> HistGradientBoostingClassifier:
    """Boosted trees on the properties of triggers, the last of which is the detector.

    Without a penalty the boosting diverges on classes of few events.
    """
    options: dict[str, Any] = {
        "categorical_features": [triggers.shape[1] - 1],
        "early_stopping": False,
        "l2_regularization": 1.0,
    }
    trees = HistGradientBoostingClassifier(**options, random_state=seed)
    return trees.fit(triggers, labels.astype(str))

"""A head from simulated and real labels: what it reaches, what it never sees, what it refuses."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss
from sklearn.metrics import log_loss as peer_log_loss

from glitchvae.classes.prototypes import Prototypes
from glitchvae.errors import InputError
from glitchvae.probes.heads import (
    IN_NO_FOLD,
    brier_score,
    choose_head,
    fit_head,
    fit_temperature,
    log_loss,
    probabilities_by_fold,
    tempered,
)

NAMES = ("Blip", "Tomte", "Whistle")
CENTRES = np.array([[3.0, 0, 0, 0], [0, 3.0, 0, 0], [0, 0, 3.0, 0]])


def events(rng, per_class, shift=0.0, spread=1.0):
    labels = np.repeat(np.array(NAMES, dtype=object), per_class)
    codes = CENTRES[np.repeat(range(3), per_class)] + shift
    return codes + spread * rng.standard_normal(codes.shape), labels


@pytest.fixture
def mixed(rng):
    """300 simulated events, and 60 real ones whose codes lie elsewhere, in five folds."""
    simulated, real = events(rng, 100), events(rng, 20, shift=np.array([0, -3.0, 3.0, 1]))
    fold = np.r_[np.full(300, IN_NO_FOLD), np.arange(60) % 5]
    return np.r_[simulated[0], real[0]], np.r_[simulated[1], real[1]], fold


def named(probabilities, names=NAMES):
    return np.array(names, dtype=object)[probabilities.argmax(axis=1)]


def test_probabilities_are_those_of_scikit_learn(rng):
    codes, labels = events(rng, 40)
    head = fit_head(codes, labels, penalty=1e-2)
    scaled = (codes - codes.mean(axis=0)) / codes.std(axis=0)
    peer = LogisticRegression(C=1 / (1e-2 * 120), max_iter=2000).fit(scaled, labels.astype(str))
    np.testing.assert_allclose(head.probabilities(codes), peer.predict_proba(scaled), atol=2e-3)
    assert head.names == NAMES
    np.testing.assert_allclose(head.probabilities(codes).sum(axis=1), 1)


def test_two_classes_are_told_apart_by_one_slope(rng):
    codes, labels = events(rng, 40)
    two = labels != "Whistle"
    head = fit_head(codes[two], labels[two])
    probabilities = head.probabilities(codes[two])
    assert probabilities.shape == (80, 2)
    assert (named(probabilities, head.names) == labels[two]).mean() > 0.9


def test_an_event_of_weight_three_is_three_events(rng):
    codes, labels = events(rng, 20)
    weights = rng.integers(1, 4, 60)
    heavy = fit_head(codes, labels, weights.astype(float))
    repeated = fit_head(np.repeat(codes, weights, axis=0), np.repeat(labels, weights))
    found, expected = heavy.probabilities(codes), repeated.probabilities(codes)
    np.testing.assert_allclose(found, expected, atol=2e-3)


def test_real_labels_teach_what_simulated_ones_do_not(mixed):
    codes, labels, fold = mixed
    real = fold >= 0
    alone = fit_head(codes[~real], labels[~real])
    chosen = choose_head(codes, labels, fold)
    before = (named(alone.probabilities(codes[real])) == labels[real]).mean()
    after = (named(chosen.probabilities) == labels[real]).mean()
    assert after > before + 0.2
    assert chosen.real_weight > 1
    assert chosen.rows.tolist() == np.flatnonzero(real).tolist()


def test_an_event_never_teaches_the_head_that_names_it(mixed):
    codes, labels, fold = mixed
    before = probabilities_by_fold(codes, labels, fold, names=NAMES)
    wrong = labels.copy()
    wrong[fold == 2] = "Blip"
    after = probabilities_by_fold(codes, wrong, fold, names=NAMES)
    own = fold[fold >= 0] == 2
    np.testing.assert_array_equal(before[own], after[own])
    assert not np.array_equal(before[~own], after[~own])


def test_one_real_event_of_a_class_of_its_own_is_learnt(mixed, rng):
    codes, labels, fold = mixed
    strange = np.full((1, 4), -6.0)
    codes, labels = np.r_[codes, strange], np.append(labels, "New")
    fold = np.append(fold, 0)
    chosen = choose_head(codes, labels, fold)
    assert chosen.head.names == ("Blip", "New", "Tomte", "Whistle")
    near = chosen.head.probabilities(strange + 0.1)
    assert named(near, chosen.head.names)[0] == "New"
    # Held out, its class is unknown to the head: it cannot be named, and nothing is infinite.
    assert chosen.probabilities[-1, 1] == 0
    assert np.isfinite(list(chosen.log_losses.values())).all()


def test_events_without_a_label_are_named_and_teach_nothing(mixed):
    codes, labels, fold = mixed
    fewer = labels.copy()
    fewer[-6:] = ""
    kept = fewer != ""
    found = probabilities_by_fold(codes, fewer, fold, names=NAMES)
    expected = probabilities_by_fold(codes[kept], labels[kept], fold[kept], names=NAMES)
    np.testing.assert_allclose(found[:-6], expected, atol=1e-9)
    np.testing.assert_allclose(found[-6:].sum(axis=1), 1)


def test_scores_are_those_of_scikit_learn(rng):
    probabilities = rng.dirichlet(np.ones(3), 50)
    labels = np.array(NAMES, dtype=object)[rng.integers(0, 3, 50)]
    expected = peer_log_loss(labels.astype(str), np.maximum(probabilities, 1e-4), labels=NAMES)
    assert log_loss(probabilities, labels, NAMES) == pytest.approx(expected, rel=1e-3)
    columns = [
        brier_score_loss(labels == name, probabilities[:, i]) for i, name in enumerate(NAMES)
    ]
    assert brier_score(probabilities, labels, NAMES) == pytest.approx(sum(columns))


def test_a_temperature_undoes_what_was_overstated(rng):
    truth = rng.dirichlet(np.ones(3), 4000)
    labels = np.array([NAMES[rng.choice(3, p=p)] for p in truth], dtype=object)
    overstated = tempered(truth, 0.4)
    assert fit_temperature(overstated, labels, NAMES) == pytest.approx(2.5, rel=0.15)
    np.testing.assert_allclose(tempered(overstated, 2.5), truth, atol=1e-9)


def test_a_head_names_for_prototypes_as_it_does_alone(rng):
    codes, labels = events(rng, 40)
    head = replace(fit_head(codes, labels), temperature=1.7)
    prototypes = head.names_for(Prototypes.fit(codes, labels))
    found = prototypes.classify(codes).probabilities
    np.testing.assert_allclose(found, head.probabilities(codes), rtol=1e-9)
    with pytest.raises(InputError, match="Whistle: the head is of other classes"):
        head.names_for(Prototypes.fit(codes[:80], labels[:80]))


def test_bad_input_is_named(rng):
    codes, labels = events(rng, 5)
    hole = codes.copy()
    hole[7, 1] = np.nan
    fold = np.arange(15) % 3
    cases = [
        (lambda: fit_head(hole, labels), "row 7: a code that is not finite"),
        (lambda: fit_head(codes, labels, np.zeros(15)), "row 0: a weight that is not above zero"),
        (lambda: fit_head(codes, labels, -np.ones(15)), "row 0: a weight"),
        (lambda: fit_head(codes, labels[:3]), r"labels \(15,\)"),
        (lambda: fit_head(codes, np.full(15, "Blip", object)), "two classes; found Blip"),
        (lambda: fit_head(codes, np.full(15, "", object)), "two classes; found no label"),
        (lambda: choose_head(codes, labels, np.full(15, -1)), "no event to hold out"),
        (
            lambda: choose_head(codes, labels, fold[:4]),
            "the number of folds differs from the number of events",
        ),
        (
            lambda: choose_head(codes, labels, fold, known=("Blip", "Tomte", "Whistles")),
            r"row 10: .*did you mean 'Whistles'",
        ),
    ]
    for call, message in cases:
        with pytest.raises(InputError, match=message):
            call()

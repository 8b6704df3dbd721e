"""Class prototypes: nearest class, honest probabilities, novelty, files without pickle."""

import dataclasses

import numpy as np
import pytest
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from glitchvae.classes.prototypes import (
    EVENTS_PER_CENTRE,
    Prototypes,
)
from glitchvae.errors import InputError, ModelError

MEANS = {"Blip": (0, 0, 0), "Tomte": (6, 0, 0), "Whistle": (0, 6, 0)}


def events(rng, count=30, spread=1.0):
    codes = np.concatenate([rng.normal(m, spread, (count, 3)) for m in MEANS.values()])
    return codes, np.repeat(np.array(list(MEANS), dtype=object), count)


@pytest.fixture
def prototypes(rng) -> Prototypes:
    return Prototypes.fit(*events(rng), held_out=events(rng))


def test_events_are_given_the_class_they_lie_near(prototypes, rng):
    codes, labels = events(rng)
    found = prototypes.classify(codes)
    assert np.mean(found.class_name == labels) > 0.97
    assert found.class_probability.dtype == found.novelty_p.dtype == np.float32
    assert ((found.class_probability >= 1 / 3) & (found.class_probability <= 1)).all()


def test_one_centre_a_class_is_linear_discriminant_analysis(rng):
    codes, labels = events(rng, spread=2.5)
    assert len(codes) / 3 < EVENTS_PER_CENTRE
    ours = Prototypes.fit(codes, labels, held_out=(codes, labels)).classify(codes)
    theirs = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto", priors=[1 / 3] * 3)
    agreement = np.mean(ours.class_name == theirs.fit(codes, labels.astype(str)).predict(codes))
    assert agreement > 0.97


def test_a_class_of_two_shapes_gets_two_centres(rng):
    near = rng.normal((0, 0, 0), 0.5, (60, 3))
    split = np.concatenate([rng.normal((8 * s, 0, 0), 0.5, (60, 3)) for s in (-1, 1)])
    labels = np.array(["middle"] * 60 + ["sides"] * 120, dtype=object)
    codes = np.concatenate([near, split])
    prototypes = Prototypes.fit(codes, labels, held_out=(codes, labels))
    assert np.mean(prototypes.classify(codes).class_name == labels) > 0.99


def test_probabilities_are_calibrated_on_held_out_events(rng):
    overlapping = {"spread": 4.0, "count": 1500}
    prototypes = Prototypes.fit(*events(rng, **overlapping), held_out=events(rng, **overlapping))
    codes, labels = events(rng, **overlapping)
    found = prototypes.classify(codes)
    accuracy = np.mean(found.class_name == labels)
    assert np.mean(found.class_probability) == pytest.approx(accuracy, abs=0.04)


@pytest.mark.parametrize("spread", [1.0, 2.5])
def test_the_metric_that_is_kept_makes_held_out_classes_likelier(rng, spread):
    codes, labels = events(rng, count=60, spread=spread)
    held_out = events(rng, count=60, spread=spread)
    prototypes = Prototypes.fit(codes, labels, held_out=held_out)
    plain = dataclasses.replace(prototypes, metric=None)._calibrated(*held_out)
    assert prototypes._surprise(*held_out) <= plain._surprise(*held_out)


def test_novelty_does_not_depend_on_the_learnt_metric(prototypes, rng):
    codes, _ = events(rng)
    other = dataclasses.replace(prototypes, metric=rng.normal(size=(3, 3)))
    np.testing.assert_array_equal(
        prototypes.classify(codes).novelty_p, other.classify(codes).novelty_p
    )


def test_novelty_of_known_events_is_uniform_and_of_far_ones_at_its_floor(prototypes, rng):
    known = prototypes.classify(events(rng, count=300)[0]).novelty_p
    assert np.mean(known) == pytest.approx(0.5, abs=0.1)
    far = prototypes.classify(np.full((1, 3), 40.0))
    assert far.novelty_p[0] == np.float32(1 / (90 + 1))  # of 90 held-out events


def test_novelty_is_a_rank_among_known_events(rng):
    """Against a count, and never more optimistic than its level (Phipson and Smyth 2010)."""
    prototypes = Prototypes.fit(*events(rng), held_out=events(rng))
    background = events(rng, count=40)[0]
    ranked = prototypes.with_background(background)
    codes = events(rng, count=500, spread=1.0)[0]
    whitened = [c @ ranked.whitener for c in (background, codes, ranked.centres)]
    far = [np.linalg.norm(w[:, None] - whitened[2], axis=2).min(axis=1) for w in whitened[:2]]
    counted = np.array([(np.sum(far[0] >= d) + 1) / 121 for d in far[1]])
    found = ranked.classify(codes).novelty_p
    np.testing.assert_allclose(found, counted, rtol=1e-6)
    assert found.min() >= np.float32(1 / 121)
    for level in (0.05, 0.2, 0.5):
        assert np.mean(found <= level) == pytest.approx(level, abs=0.11)


def test_novelty_without_real_events_behind_it_is_extrapolated(prototypes, rng, tmp_path):
    codes = np.vstack([events(rng)[0], np.full((1, 3), np.nan)])
    assert prototypes.background_events_real == 0
    assert list(prototypes.classify(codes).flags) == ["extrapolated"] * 90 + [""]
    assert set(prototypes.with_background(events(rng, 33)[0]).classify(codes).flags[:-1]) == {
        "extrapolated"
    }
    enough = prototypes.with_background(events(rng, 34)[0])
    enough.save(tmp_path / "head.safetensors")
    again = Prototypes.load(tmp_path / "head.safetensors")
    assert again.background_events_real == 102
    assert set(again.classify(codes).flags) == {""}
    with pytest.raises(InputError, match="background"):
        prototypes.with_background(np.zeros((3, 2)))


def test_a_class_above_the_image_is_not_named(prototypes):
    banded = dataclasses.replace(prototypes, bands={"Whistle": (500.0, 2000.0)})
    codes = np.array([[0.0, 3.5, 0.0]] * 4)
    f_max = np.array([323.0, 500.0, 501.0, np.nan])
    found = banded.classify(codes, f_max)
    assert found.class_name.tolist() == ["Blip", "Blip", "Whistle", "Whistle"]
    np.testing.assert_array_equal(found.probabilities[:2, 2], 0)
    np.testing.assert_allclose(found.probabilities.sum(axis=1), 1)
    # What the class had goes to the others in their proportions.
    whole = prototypes.probabilities(codes[:1])[0, :2]
    np.testing.assert_allclose(found.probabilities[0, :2], whole / whole.sum())
    np.testing.assert_array_equal(found.novelty_p, prototypes.classify(codes).novelty_p)


def test_an_image_below_every_class_gets_no_name(prototypes):
    banded = dataclasses.replace(prototypes, bands=dict.fromkeys(MEANS, (500.0, 2000.0)))
    found = banded.classify(np.zeros((1, 3)), np.array([323.0]))
    assert found.class_name.tolist() == [""]
    assert np.isnan(found.class_probability).all()


def test_novelty_p_falls_with_the_distance(prototypes):
    line = np.stack([np.linspace(0, -10, 20), np.zeros(20), np.zeros(20)], axis=1)
    assert (np.diff(prototypes.classify(line).novelty_p[3:]) <= 0).all()


def test_how_often_a_class_occurs_does_not_move_the_border(rng):
    codes = np.concatenate([rng.normal(0, 1, (39, 1)), rng.normal(4, 1, (13, 1))])
    labels = np.array(["common"] * 39 + ["rare"] * 13, dtype=object)
    prototypes = Prototypes.fit(codes, labels, held_out=(codes, labels))
    assert prototypes.classify(np.array([[2.6]])).class_name[0] == "rare"


def test_unusable_codes_stay_empty(prototypes):
    codes = np.zeros((3, 3), dtype=np.float32)
    codes[1, 2] = np.nan
    found = prototypes.classify(codes)
    assert found.class_name.tolist() == ["Blip", "", "Blip"]
    assert np.isnan(found.novelty_p).tolist() == [False, True, False]
    assert np.isnan(found.class_probability[1])


def test_probabilities_of_all_classes_have_the_best_one_s(prototypes, rng):
    codes, _ = events(rng)
    codes[3] = np.nan
    found, share = prototypes.classify(codes), prototypes.probabilities(codes)
    assert share.shape == (90, 3)
    assert np.isnan(share[3]).all()
    kept = np.delete(np.arange(90), 3)
    np.testing.assert_allclose(share[kept].sum(axis=1), 1)
    np.testing.assert_allclose(share[kept].max(axis=1), found.class_probability[kept], rtol=1e-6)
    named = np.array(prototypes.names, dtype=object)[share[kept].argmax(axis=1)]
    np.testing.assert_array_equal(named, found.class_name[kept])


def test_no_codes_are_no_classes(prototypes):
    assert {len(column) for column in prototypes.classify(np.empty((0, 3)))} == {0}


def test_unlabelled_and_unusable_rows_are_left_out_of_the_fit(rng):
    codes, labels = events(rng)
    clean = Prototypes.fit(codes, labels, held_out=(codes, labels))
    dirty = Prototypes.fit(
        np.concatenate([codes, np.full((1, 3), 99.0), np.full((1, 3), np.nan)]),
        np.append(labels, ["", "Blip"]),
        held_out=(codes, labels),
    )
    np.testing.assert_array_equal(clean.centres, dirty.centres)


def test_a_fifth_is_kept_back_where_nothing_is_held_out(rng):
    codes, labels = events(rng, count=100)
    prototypes = Prototypes.fit(codes, labels)
    found = prototypes.classify(events(rng)[0])
    assert np.mean(found.novelty_p) == pytest.approx(0.5, abs=0.12)


@pytest.mark.parametrize("count", [1, 2])
def test_few_events_a_class_are_enough(count, rng):
    codes, labels = events(rng, count=count, spread=0.1)
    assert (Prototypes.fit(codes, labels).classify(codes).class_name == labels).all()


def test_a_fit_without_labels_says_so(rng):
    with pytest.raises(InputError, match="no labelled code"):
        Prototypes.fit(rng.normal(size=(5, 2)), np.full(5, "", dtype=object))


def test_lengths_must_agree(rng):
    with pytest.raises(InputError, match="differ in length"):
        Prototypes.fit(rng.normal(size=(5, 2)), np.array(["a"], dtype=object))


def test_they_come_back_from_disk_as_they_were(prototypes, rng, tmp_path):
    prototypes.save(tmp_path / "prototypes.safetensors")
    again = Prototypes.load(tmp_path / "prototypes.safetensors")
    codes, _ = events(rng)
    for before, after in zip(prototypes.classify(codes), again.classify(codes), strict=True):
        np.testing.assert_array_equal(before, after)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 a pickle", b"\x08" + b"\0" * 40])
def test_damaged_files_are_named(content, tmp_path):
    path = tmp_path / "prototypes.safetensors"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r"prototypes\.safetensors"):
        Prototypes.load(path)


def test_some_known_codes_are_kept_and_come_back_from_disk(tmp_path, rng):
    codes = rng.normal(size=(900, 3)) + np.repeat([[0.0], [9.0], [18.0]], 300, axis=0)
    labels = np.repeat(["a", "b", "c"], 300).astype(object)
    apart = np.arange(900) % 3 == 0
    fitted = Prototypes.fit(codes[~apart], labels[~apart], held_out=(codes[apart], labels[apart]))
    fitted.save(tmp_path / "p.safetensors")
    found = Prototypes.load(tmp_path / "p.safetensors")
    assert found.reference is not None
    assert found.reference_owners is not None
    np.testing.assert_array_equal(found.reference_owners, np.repeat([0, 1, 2], 300))
    np.testing.assert_allclose(
        np.sort(found.reference[:, 0]), np.sort(codes[:, 0].astype(np.float32))
    )
    kept_first = fitted.reference[:100]
    held = codes[apart & (labels == "a")].astype(np.float32)
    assert {tuple(c) for c in kept_first} == {tuple(c) for c in held}


def test_prototypes_without_kept_codes_can_be_read(tmp_path, rng):
    codes = rng.normal(size=(60, 2))
    fitted = Prototypes.fit(codes, np.repeat(["a", "b"], 30).astype(object))
    bare = dataclasses.replace(fitted, reference=None, reference_owners=None)
    bare.save(tmp_path / "p.safetensors")
    assert Prototypes.load(tmp_path / "p.safetensors").reference is None


@pytest.mark.parametrize("kept", [True, False])
def test_a_class_that_is_added_explains_its_events(rng, kept):
    codes, labels = events(rng, 60)
    prototypes = Prototypes.fit(codes, labels)
    if not kept:
        prototypes = dataclasses.replace(prototypes, reference=None, reference_owners=None)
    new = rng.normal((20, 20, 0), 1.0, (30, 3))
    assert (prototypes.classify(new).novelty_p == prototypes.classify(new).novelty_p.min()).all()
    assert prototypes.classify(new).novelty_p[0] < 0.05
    grown = prototypes.with_class("Ripple", np.vstack([new, np.full(3, np.nan)]))
    assert grown.names == ("Blip", "Ripple", "Tomte", "Whistle")
    assert set(grown.classify(new).class_name) == {"Ripple"}
    assert np.median(grown.classify(new).novelty_p) > 0.1
    before, after = prototypes.classify(codes), grown.classify(codes)
    assert (before.class_name == after.class_name).all()
    np.testing.assert_array_equal(before.novelty_p, after.novelty_p)
    if kept:
        assert np.sum(grown.reference_owners == 1) == 30
        assert np.sum(grown.reference_owners == 3) == np.sum(prototypes.reference_owners == 2)


def test_a_class_that_is_there_grows(rng):
    codes, labels = events(rng, 60)
    prototypes = Prototypes.fit(codes, labels)
    new = rng.normal((-8, 0, 0), 1.0, (30, 3))
    grown = prototypes.with_class("Blip", new)
    assert grown.names == prototypes.names
    assert set(grown.classify(new).class_name) == {"Blip"}


def test_codes_of_another_size_are_no_class(rng):
    prototypes = Prototypes.fit(*events(rng, 20))
    with pytest.raises(InputError, match=r"'Ripple'.*expected \(N, 3\); found \(5, 2\)"):
        prototypes.with_class("Ripple", np.zeros((5, 2)))
    with pytest.raises(InputError, match="none both usable and labelled"):
        prototypes.with_class("Ripple", np.full((5, 3), np.nan))


def test_discriminants_are_the_log_densities_of_a_gaussian_mixture(rng):
    """But for a term that the classes of a code share."""
    from scipy.special import logsumexp
    from scipy.stats import multivariate_normal

    centres, owners = rng.normal(size=(5, 3)), np.array([0, 1, 0, 1, 1])
    metric = rng.normal(size=(3, 3))
    prototypes = Prototypes(
        names=("A", "B"),
        centres=centres,
        owners=owners,
        whitener=np.eye(3),
        temperature=1.0,
        known_distances=np.zeros(1),
        metric=metric,
    )
    codes = rng.normal(size=(20, 3))
    slopes, offsets, own = prototypes.discriminants
    each = codes @ slopes + offsets
    gained = logsumexp(each[:, own[0]], axis=1) - logsumexp(each[:, own[1]], axis=1)
    covariance = np.linalg.inv(metric @ metric.T)
    density = np.stack([multivariate_normal(c, covariance).pdf(codes) for c in centres], axis=1)
    first, second = density[:, owners == 0].mean(axis=1), density[:, owners == 1].mean(axis=1)
    np.testing.assert_allclose(gained, np.log(first / second), rtol=1e-9)


def linear_head(codes, labels):
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression().fit(codes, labels.astype(str))


def test_linear_functions_give_the_probabilities_of_their_head(prototypes, rng, tmp_path):
    codes, labels = events(rng, spread=2.5)
    head = linear_head(codes, labels)
    taught = prototypes.with_functions(head.classes_.tolist(), head.coef_.T, head.intercept_)
    taught.save(tmp_path / "p.safetensors")
    for each in (taught, Prototypes.load(tmp_path / "p.safetensors")):
        np.testing.assert_allclose(each.probabilities(codes), head.predict_proba(codes), atol=1e-9)
    np.testing.assert_array_equal(
        taught.classify(codes).novelty_p, prototypes.classify(codes).novelty_p
    )


def test_linear_functions_of_other_classes_are_refused(prototypes):
    with pytest.raises(InputError, match=r"expected 3 classes, slopes \(3, 3\)"):
        prototypes.with_functions(["Blip", "Tomte"], np.zeros((3, 2)), np.zeros(2))
    with pytest.raises(InputError, match="functions of other classes"):
        prototypes.with_functions(["Blip", "Tomte", "Comb"], np.zeros((3, 3)), np.zeros(3))


@pytest.mark.parametrize("name", ["Ripple", "Blip"])
def test_a_class_is_added_or_grows_beside_linear_functions(name, rng):
    codes, labels = events(rng, 60)
    head = linear_head(codes, labels)
    prototypes = Prototypes.fit(codes, labels)
    taught = prototypes.with_functions(head.classes_.tolist(), head.coef_.T, head.intercept_)
    new = rng.normal((-8, 14, 0), 1.0, (90, 3))
    grown = taught.with_class(name, new).with_class("Comb", rng.normal((0, 0, 15), 1.0, (30, 3)))
    assert set(grown.classify(new).class_name) == {name}
    assert np.mean(grown.classify(codes).class_name == taught.classify(codes).class_name) > 0.98
    assert set(grown.classify(rng.normal((0, 0, 15), 1.0, (30, 3))).class_name) == {"Comb"}

"""The six metrics: known values on known codes, and oracles written from the definitions."""

from itertools import product

import numpy as np
import pytest
from scipy.integrate import trapezoid
from scipy.stats import entropy as scipy_entropy
from scipy.stats import norm
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import mutual_info_score
from sklearn.svm import LinearSVC

from glitchvae.errors import InputError
from glitchvae.validation.disentanglement import (
    METRICS,
    Protocol,
    beta_vae_score,
    check,
    dci,
    dci_exact,
    factor_vae_score,
    gain_importance,
    measure,
    mig,
    mig_chen,
    modularity,
    mutual_information,
    name_dimensions,
    sap,
    steps_of,
)
from glitchvae.validation.disentanglement.dci import completeness, disentanglement
from glitchvae.validation.disentanglement.information import into_bins
from glitchvae.validation.disentanglement.protocol import two_samples

SIZES = (3, 4, 5)
NAMES = ("shape", "x", "y")
SMALL = Protocol(train=1200, test=600, rounds=10, groups=10, refits=2, mixture=1800, draws=300)


@pytest.fixture(scope="module")
def factors():
    grid = np.array(list(product(*map(range, SIZES))))
    return np.tile(grid, (30, 1))


@pytest.fixture(scope="module")
def identity(factors):
    return (factors - factors.mean(axis=0)) / factors.std(axis=0)


def values(codes, factors, metrics=METRICS, seed=0):
    found = {}
    for metric in metrics:
        found |= metric(codes, factors, np.random.default_rng(seed), SMALL)
    return {name: estimate.value for name, estimate in found.items()}


EXACT = {
    "beta_vae": 1,
    "factor_vae": 1,
    "mig": 1,
    "dci_disentanglement": 1,
    "dci_completeness": 1,
    "dci_informativeness": 1,
    "modularity": 1,
    "modularity_active": 1,
}


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1)])
def test_a_code_of_one_factor_a_dimension_scores_one_in_any_order(identity, factors, order):
    found = values(identity[:, order], factors)
    assert {name: found[name] for name in EXACT} == pytest.approx(EXACT, abs=0.01)


def test_shuffled_codes_know_nothing(identity, factors, rng):
    found = values(rng.permutation(identity), factors)
    assert found["beta_vae"] == pytest.approx(1 / 3, abs=0.08)
    assert found["factor_vae"] == pytest.approx(1 / 3, abs=0.08)
    assert found["mig"] < 0.01
    assert found["sap"] < 0.03
    assert found["dci_disentanglement"] < 0.4
    assert found["dci_informativeness"] == pytest.approx(np.mean(1 / np.array(SIZES)), abs=0.06)
    assert 0.3 < found["modularity"] < 1  # noise scores high: why the baseline is printed


def test_a_rotated_code_scores_between_noise_and_identity(identity, factors, rng):
    rotation = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    noise = rng.permutation(identity)
    metrics = (mig, dci, sap)
    low, found, high = (
        values(codes, factors, metrics) for codes in (noise, identity @ rotation, identity)
    )
    for name in ("mig", "dci_disentanglement", "dci_completeness", "sap"):
        assert low[name] < found[name] < high[name], name


def test_constant_codes_score_nothing(factors):
    found = values(np.zeros((len(factors), 2)), factors)
    assert found["factor_vae"] == found["mig"] == found["sap"] == 0
    assert found["modularity"] == found["modularity_active"] == 0
    assert found["dci_disentanglement"] == found["dci_completeness"] == 0
    assert found["beta_vae"] == pytest.approx(1 / 3, abs=0.08)


@pytest.mark.parametrize("metric", [mig, mig_chen])
def test_a_factor_that_never_changes_has_no_gap(identity, factors, metric):
    constant = factors.copy()
    constant[:, 1] = 2
    given = (identity, 0 * identity) if metric is mig_chen else (identity,)
    with pytest.raises(InputError, match="column 1 of the factors: a factor is constant"):
        metric(*given, constant, np.random.default_rng(0), SMALL)
    with pytest.raises(InputError, match="no factor"):
        metric(*given, factors[:, :0], np.random.default_rng(0), SMALL)


def test_exact_dci_is_that_of_the_reference_study(entangled, factors):
    """`disentanglement_lib`, dci.py: importances, and entropies by scipy with its 1e-11."""
    found = dci_exact(entangled, factors, np.random.default_rng(5), SMALL)
    train, test = two_samples(len(factors), SMALL, np.random.default_rng(5))
    importance, right = np.zeros((entangled.shape[1], 3)), []
    for k in range(3):
        trees = GradientBoostingClassifier(
            n_estimators=SMALL.rounds, max_depth=SMALL.depth, random_state=0
        ).fit(entangled[train], factors[train, k])
        importance[:, k] = np.abs(trees.feature_importances_)
        right.append(trees.score(entangled[test], factors[test, k]))
    per_code = 1 - scipy_entropy(importance.T + 1e-11, base=3)
    per_factor = 1 - scipy_entropy(importance + 1e-11, base=len(importance))
    expected = {
        "dci_disentanglement_exact": per_code @ importance.sum(axis=1) / importance.sum(),
        "dci_completeness_exact": per_factor @ importance.sum(axis=0) / importance.sum(),
        "dci_informativeness_exact": np.mean(right),
    }
    assert {name: one.value for name, one in found.items()} == pytest.approx(expected, abs=1e-6)


def test_exact_dci_stands_beside_the_other_on_request(identity, factors):
    names = [x.metric for x in measure(identity, factors, NAMES, protocol=SMALL, exact_dci=True)]
    assert [n for n in names if n.endswith("_exact")] == [
        f"dci_{part}_exact" for part in ("disentanglement", "completeness", "informativeness")
    ]
    plain = [x.metric for x in measure(identity, factors, NAMES, protocol=SMALL)]
    assert plain == [n for n in names if not n.endswith("_exact")]


def test_duplicated_codes_are_modular_but_have_no_gap(identity, factors):
    found = values(np.hstack([identity, identity]), factors, (mig, modularity, sap, dci))
    assert found["mig"] == found["sap"] == 0
    assert found["modularity"] == pytest.approx(1, abs=1e-6)
    assert found["dci_disentanglement"] == pytest.approx(1, abs=0.01)


def test_an_unused_dimension_does_not_vote(identity, factors, rng):
    tiny = 1e-3 * rng.normal(size=(len(factors), 1))
    codes = np.hstack([identity, tiny])
    assert values(codes, factors, [factor_vae_score])["factor_vae"] == 1
    both = values(codes, factors, [modularity])
    assert both["modularity_active"] == pytest.approx(1, abs=1e-6)
    assert both["modularity"] < both["modularity_active"]


@pytest.fixture(scope="module")
def entangled(identity):
    rng = np.random.default_rng(3)
    mixed = identity @ np.array([[1, 0.3, 0, 0.5], [0, 1, 0.6, 0.1], [0.2, 0, 1, 0.4]])
    return mixed + 0.3 * rng.normal(size=mixed.shape)


def sampling_error(share, count):
    return 4 * np.sqrt(share * (1 - share) / count) + 0.02


def test_beta_vae_score_agrees_with_its_definition(entangled, factors, rng):
    def draw(count):
        x, y = [], []
        for _ in range(count):
            k = rng.integers(3)
            differences = []
            for _ in range(SMALL.batch):
                a = rng.integers(len(factors))
                b = rng.choice(np.flatnonzero(factors[:, k] == factors[a, k]))
                differences.append(abs(entangled[a] - entangled[b]))
            x.append(np.mean(differences, axis=0))
            y.append(k)
        return x, y

    oracle = LogisticRegression(max_iter=1000).fit(*draw(300)).score(*draw(150))
    found = values(entangled, factors, [beta_vae_score])["beta_vae"]
    assert found == pytest.approx(oracle, abs=sampling_error(oracle, 150))


def test_factor_vae_score_agrees_with_its_definition(entangled, factors, rng):
    scale = entangled.var(axis=0)

    def draw(count):
        votes = []
        for _ in range(count):
            k = rng.integers(3)
            value = factors[rng.integers(len(factors)), k]
            rows = rng.choice(np.flatnonzero(factors[:, k] == value), SMALL.batch)
            votes.append((np.argmin(entangled[rows].var(axis=0, ddof=1) / scale), k))
        return votes

    table = np.zeros((4, 3))
    for dimension, k in draw(2000):
        table[dimension, k] += 1
    oracle = np.mean([table[dimension].argmax() == k for dimension, k in draw(1000)])
    found = values(entangled, factors, [factor_vae_score])["factor_vae"]
    assert found == pytest.approx(oracle, abs=sampling_error(oracle, 600))


def test_mutual_information_is_that_of_scikit_learn(entangled, factors):
    edges = [np.linspace(z.min(), z.max(), 21)[1:-1] for z in entangled.T]
    bins = np.column_stack([np.digitize(z, e) for z, e in zip(entangled.T, edges, strict=True)])
    assert (into_bins(entangled, 20) == bins).mean() > 0.999
    oracle = [[mutual_info_score(z, v) for v in factors.T] for z in bins.T]
    assert mutual_information(bins, factors) == pytest.approx(np.array(oracle), abs=1e-9)


def test_mig_and_modularity_agree_with_their_definitions(entangled, factors):
    everything = Protocol(train=len(factors), test=1, groups=5)
    bins = into_bins(entangled, 20)
    known = np.array([[mutual_info_score(z, v) for v in factors.T] for z in bins.T])
    gaps = []
    for k in range(3):
        best, second = sorted(known[:, k], reverse=True)[:2]
        gaps.append((best - second) / np.log(SIZES[k]))
    found = mig(entangled, factors, np.random.default_rng(0), everything)["mig"]
    assert found.value == pytest.approx(np.mean(gaps), abs=1e-9)
    modular = []
    for row in known:
        best = row.argmax()
        rest = sum(row[j] ** 2 for j in range(3) if j != best)
        modular.append(1 - rest / (row[best] ** 2 * 2))
    found = modularity(entangled, factors, np.random.default_rng(0), everything)["modularity"]
    assert found.value == pytest.approx(np.mean(modular), abs=1e-9)


def test_sap_agrees_with_its_definition(entangled, factors, rng):
    order = rng.permutation(len(factors))
    train, test = order[:1200], order[1200:]
    accuracies = np.empty((4, 3))
    for d, k in product(range(4), range(3)):
        machine = LinearSVC(C=0.01, class_weight="balanced")
        machine.fit(entangled[train, d : d + 1], factors[train, k])
        accuracies[d, k] = machine.score(entangled[test, d : d + 1], factors[test, k])
    ranked = np.sort(accuracies, axis=0)
    found = values(entangled, factors, [sap])["sap"]
    assert found == pytest.approx((ranked[-1] - ranked[-2]).mean(), abs=0.06)


def test_dci_agrees_with_scikit_learns_exact_trees(entangled, factors):
    rng = np.random.default_rng(5)
    rows = rng.permutation(len(factors))
    train, test = rows[: SMALL.train], rows[SMALL.train :]
    importance, accuracies = [], []
    for factor in factors.T:
        trees = GradientBoostingClassifier(n_estimators=SMALL.rounds, max_depth=SMALL.depth)
        trees.fit(entangled[train], factor[train])
        importance.append(trees.feature_importances_)
        accuracies.append(trees.score(entangled[test], factor[test]))
    P = np.array(importance).T
    rows = [1 - scipy_entropy(p, base=3) for p in P]
    columns = [1 - scipy_entropy(p, base=4) for p in P.T]
    found = dci(entangled, factors, rng, SMALL.model_copy(update={"refits": 0}))
    oracle = np.average(rows, weights=P.sum(axis=1))
    assert disentanglement(P) == pytest.approx(oracle)
    assert completeness(P) == pytest.approx(np.average(columns, weights=P.sum(axis=0)))
    assert found["dci_disentanglement"].value == pytest.approx(oracle, abs=0.06)
    assert found["dci_completeness"].value == pytest.approx(completeness(P), abs=0.06)
    assert found["dci_informativeness"].value == pytest.approx(np.mean(accuracies), abs=0.04)
    assert np.isnan(found["dci_disentanglement"].low)


def test_gains_are_shares_that_point_at_what_was_used(entangled, factors):
    from sklearn.ensemble import HistGradientBoostingClassifier

    useless = np.random.default_rng(0).normal(size=(len(factors), 1))
    x = np.hstack([factors[:, :1].astype(float), useless])
    shares = gain_importance(HistGradientBoostingClassifier(max_iter=3).fit(x, factors[:, 0]))
    assert shares.sum() == pytest.approx(1)
    assert shares[0] > 0.99
    constant = HistGradientBoostingClassifier(max_iter=3).fit(np.zeros_like(x), factors[:, 0])
    assert gain_importance(constant).tolist() == [0, 0]


def test_chens_mig_agrees_with_its_definition():
    rng = np.random.default_rng(1)
    factors = np.tile(np.array(list(product(range(2), range(3)))), (20, 1))
    mean = factors @ np.array([[1.0, 0.2], [0.1, 1.0]]) * 2
    log_var = np.full_like(mean, -1.0)
    width = np.exp(-0.5)
    protocol = Protocol(train=2, test=1, mixture=120, draws=120, groups=5)
    found = mig_chen(mean, log_var, factors, rng, protocol)["mig_chen"]
    # Entropies of one-dimensional mixtures, by integration.
    grid = np.linspace(-8, 12, 8001)

    def differential(centres):
        q = norm.pdf(grid[:, None], centres, width).mean(axis=1)
        return -trapezoid(q * np.log(np.where(q > 0, q, 1)), grid)

    gaps = []
    for k, size in enumerate((2, 3)):
        gained = []
        for z in mean.T:
            parts = [differential(z[factors[:, k] == v]) for v in range(size)]
            gained.append(differential(z) - np.mean(parts))
        gaps.append(abs(gained[0] - gained[1]) / np.log(size))
    assert found.low - 0.05 < np.mean(gaps) < found.high + 0.05
    assert found.value == pytest.approx(np.mean(gaps), abs=0.12)


def test_measure_prints_every_metric_with_baseline_and_interval(entangled, factors):
    log_var = np.full_like(entangled, -2.0)
    steps = []
    scores = measure(
        entangled, factors, NAMES, log_var=log_var, protocol=SMALL, progress=steps.append
    )
    means = [s for s in scores if s.representation == "mean"]
    assert sum(steps) == steps_of(True)
    assert len(means) == len({s.metric for s in means}) == 9
    assert {s.metric for s in scores} == {*EXACT, "sap", "mig_chen"}
    assert all(s.low <= s.value <= s.high for s in means)
    by_name = {s.metric: s for s in means}
    for name in ("beta_vae", "factor_vae", "mig", "sap", "dci_disentanglement"):
        assert by_name[name].noise < by_name[name].low, name
    again = measure(entangled, factors, NAMES, protocol=SMALL)
    assert again == tuple(means)


def test_dimensions_are_named_after_the_factor_they_know(identity, factors):
    codes = np.hstack([identity[:, [2, 0]], np.zeros((len(factors), 1))])
    named = name_dimensions(codes, factors, NAMES)
    assert [name for name, _ in named] == ["y", "shape", ""]
    assert [share for _, share in named] == pytest.approx([1, 1, 0])


def test_bad_input_is_named(identity, factors):
    broken = identity.copy()
    broken[7, 1] = np.nan
    constant = factors.copy()
    constant[:, 1] = 2
    cases = [
        ((identity[:-1], factors, NAMES, 10), "the arrays differ in length.*1799.*1800"),
        ((identity, factors, NAMES[:2], 10), "the arrays differ in length"),
        ((identity, factors, NAMES, 15_000), "too few points.*15,000 or more.*1,800"),
        ((broken, factors, NAMES, 10), "row 7.*not finite.*1 such rows of 1,800"),
        ((identity, constant, NAMES, 10), "x: a factor is constant.*2 in all 1,800"),
        ((identity, factors[:, :1], NAMES[:1], 10), "two factors or more"),
        ((identity, factors[:, 0], NAMES, 10), r"factors:.*\(points, columns\).*\(1800,\)"),
        ((identity[:, 0], factors, NAMES, 10), r"codes:.*\(points, columns\).*\(1800,\)"),
        ((identity[:, :0], factors, NAMES, 10), r"codes:.*found shape \(1800, 0\)"),
        ((identity, factors + 0.5, NAMES, 10), "factors:.*whole numbers.*float64"),
        ((identity, factors - 1, NAMES, 10), "factors:.*negative values.*found -1"),
    ]
    for arguments, message in cases:
        with pytest.raises(InputError, match=message):
            check(*arguments)
    with pytest.raises(InputError, match="too few points"):
        measure(identity, factors, NAMES)
    with pytest.raises(InputError, match="variances do not fit"):
        measure(identity, factors, NAMES, log_var=identity[:, :2], protocol=SMALL)


def test_a_protocol_scales_down_but_not_up():
    assert Protocol().scaled_to(1_500_000) == Protocol()
    small = Protocol().scaled_to(1500)
    assert (small.train, small.test) == (1000, 500)

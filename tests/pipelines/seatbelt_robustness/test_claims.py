"""Claims are paired differences, and verdicts follow from their intervals."""

from types import SimpleNamespace

import numpy as np
import pytest
from glitchvae_recipe_seatbelt_robustness.claims import (
    Cell,
    judge,
    lowest_rate,
    over_seeds,
    report,
)
from scipy.stats import ttest_1samp

from glitchvae.statistics import claims_markdown


def study(falls, divergences, loglik_drops=(), seeds=range(5), kinds=("seatbelt",)):
    """Made-up models: how far ELBOs fall per unit of beta, and how they resist, by kind."""
    models = [("tc", 1), *((kind, 3) for kind in kinds)]
    loglik_drops = dict(loglik_drops) or dict.fromkeys(falls, 5.0)
    return {
        Cell(kind, layers, beta, seed): SimpleNamespace(
            evidence=SimpleNamespace(
                elbo=-100 - seed - falls[kind] * beta,
                rates=tuple(beta + seed + k for k in range(layers)),
            ),
            norms=(10 + falls[kind] * beta, 20 - falls[kind] * beta),
            mean_relative_divergence=divergences[kind] + 0.01 * beta + 0.001 * np.arange(4.0),
            half_divergence_norm=10 * divergences[kind] + 0.1 * np.arange(4.0),
            loglik_drop=loglik_drops[kind] + seed + 0.5 * beta,
            by_layer={k: 50.0 + 3 * k + np.arange(4.0) for k in range(layers + 1)},
        )
        for kind, layers in models
        for beta in (1.0, 5.0)
        for seed in seeds
    }


def claim_of(found, *words):
    (claim,) = [claim for claim in found if all(word in claim.text for word in words)]
    return claim


GOOD = study({"tc": 5, "seatbelt": 2}, {"tc": 0.3, "seatbelt": 0.5}, {"tc": 9, "seatbelt": 6})


@pytest.mark.parametrize(
    ("words", "expected", "verdict"),
    [
        (("beta-TCVAE, beta = 5, is harder",), 0.04, "confirmed"),
        (("ELBO", "falls less"), 4 * 5 - 4 * 2, "confirmed"),
        (("Seatbelt-VAE, L = 3, beta = 5, is harder", "with beta = 1"), 0.04, "confirmed"),
        (("is harder to attack than the plain VAE",), 0.24, "confirmed"),
        (("is harder to attack than beta-TCVAE",), 0.2, "confirmed"),
        (("takes a larger perturbation than the plain",), 2, "confirmed"),
        (("takes a larger perturbation than beta-TCVAE",), 2, "confirmed"),
        (("loses less likelihood to noise than the plain",), 1, "confirmed"),
        (("Seatbelt-VAE, L = 3 loses less", "with beta = 5 than with 1"), -2, "contradicted"),
        # From 15 to 35 and from 12 to 20; from 15 to -5 and from 18 to 10.
        (("norm of the encoder", "changes less"), 100 * (20 / 15 - 8 / 12), "confirmed"),
        (("norm of the decoder", "changes less"), 100 * (20 / 15 - 8 / 18), "confirmed"),
        (("the base layer", "alone"), 3, "confirmed"),
        (("the top layer", "alone"), 9, "confirmed"),
        (("carries least carries more",), 4, "confirmed"),
        (("falls as its size grows",), None, "cannot be judged"),
    ],
)
def test_differences_are_paired_and_have_the_papers_sign(words, expected, verdict):
    claim = claim_of(judge(GOOD), *words)
    assert claim.verdict == verdict
    if expected is not None:
        assert claim.found.value == pytest.approx(expected)


def test_the_opposite_is_said_too():
    found = judge(study({"tc": 1, "seatbelt": 4}, {"tc": 0.58, "seatbelt": 0.5}))
    for words in (("ELBO",), ("harder to attack than the plain",), ("harder", "than beta-TCVAE")):
        assert claim_of(found, *words).verdict == "contradicted"


def test_noise_is_worse_for_a_hierarchy_without_the_likelihood_on_all_layers():
    numbers = ({"tc": 5, "tc-dlgm": 2}, {"tc": 0.3, "tc-dlgm": 0.5})
    found = judge(study(*numbers, kinds=("tc-dlgm",)))
    assert claim_of(found, "beta-TCDLGM, L = 3 loses more").found.value == pytest.approx(2)
    assert claim_of(found, "beta-TCVAE loses less").found.value == pytest.approx(-2)
    assert claim_of(found, "ELBO of beta-TCDLGM").verdict == "confirmed"


def test_a_seed_that_is_missing_somewhere_is_left_out():
    made = dict(GOOD)
    del made[Cell("seatbelt", 3, 5.0, 2)]
    found = judge(made)
    assert len(claim_of(found, "ELBO").found.seeds) == 4
    assert len(claim_of(found, "beta-TCVAE, beta = 5, is harder").found.seeds) == 5
    for seed in range(5):
        made.pop(Cell("seatbelt", 3, 5.0, seed), None)
    assert claim_of(judge(made), "ELBO").found is None
    assert claim_of(judge(made), "ELBO").verdict == "cannot be judged"


def test_the_interval_over_seeds_is_students():
    made = study({"tc": 5, "seatbelt": 2}, {"tc": 0.3, "seatbelt": 0.5}, seeds=range(5))
    shifts = (0.5, -1.0, 0.7, 2.0, 0.1)
    for seed, shift in enumerate(shifts):
        made[Cell("seatbelt", 3, 5.0, seed)].evidence.elbo += shift
    expected = ttest_1samp(12 + np.array(shifts), 0).confidence_interval(0.9)
    claim = claim_of(judge(made), "ELBO")
    assert claim.found.interval == pytest.approx((expected.low, expected.high))


def test_seeds_and_pairs_both_widen_the_interval():
    made = study({"tc": 5, "seatbelt": 2}, {"tc": 0.3, "seatbelt": 0.5})
    narrow = claim_of(judge(made), "harder to attack than the plain")
    made[Cell("seatbelt", 3, 5.0, 1)].mean_relative_divergence += 0.02
    made[Cell("seatbelt", 3, 5.0, 0)].mean_relative_divergence -= 0.02
    wide = claim_of(judge(made), "harder to attack than the plain")
    assert wide.found.value == pytest.approx(narrow.found.value)
    assert np.diff(wide.found.interval) > np.diff(narrow.found.interval) + 0.02


@pytest.mark.parametrize("seeds", [[0], [0, 1], [0, 1, 2, 3]])
def test_few_seeds_decide_nothing_however_many_pairs_there_are(seeds):
    made = study({"tc": 5, "seatbelt": 2}, {"tc": 0.3, "seatbelt": 0.5}, seeds=seeds)
    found = judge(made)
    assert {claim.verdict for claim in found} == {"cannot be judged"}
    text = claims_markdown(found)
    few = f"{len(seeds)} seed{'s' * (len(seeds) > 1)}, 5 are needed"
    assert text.count(f"cannot be judged ({few}") == len(found) - 1
    assert text.count("| not known |") == (len(found) - 1) * (len(seeds) == 1)
    assert "confirmed" not in text


def test_a_training_that_fell_short_takes_its_claims_with_it():
    plain, strong = Cell("tc", 1, 1.0, 1), Cell("seatbelt", 3, 5.0, 0)
    before = {claim.text: claim.verdict for claim in judge(GOOD)}
    expected = {
        plain: [
            "the plain VAE",
            "than with beta = 1",
            "beta-TCVAE loses",
            "than that of beta-TCVAE",
        ],
        strong: ["Seatbelt"],
    }
    for cell, words in expected.items():
        for claim in judge(GOOD, {cell: ("collapsed: the code carries 0.1 nats",)}):
            if cell.name in claim.fell_short:
                assert claim.verdict == "cannot be judged"
                assert any(word in claim.text for word in words)
            else:
                assert claim.verdict == before[claim.text]
    withheld = [c for c in judge(GOOD, {strong: ("collapsed",)}) if c.fell_short]
    assert {c.text for c in withheld} == {text for text in before if "Seatbelt" in text}
    text = report(GOOD, {strong: ("collapsed",)})
    assert f"cannot be judged (trainings of {strong.name} fell short)" in text
    assert f"- {strong.name}: collapsed" in text


def test_the_layer_that_carries_least_is_named():
    made = study({"tc": 5, "seatbelt": 2}, {"tc": 0.3, "seatbelt": 0.5})
    assert lowest_rate(made) == (1.0, 1, Cell("seatbelt", 3, 1.0, 0))


def test_the_table_has_a_row_for_each_claim():
    made = study({"tc": 5, "seatbelt": 2}, {"tc": 0.3, "seatbelt": 0.5})
    text = claims_markdown(judge(made))
    assert text.count("\n") == 2 + len(judge(made))
    assert text.count("annot be judged") == 1  # the size of the top layer is not varied
    assert "Seatbelt-VAE, L = 3" in text


def test_names_of_cells_are_folders_and_labels_are_words():
    assert Cell("tc-dlgm", 2, 4.0, 1).name == "tc-dlgm-L2-beta4-seed1"
    assert Cell("tc-dlgm", 2, 4.0, 1).label == "beta-TCDLGM, L = 2, beta = 4"
    assert Cell("tc", 1, 1.0, 0).label == "plain VAE"
    assert Cell("tc", 1, 6.0, 0).label == "beta-TCVAE, beta = 6"


def test_the_report_is_the_table_and_the_layer_that_carries_least():
    made = study({"tc": 5, "seatbelt": 2}, {"tc": 0.3, "seatbelt": 0.5})
    rate, layer, cell = lowest_rate(made)
    assert report(made).startswith(claims_markdown(judge(made)))
    assert report(made).endswith(f"{rate:.2f} nats (z{layer} of {cell.name}).\n")


def test_over_seeds_takes_the_models_together_that_differ_in_nothing_else():
    made = study({"tc": 5, "seatbelt": 2}, {"tc": 0.3, "seatbelt": 0.5})
    rows = over_seeds(made, lambda one: (one.evidence.elbo, 1.0))
    assert len(rows) == len({cell[:3] for cell in made})
    for *model, mean, low, high, one, _, _ in rows:
        same = [m.evidence.elbo for cell, m in made.items() if list(cell[:3]) == model]
        assert (mean, low, high, one) == (np.mean(same), min(same), max(same), 1.0)

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


def study(falls, divergences, loglik_drops=(), seeds=range(5)):
    """Made-up models: how far ELBOs fall per unit of beta, and how they resist, by kind."""
    kinds = [("tc", 1), ("seatbelt", 3)]
    loglik_drops = dict(loglik_drops) or dict.fromkeys(falls, 5.0)
    return {
        Cell(kind, layers, beta, seed): SimpleNamespace(
            evidence=SimpleNamespace(
                elbo=-100 - seed - falls[kind] * beta,
                rates=tuple(beta + seed + k for k in range(layers)),
            ),
            mean_relative_divergence=divergences[kind] + 0.01 * beta + 0.001 * np.arange(4.0),
            half_divergence_norm=10 * divergences[kind] + 0.1 * np.arange(4.0),
            loglik_drop=loglik_drops[kind] + seed,
        )
        for kind, layers in kinds
        for beta in (1.0, 5.0)
        for seed in seeds
    }


def test_differences_are_paired_and_have_the_papers_sign():
    found = judge(
        study({"tc": 5, "seatbelt": 2}, {"tc": 0.3, "seatbelt": 0.5}, {"tc": 9, "seatbelt": 6})
    )
    # beta-TCVAE's share left; ELBO: 4 x 5 against 4 x 2; share grows with beta; size; noise.
    expected = [0.04, 12, 0.04, 0.24, 0.2, 2, 2, 3]
    assert [claim.found.value for claim in found] == pytest.approx(expected)
    assert [claim.verdict for claim in found] == ["confirmed"] * 8


def test_the_opposite_is_said_too():
    found = judge(study({"tc": 1, "seatbelt": 4}, {"tc": 0.58, "seatbelt": 0.5}))
    assert [found[k].verdict for k in (1, 3, 4, 5)] == ["contradicted"] * 4


def test_the_interval_over_seeds_is_students():
    made = study({"tc": 5, "seatbelt": 2}, {"tc": 0.3, "seatbelt": 0.5}, seeds=range(5))
    shifts = (0.5, -1.0, 0.7, 2.0, 0.1)
    for seed, shift in enumerate(shifts):
        made[Cell("seatbelt", 3, 5.0, seed)].evidence.elbo += shift
    expected = ttest_1samp(12 + np.array(shifts), 0).confidence_interval(0.9)
    claim = judge(made)[1]
    assert claim.found.interval == pytest.approx((expected.low, expected.high))


def test_seeds_and_pairs_both_widen_the_interval():
    made = study({"tc": 5, "seatbelt": 2}, {"tc": 0.3, "seatbelt": 0.5})
    narrow = judge(made)[3]
    made[Cell("seatbelt", 3, 5.0, 1)].mean_relative_divergence += 0.02
    made[Cell("seatbelt", 3, 5.0, 0)].mean_relative_divergence -= 0.02
    wide = judge(made)[3]
    assert wide.found.value == pytest.approx(narrow.found.value)
    assert np.diff(wide.found.interval) > np.diff(narrow.found.interval) + 0.02


@pytest.mark.parametrize("seeds", [[0], [0, 1], [0, 1, 2, 3]])
def test_few_seeds_decide_nothing_however_many_pairs_there_are(seeds):
    made = study({"tc": 5, "seatbelt": 2}, {"tc": 0.3, "seatbelt": 0.5}, seeds=seeds)
    found = judge(made)
    assert {claim.verdict for claim in found} == {"cannot be judged"}
    text = claims_markdown(found)
    few = f"{len(seeds)} seed{'s' * (len(seeds) > 1)}, 5 are needed"
    assert text.count(f"cannot be judged ({few}") == 8
    assert text.count("| not known |") == 8 * (len(seeds) == 1)
    assert "confirmed" not in text


def test_a_training_that_fell_short_takes_its_claims_with_it():
    made = study({"tc": 5, "seatbelt": 2}, {"tc": 0.3, "seatbelt": 0.5}, {"tc": 9, "seatbelt": 6})
    plain, strong = Cell("tc", 1, 1.0, 1), Cell("seatbelt", 3, 5.0, 0)
    expected = {
        plain: ["the plain VAE", "beta = 5, is harder to attack than with", "ELBO"],
        strong: ["Seatbelt"],
    }
    for cell, words in expected.items():
        found = judge(made, {cell: ("collapsed: the code carries 0.1 nats",)})
        withheld = [claim for claim in found if claim.verdict == "cannot be judged"]
        assert all(claim.fell_short == (cell.name,) for claim in withheld)
        assert {claim.verdict for claim in found if claim not in withheld} <= {"confirmed"}
        assert all(any(word in claim.text for word in words) for claim in withheld)
    assert len(withheld) == 7  # all of Seatbelt-VAE, and nothing of beta-TCVAE alone
    text = report(made, {strong: ("collapsed",)})
    assert f"cannot be judged (trainings of {strong.name} fell short)" in text
    assert f"- {strong.name}: collapsed" in text


def test_the_layer_that_carries_least_is_named():
    made = study({"tc": 5, "seatbelt": 2}, {"tc": 0.3, "seatbelt": 0.5})
    assert lowest_rate(made) == (1.0, 1, Cell("seatbelt", 3, 1.0, 0))


def test_the_table_has_a_row_for_each_claim():
    made = study({"tc": 5, "seatbelt": 2}, {"tc": 0.3, "seatbelt": 0.5})
    text = claims_markdown(judge(made))
    assert text.count("\n") == 2 + 8
    assert "annot be judged" not in text
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

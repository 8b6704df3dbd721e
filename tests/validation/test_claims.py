"""Claims are paired differences, and verdicts follow from their intervals."""

from types import SimpleNamespace

import numpy as np
import pytest

from glitchvae.validation.claims import Cell, as_markdown, judge


def study(falls, resistances):
    """Made-up models: how far ELBOs fall per unit of beta, and how they resist, by kind."""
    kinds = [("beta", 1, [1.0]), ("tc", 1, [1.0, 5.0]), ("seatbelt", 3, [1.0, 5.0])]
    return {
        Cell(kind, layers, beta, seed): SimpleNamespace(
            evidence=SimpleNamespace(elbo=-100 - seed - falls[kind] * beta),
            resistance=resistances[kind] + 0.01 * beta + 0.001 * np.arange(4.0),
        )
        for kind, layers, betas in kinds
        for beta in betas
        for seed in (0, 1)
    }


def test_differences_are_paired_and_have_the_papers_sign():
    found = judge(
        study({"beta": 0, "tc": 5, "seatbelt": 2}, {"beta": 0.2, "tc": 0.3, "seatbelt": 0.5}),
        np.random.default_rng(0),
    )
    # ELBO: beta-TCVAE falls by 4 x 5, Seatbelt by 4 x 2; resistance also grows with beta.
    assert [claim.difference for claim in found] == pytest.approx([12, 0.34, 0.2, 0.04])
    assert [claim.verdict for claim in found] == ["confirmed"] * 4
    for claim in found:
        assert claim.low <= claim.difference + 1e-9
        assert claim.high >= claim.difference - 1e-9


def test_the_opposite_is_said_too():
    found = judge(
        study({"beta": 0, "tc": 1, "seatbelt": 4}, {"beta": 0.9, "tc": 0.52, "seatbelt": 0.5}),
        np.random.default_rng(0),
    )
    assert [claim.verdict for claim in found[:3]] == ["contradicted"] * 3


def test_one_seed_decides_nothing_about_the_elbo():
    made = study({"beta": 0, "tc": 5, "seatbelt": 2}, {"beta": 0.2, "tc": 0.3, "seatbelt": 0.5})
    found = judge({c: v for c, v in made.items() if c.seed == 0}, np.random.default_rng(0))
    assert found[0].verdict == "undecided"


def test_the_table_has_a_row_for_each_claim():
    made = study({"beta": 0, "tc": 5, "seatbelt": 2}, {"beta": 0.2, "tc": 0.3, "seatbelt": 0.5})
    text = as_markdown(judge(made, np.random.default_rng(0)))
    assert text.count("\n") == 2 + 4
    assert "Seatbelt-VAE, L = 3" in text


def test_names_of_cells_are_folders():
    assert Cell("tc-dlgm", 2, 4.0, 1).name == "tc-dlgm-L2-beta4-seed1"

"""UDR: trainings that agree up to order and sign, and those that do not."""

import numpy as np
import pytest
from scipy.stats import spearmanr

from glitchvae.errors import InputError
from glitchvae.validation.disentanglement.selection import udr


@pytest.fixture
def code(rng):
    return rng.normal(size=(400, 3))


ACTIVE = np.ones(3)


def test_codes_that_differ_in_order_sign_and_scale_agree_wholly(code):
    other = np.exp(-2 * code[:, [2, 0, 1]])
    found = udr([code, other, -code], [ACTIVE] * 3)
    ordered = np.argsort(code, axis=0)
    assert (np.argsort(-other, axis=0) == ordered[:, [2, 0, 1]]).all()
    assert found == pytest.approx([1, 1, 1], abs=0.05)
    assert found.shape == (3,)


def test_turned_codes_agree_less_and_unrelated_ones_hardly(code, rng):
    turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    same, turned, other = (
        udr([code, each], [ACTIVE] * 2)[0]
        for each in (code, code @ turn, rng.normal(size=(400, 3)))
    )
    assert same > 0.9 > turned > 0.1 > other


def test_it_is_the_formula_of_the_paper(code, rng):
    other = np.column_stack([code[:, 0] + rng.normal(size=400), code[:, 1] ** 3, code[:, 0]])
    matrix = np.abs(spearmanr(np.hstack([code, other])).statistic[:3, 3:])
    total = 0.0
    for b in range(3):
        total += matrix[:, b].max() ** 2 / matrix[:, b].sum()
    for a in range(3):
        total += matrix[a].max() ** 2 / matrix[a].sum()
    assert udr([code, other], [ACTIVE] * 2) == pytest.approx([total / 6] * 2)


def test_dimensions_that_say_nothing_do_not_count(code, rng):
    wide = np.hstack([code, rng.normal(size=(400, 4))])
    kl = np.array([1, 1, 1, 0.001, 0, 0, 0.009])
    assert udr([wide, code], [kl, ACTIVE]) == pytest.approx(udr([code, code], [ACTIVE] * 2))
    assert udr([code, code], [ACTIVE, np.zeros(3)]) == pytest.approx([0, 0])


def test_a_model_has_the_median_over_the_others(code, rng):
    codes = [code, code, code, rng.normal(size=(400, 3))]
    found = udr(codes, [ACTIVE] * 4)
    assert found[:3] == pytest.approx([udr(codes[:2], [ACTIVE] * 2)[0]] * 3)
    assert found[3] < 0.1


def test_one_model_has_none_and_other_images_are_refused(code):
    assert np.isnan(udr([code], [ACTIVE])).all()
    constant = np.zeros((400, 3))
    assert udr([code, constant], [ACTIVE] * 2) == pytest.approx([0, 0])
    with pytest.raises(InputError, match="cannot be compared"):
        udr([code, code[1:]], [ACTIVE] * 2)
    with pytest.raises(InputError, match="cannot be compared"):
        udr([code, code], [ACTIVE, np.ones(2)])

"""Weights go where their schedule says."""

import pytest

from glitchvae.objectives import Annealed, Constant, Cosine, Cyclical, Linear


@pytest.mark.parametrize(
    ("step", "weight"), [(0, 25.0), (1000, 19.0), (2000, 13.0), (4000, 1.0), (9000, 1.0)]
)
def test_annealed_beta_falls_in_a_straight_line(step, weight):
    objective = Annealed(beta0=25, iteration_threshold=4000)
    assert objective.weights(step)["beta"] == pytest.approx(weight)


def test_a_constant_stays():
    assert Constant(3.0)(10**6) == 3.0


def test_a_line_ends_at_its_last_step():
    assert [Linear(0.0, 4.0, 4)(step) for step in range(6)] == [0, 1, 2, 3, 4, 4]


def test_a_cosine_is_flat_at_both_ends_and_halfway_in_the_middle():
    fall = Cosine(9.0, 1.0, 100)
    assert (fall(0), fall(50), fall(100), fall(101)) == pytest.approx((9, 5, 1, 1))
    assert fall(25) == pytest.approx(5 + 4 * 2**-0.5)
    assert 9 - fall(1) < 0.01 * (fall(50) - fall(51)) * 2
    assert all(fall(step) > fall(step + 1) for step in range(100))


def test_cycles_start_anew_and_rest_at_the_end():
    fall = Cyclical(5.0, 1.0, 80, cycles=2)
    assert [fall(step) for step in (0, 10, 20, 30, 39)] == [5, 3, 1, 1, 1]
    assert [fall(step) for step in (40, 50, 60, 79, 80, 1000)] == [5, 3, 1, 1, 1, 1]


@pytest.mark.parametrize("shape", ["linear", "cosine", "cyclical"])
def test_the_shape_of_annealing_is_a_setting(shape):
    weights = [Annealed(beta0=9, shape=shape).weights(step)["beta"] for step in (0, 1500, 4000)]
    kind = {"linear": Linear, "cosine": Cosine, "cyclical": Cyclical}[shape]
    assert weights == [kind(9.0, 1.0, 4000)(step) for step in (0, 1500, 4000)]


def test_annealing_is_linear_unless_told_otherwise():
    assert Annealed(beta0=9).weights(1500)["beta"] == Linear(9.0, 1.0, 4000)(1500)

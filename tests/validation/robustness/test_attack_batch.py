"""The batch of attacks: its curvature, its bounds, what attacks of a pair share."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy.optimize import lsq_linear

from glitchvae.validation.robustness.attacks.batch import MEMORY, best_of_pair, descend, newton


def dense_inverse(steps, turns):
    """The inverse curvature after BFGS updates with some steps, as a matrix."""
    scale = steps[-1] @ turns[-1] / (turns[-1] @ turns[-1])
    inverse, one = scale * np.eye(steps.shape[1]), np.eye(steps.shape[1])
    for s, y in zip(steps, turns, strict=True):
        left = one - np.outer(s, y) / (s @ y)
        inverse = left @ inverse @ left.T + np.outer(s, s) / (s @ y)
    return inverse


@pytest.mark.parametrize("count", [1, 3, MEMORY, MEMORY + 5])
def test_two_loops_are_the_updates_of_a_matrix(count):
    rng = np.random.default_rng(0)
    curved = rng.standard_normal((6, 6))
    curved = curved @ curved.T + np.eye(6)
    steps = rng.standard_normal((count, 6))
    turns, gradient = steps @ curved, rng.standard_normal(6)
    ring = torch.zeros(2, MEMORY, 1, 6, dtype=torch.float64)
    for k in range(count):
        ring[:, k % MEMORY, 0] = torch.from_numpy(np.stack([steps[k], turns[k]]))
    found = newton(torch.from_numpy(gradient)[None], *ring, torch.tensor([count]))
    expected = dense_inverse(steps[-MEMORY:], turns[-MEMORY:]) @ gradient
    np.testing.assert_allclose(found[0], expected, rtol=1e-9)


def test_without_a_memory_the_gradient_comes_back():
    gradient, empty = torch.randn(2, 5), torch.zeros(MEMORY, 2, 5)
    assert torch.equal(newton(gradient, empty, empty, torch.zeros(2, dtype=torch.long)), gradient)


def bounded(count):
    """A linear least-squares goal whose perturbation is bounded, as the attacks see one."""
    generator = torch.Generator().manual_seed(3)
    matrix = torch.randn(count, 8, 6, generator=generator, dtype=torch.float64)
    target = 3 * torch.randn(count, 8, generator=generator, dtype=torch.float64)

    def goal(x, pair):
        rest = torch.einsum("bij,bj->bi", matrix[pair], x.flatten(1)) - target[pair]
        return 0.5 * rest.square().sum(dim=1)

    goal.pairs = SimpleNamespace(
        allowed=lambda d, pair: d.clamp(-0.5, 0.5), perturbed=lambda d, pair: d
    )
    return goal, matrix.numpy(), target.numpy()


def test_bounds_are_kept_and_the_lowest_point_within_them_is_found():
    goal, matrix, target = bounded(4)
    start = torch.zeros(4, 1, 1, 6, dtype=torch.float64)
    pair = torch.arange(4)
    found = descend(goal, pair, torch.zeros(4, dtype=torch.float64), start, evaluations=150)
    assert found.converged.all()
    for one, m, t in zip(found.perturbation.flatten(1).numpy(), matrix, target, strict=True):
        expected = lsq_linear(m, t, (-0.5, 0.5), tol=1e-12)
        np.testing.assert_allclose(0.5 * np.sum((m @ one - t) ** 2), expected.cost, rtol=1e-5)
        np.testing.assert_allclose(one, expected.x, atol=1e-2)
        assert np.abs(one).max() <= 0.5


def test_attacks_that_are_done_cost_nothing_more():
    goal, _, _ = bounded(2)
    start = torch.zeros(2, 1, 1, 6, dtype=torch.float64)
    strength = torch.tensor([0.0, 1e9], dtype=torch.float64)
    found = descend(goal, torch.zeros(2, dtype=torch.long), strength, start, evaluations=150)
    assert (found.distance[1], found.converged[1]) == (0, True)
    assert found.evaluations[1] < found.evaluations[0] < 150


def test_the_best_of_a_pair_is_that_of_all_its_lambdas():
    rng = np.random.default_rng(1)
    divergence, distance = rng.random((2, 3, 5)) * [[[10.0]], [[1.0]]]
    strength = np.tile(2.0 ** np.arange(5), (3, 1))
    found = best_of_pair(
        *(torch.from_numpy(v.ravel()) for v in (divergence, distance, strength)), 5
    )
    for row, chosen in enumerate(found.tolist()):
        pair, penalty = divmod(row, 5)
        worth = divergence[pair] + strength[pair, penalty] * distance[pair]
        assert chosen == 5 * pair + int(worth.argmin())


def test_among_equals_an_attack_keeps_its_own():
    same = torch.ones(6)
    assert best_of_pair(same, same * 0, same, 3).tolist() == list(range(6))

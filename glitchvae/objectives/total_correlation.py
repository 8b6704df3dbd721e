"""Estimates of the aggregate posterior's density, and the three parts of the KL.

Chen et al. 2018, "Isolating Sources of Disentanglement in VAEs", equation 2: the rate is
mutual information + total correlation + dimension-wise KL, of which each needs
q(z) = 1/N sum_n q(z | x_n) or its marginals. A batch gives

    log q(z_i) ~ logsumexp_j [log q(z_i | x_j) + log w_ij],

whose weights w_ij are what the estimators differ in.
"""

from __future__ import annotations

import math
from typing import Any, Literal

import torch
from torch import Tensor
from torch.distributions import Normal

from glitchvae.errors import ModelError

Estimator = Literal["mws", "mss"]

_ELEMENTS = 2**20
"""Largest number of elements in one block of log q(z_id | x_j), to limit memory."""


def decompose(
    z: Tensor, posterior: Normal, prior: Normal, *, population: int, estimator: Estimator
) -> dict[str, Tensor]:
    """Mutual information, total correlation and dimension-wise KL in nats, means over a batch.

    Their sum is the mean of log q(z | x) - log p(z) over the samples, whatever the estimator:
    the densities of the aggregate posterior cancel.

    Args:
        z: A draw (B, D) of each posterior.
        posterior: q(z | x) of the batch (B, D).
        prior: p(z) (B, D).
        population: Events in the training set, N.
        estimator: `mws` or `mss`, see `log_weights`.

    Raises:
        ModelError: `population` is smaller than the batch, or a batch of one with `mss`.
    """
    own, other = log_weights(estimator, len(z), population)
    joint, marginals = log_aggregate(z, posterior.mean, posterior.stddev, own, other)
    product = marginals.sum(dim=-1)
    return {
        "mutual_information": (posterior.log_prob(z).sum(dim=-1) - joint).mean(),
        "total_correlation": (joint - product).mean(),
        "dimension_wise_kl": (product - prior.log_prob(z).sum(dim=-1)).mean(),
    }


def log_weights(estimator: Estimator, batch_size: int, population: int) -> tuple[float, float]:
    """Logarithms of the weights w_ii and w_ij of an estimator.

    `mws`, minibatch weighted sampling (Chen et al. 2018, equation S6): 1/(N M) throughout,
    a lower bound of log q(z) in expectation. `mss`, minibatch stratified sampling (equation
    S7): 1/N for the event's own posterior, on the diagonal, and (N - 1)/(N (M - 1)) for the
    M - 1 others, an unbiased estimate of q(z). The equation gives one of the others another
    weight, depending on their order; this is its mean over the orders.

    Raises:
        ModelError: `population` is smaller than the batch, or a batch of one with `mss`.
    """
    least = 2 if estimator == "mss" else 1
    if not least <= batch_size <= population:
        raise ModelError(
            f"the estimator {estimator!r} of the total correlation cannot use this batch",
            expected=f"a batch of at least {least} out of a training set that is no smaller",
            found=f"a batch of {batch_size} out of {population}",
        )
    if estimator == "mws":
        weight = -math.log(population * batch_size)
        return weight, weight
    others = (population - 1) / (population * (batch_size - 1))
    return -math.log(population), math.log(others)


def log_aggregate(
    z: Tensor, mean: Tensor, scale: Tensor, own: float, other: float
) -> tuple[Tensor, Tensor]:
    """Log density of a weighted mixture of normals at the samples of its components.

    Args:
        z: Samples (B, D); row i was drawn from component i.
        mean: Means of the components (B, D).
        scale: Standard deviations of the components (B, D).
        own: Log weight of component i at sample i.
        other: Log weight of the other components.

    Returns:
        log q(z_i) (B,) and its marginals log q(z_id) (B, D).
    """
    return _LogAggregate.apply(z, mean, scale, own, other)  # type: ignore[return-value]


class _LogAggregate(torch.autograd.Function):
    """Blockwise logsumexp over components, recomputed in the backward pass.

    Autograd by itself would keep every block for the backward pass: a (B, B, D) tensor.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(z: Tensor, mean: Tensor, scale: Tensor, own: float, other: float) -> Any:
        """Joint (B,) and marginals (B, D)."""
        joint = torch.full_like(z[:, 0], -torch.inf)
        marginals = torch.full_like(z, -torch.inf)
        for block in _blocks(z):
            log_weight = _log_weight(z, block, own, other)
            log_joint = _log_joint(z, mean[block], scale[block]) + log_weight
            log_marginals = _log_marginals(z, mean[block], scale[block]) + log_weight[..., None]
            joint = torch.logaddexp(joint, log_joint.logsumexp(dim=1))
            marginals = torch.logaddexp(marginals, log_marginals.logsumexp(dim=1))
        return joint, marginals

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        """Save tensors of at most B x D numbers for the backward pass."""
        z, mean, scale, ctx.own, ctx.other = inputs
        ctx.save_for_backward(z, mean, scale, *output)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        """Gradients of samples, means and scales, weighted by each component's share."""
        z, mean, scale, joint, marginals = ctx.saved_tensors
        of_joint, of_marginals = gradients
        of_z, of_mean, of_scale = torch.zeros_like(z), [], []
        for block in _blocks(z):
            log_weight = _log_weight(z, block, ctx.own, ctx.other)
            log_joint = _log_joint(z, mean[block], scale[block]) + log_weight
            log_marginals = _log_marginals(z, mean[block], scale[block]) + log_weight[..., None]
            share = (of_joint[:, None] * (log_joint - joint[:, None]).exp())[..., None]
            share = share + of_marginals[:, None] * (log_marginals - marginals[:, None]).exp()
            distance = (z[:, None] - mean[block]) / scale[block]
            pull = share * distance / scale[block]
            of_z = of_z - pull.sum(dim=1)
            of_mean.append(pull.sum(dim=0))
            of_scale.append((share * (distance.square() - 1.0)).sum(dim=0) / scale[block])
        return of_z, torch.cat(of_mean), torch.cat(of_scale), None, None


def _blocks(z: Tensor) -> list[slice]:
    """Blocks of components such that (B, block, D) has about `_ELEMENTS` numbers."""
    size = max(1, _ELEMENTS // z.numel())
    return [slice(first, first + size) for first in range(0, len(z), size)]


def _log_weight(z: Tensor, block: slice, own: float, other: float) -> Tensor:
    """Log weights (B, block) of the components of a block."""
    events = torch.arange(len(z), device=z.device)
    return other + (own - other) * (events[:, None] == events[block]).to(z.dtype)


def _log_joint(z: Tensor, mean: Tensor, scale: Tensor) -> Tensor:
    """Log q(z_i | x_j) (B, block) as a product of matrices [z^2, z, 1] and coefficients.

    The product is in float64: its summands cancel where posteriors are narrow, and neither
    autocast nor TF32 reaches it.
    """
    wide, mean, precision = z.double(), mean.double(), scale.double() ** -2
    powers = torch.cat([wide.square(), wide, torch.ones_like(wide)], dim=1)
    constant = precision * mean.square() - precision.log() + math.log(2 * math.pi)
    coefficients = torch.cat([precision, -2.0 * precision * mean, constant], dim=1)
    return (-0.5 * (powers @ coefficients.T)).to(z.dtype)


def _log_marginals(z: Tensor, mean: Tensor, scale: Tensor) -> Tensor:
    """Log q(z_id | x_j) (B, block, D)."""
    distance = (z[:, None] - mean) / scale
    return -0.5 * distance.square() - scale.log() - 0.5 * math.log(2 * math.pi)

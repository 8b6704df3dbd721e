"""A metric of codes in which labelled events lie nearest to centres of their own class."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

EPOCHS, BATCH, LEARNING_RATE = 10, 256, 3e-3
_LAST = 0.05  # of the learning rate is left at the end


def learn_metric(
    codes: NDArray[np.float64],
    classes: NDArray[np.int64],
    centres: NDArray[np.float64],
    owners: NDArray[np.int64],
    start: NDArray[np.float64],
    seed: int,
) -> NDArray[np.float64]:
    """Learn the metric in which the true classes of codes are most likely.

    Nearest class mean metric learning (Mensink et al. 2013, "Distance-based image
    classification", section 3.2) with several centres a class and equal weight for every
    class, by Adam.

    Args:
        codes: (N, Z).
        classes: (N,) class of each code, from 0.
        centres: (P, Z).
        owners: (P,) class of each centre.
        start: (Z, Z) the metric to begin with; distances are those of `codes @ metric`.
        seed: Of the order of the codes.

    Returns:
        (Z, Z), float64.
    """
    rng = np.random.default_rng(seed)
    x, y, c = torch.from_numpy(codes), torch.from_numpy(classes), torch.from_numpy(centres)
    table = centres_of(owners, classes.max() + 1)
    weight = torch.from_numpy(1.0 / np.maximum(np.bincount(classes), 1))[y]
    metric = torch.tensor(start, requires_grad=True)
    optimizer = torch.optim.Adam([metric], lr=LEARNING_RATE)
    steps = EPOCHS * -(-len(codes) // BATCH)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda done: 1 - (1 - _LAST) * (done + 1) / steps
    )
    for _ in range(EPOCHS):
        for rows in torch.from_numpy(rng.permutation(len(codes))).split(BATCH):
            optimizer.zero_grad()
            surprise(x[rows], y[rows], weight[rows], c, table, metric).backward()
            optimizer.step()
            schedule.step()
    return metric.detach().numpy()


def centres_of(owners: NDArray[np.int64], classes: int) -> Tensor:
    """(K, M) indices of the centres of each class, -1 where it has fewer than M."""
    own = [np.flatnonzero(owners == k) for k in range(classes)]
    table = np.full((classes, max(map(len, own))), -1)
    for row, members in zip(table, own, strict=True):
        row[: len(members)] = members
    return torch.from_numpy(table)


def surprise(
    codes: Tensor, classes: Tensor, weight: Tensor, centres: Tensor, table: Tensor, metric: Tensor
) -> Tensor:
    """Weighted mean cross-entropy of the true classes, in nats.

    Args:
        codes: (N, Z).
        classes: (N,).
        weight: (N,) of each code.
        centres: (P, Z).
        table: (K, M), see `centres_of`.
        metric: (Z, Z).
    """
    y, c = codes @ metric, centres @ metric
    # But for |y|^2 / 2, which all centres share, this is minus half the squared distance.
    logits = y @ c.T - 0.5 * c.square().sum(1)
    there = table >= 0
    scores = logits[:, table].masked_fill(~there, -torch.inf).logsumexp(-1) - there.sum(1).log()
    each = torch.nn.functional.cross_entropy(scores, classes, reduction="none")
    return (weight * each).sum() / weight.sum()

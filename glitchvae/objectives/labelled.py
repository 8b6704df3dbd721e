"""`consistent` with labels: events of one known class have codes of one direction."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import log_softmax, normalize

from glitchvae.errors import ModelError
from glitchvae.models.likelihood import at_least_float32
from glitchvae.objectives.base import Batch
from glitchvae.objectives.consistent import Compared


class Labelled(Compared):
    """D + beta R + consistency K, where K also uses labels.

    K asks each code for its positive pair and, where its class is known, for every code of that
    class in the batch (Khosla et al. 2020, "Supervised contrastive learning", equation 2). An event
    without a label has its positive pair alone and is something else than all others, as in
    `consistent`, which this is where no event has a label.

    Example:
        >>> x = torch.rand(4, 1, 64, 64)
        >>> everything = torch.ones(1, 1, 1, 1, dtype=torch.bool)
        >>> batch = Batch(x, x, everything, positive=x.flip(3), label=torch.tensor([0, 0, 1, -1]))
        >>> list(Labelled()(ImageVAE(), batch, {"beta": 1.0, "consistency": 300.0}))
        ['loss', 'reconstruction', 'rate', 'contrast']
    """

    name: Literal["labelled"] = "labelled"

    def contrast(self, means: Tensor, batch: Batch) -> Tensor:
        """Cross-entropy of the identification of positive pairs and events of the same class.

        Raises:
            ModelError: no event of the data has a label.
        """
        if batch.label is None:
            raise ModelError(
                "the objective labelled learns from labels",
                found="data without any",
                remedy="Label some events, or train with the objective consistent.",
            )
        return contrast_of_classes(means, batch.label.repeat(2), self.temperature)


def contrast_of_classes(codes: Tensor, labels: Tensor, temperature: float) -> Tensor:
    """Cross-entropy in nats of finding each code's positive pair and class among all others.

    The mean over codes of the mean over those that belong to it, so that a class of many
    events in the batch weighs no more in each code's own term than a positive pair alone does.

    Args:
        codes: (2 B, Z); row i + B is the positive pair of row i.
        labels: (2 B,) index of the class of each, -1 where it is not known.
        temperature: Divisor of the cosines.
    """
    directions = normalize(codes, dim=1)
    itself = torch.eye(len(codes), dtype=torch.bool, device=codes.device)
    cosines = at_least_float32(directions @ directions.T) / temperature
    positives = itself.roll(len(codes) // 2, dims=1)
    same = (labels[:, None] == labels) & (labels >= 0)
    belongs = (same | positives) & ~itself
    log_found = log_softmax(cosines.masked_fill(itself, -torch.inf), dim=1)
    own = log_found.masked_fill(~belongs, 0.0).sum(dim=1)
    return -(own / belongs.sum(dim=1)).mean()

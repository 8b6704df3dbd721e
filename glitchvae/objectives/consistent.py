"""A VAE with contrastive consistency: codes of two changed versions of an event are near."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize

from glitchvae.errors import ModelError
from glitchvae.objectives.base import VAE, Batch, Weights, distortion, rate
from glitchvae.objectives.beta import WeightedBeta
from glitchvae.objectives.schedules import Linear, Schedule


class Compared(WeightedBeta):
    """Base of D + beta R + consistency K: every event is encoded in two changed versions.

    K asks the posterior means of the two (`Batch.x`, `Batch.positive`) to be alike. What the
    changes touch, such as the noise around the glitch, is of no use for that and leaves the
    code. `consistency` rises to its value over `ramp` steps.
    """

    of_the_weights: ClassVar[frozenset[str]] = frozenset({"consistency", "ramp"})
    consistency: float = Field(default=300.0, ge=0.0)
    temperature: float = Field(default=0.2, gt=0.0)
    ramp: int = Field(default=1000, ge=1)

    def schedules(self) -> dict[str, Schedule]:
        """Beta, and the increasing weight of the consistency."""
        return {**super().schedules(), "consistency": Linear(0.0, self.consistency, self.ramp)}

    def contrast(self, means: Tensor, batch: Batch) -> Tensor:
        """K in nats of posterior means (2 B, Z); row i + B is the positive pair of row i."""
        raise NotImplementedError

    def terms(
        self, model: VAE, batch: Batch, discriminator: nn.Module | None = None
    ) -> dict[str, Tensor]:
        """`reconstruction` and `rate` of the first of each pair, `contrast` of both.

        Raises:
            ModelError: the batch has no positive pairs.
        """
        if batch.positive is None:
            raise ModelError(
                "this objective compares two changes of each event",
                found="one",
                remedy="Train on images of glitches, with positive_pairs = true in [augmentation].",
            )
        latents = model.infer(batch.x)
        positive = model.infer(batch.positive, sample=False)
        means = torch.cat([latents.posterior.mean, positive.posterior.mean])
        return {
            "reconstruction": distortion(model.decode(latents.z), batch),
            "rate": rate(latents.posterior, latents.prior),
            "contrast": self.contrast(means, batch),
        }

    def total(self, terms: dict[str, Tensor], weights: Weights) -> Tensor:
        """D + beta R + consistency K."""
        return super().total(terms, weights) + weights["consistency"] * terms["contrast"]


class Consistent(Compared):
    """D + beta R + consistency K: invariance under changes, without labels.

    K is the cross-entropy of finding its positive pair among all others of the batch by the cosine
    between posterior means over a temperature (Chen et al. 2020, "A simple framework for
    contrastive learning of visual representations", equation 1, on the codes themselves
    instead of a projection).

    Example:
        >>> x = torch.rand(8, 1, 64, 64)
        >>> everything = torch.ones(1, 1, 1, 1, dtype=torch.bool)
        >>> batch = Batch(x, x, everything, positive=x.flip(3))
        >>> list(Consistent()(ImageVAE(), batch, {"beta": 1.0, "consistency": 300.0}))
        ['loss', 'reconstruction', 'rate', 'contrast']
    """

    name: Literal["consistent"] = "consistent"

    def contrast(self, means: Tensor, batch: Batch) -> Tensor:
        """Cross-entropy of the identification of each positive pair."""
        return contrast(means, self.temperature)


def contrast(codes: Tensor, temperature: float) -> Tensor:
    """Cross-entropy in nats of the identification of each code's positive pair, by cosines.

    Args:
        codes: (2 B, Z); row i + B is the positive pair of row i.
        temperature: Divisor of the cosines.
    """
    directions = normalize(codes, dim=1)
    cosines = directions @ directions.T / temperature
    itself = torch.eye(len(codes), dtype=torch.bool, device=codes.device)
    positives = torch.arange(len(codes), device=codes.device).roll(len(codes) // 2)
    return cross_entropy(cosines.masked_fill(itself, -torch.inf), positives)

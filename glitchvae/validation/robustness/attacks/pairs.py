"""Pairs of inputs to perturb and targets."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.distributions import Distribution

from glitchvae.errors import InputError
from glitchvae.models import Model, UserEncoder, check_range
from glitchvae.validation.images.pixels import existing, pixel_channels


@dataclass(frozen=True, kw_only=True)
class Pairs:
    """P inputs and P targets of one model, checked.

    Attributes:
        inputs: (P, C, F, T) as the model takes them.
        targets: (P, C, F, T).
        channels: The first channels are pixels, which an attack may change; a further one
            says where pixels exist.
        limits: Lowest and highest value of a pixel.
    """

    inputs: Tensor
    targets: Tensor
    channels: int
    limits: tuple[float, float]

    @classmethod
    def of(
        cls,
        model: Model | UserEncoder,
        inputs: Tensor,
        targets: Tensor,
        *,
        channels: int | None = None,
    ) -> Pairs:
        """Check and make pairs for a model.

        Args:
            model: What they are for.
            inputs: (P, C, F, T) as the model takes them.
            targets: (P, C, F, T).
            channels: How many of the first channels are pixels; None: as many as the model
                decodes, of an encoder alone all.

        Raises:
            InputError: numbers or shapes differ, there are fewer channels, a pixel is out of the
                likelihood's range, or a pair has two equal images.
        """
        if inputs.shape != targets.shape or len(inputs) == 0:
            raise InputError(
                "inputs and targets do not form pairs",
                expected="two tensors (P, C, F, T)",
                found=(tuple(inputs.shape), tuple(targets.shape)),
            )
        most = pixel_channels(model, inputs)
        channels = most if channels is None else channels
        if channels not in (range(1, most + 1) if isinstance(model, UserEncoder) else (most,)):
            raise InputError("the channels do not exist", expected=most, found=channels)
        for name, images in (("inputs", inputs), ("targets", targets)):
            check_range(images[:, :channels], model.likelihood, where=name)
        equal = (inputs == targets).flatten(1).all(dim=1).nonzero().flatten().tolist()
        if equal:
            raise InputError(
                "input and target are the same image",
                where=f"pair {equal[0]}",
                found=f"{len(equal)} such pairs",
                remedy="Draw pairs of different images.",
            )
        low, high = model.likelihood.data_range
        return cls(inputs=inputs, targets=targets, channels=channels, limits=(low, high))

    def __len__(self) -> int:
        return len(self.inputs)

    def perturbed(self, perturbation: Tensor, pair: Tensor) -> Tensor:
        """Inputs (B, C, F, T) of the pairs `pair` (B,) plus a perturbation of their pixels."""
        x = self.inputs[pair]
        return torch.cat([x[:, : self.channels] + perturbation, x[:, self.channels :]], dim=1)

    def allowed(self, perturbation: Tensor, pair: Tensor) -> Tensor:
        """The nearest perturbation (B, channels, F, T) with every pixel in its range.

        Pixels that were never computed stay as they are.
        """
        low, high = self.limits
        pixels = self.inputs[pair, : self.channels]
        return torch.clamp(perturbation, low - pixels, high - pixels) * self.exist(
            self.inputs, pair
        )

    def exist(self, images: Tensor, pair: Tensor) -> Tensor:
        """1 for existing pixels of the pairs' images, (B, 1, F, T) or a scalar."""
        return existing(images[pair], self.channels)

    def log_likelihood(self, likelihood: Distribution, pair: Tensor) -> Tensor:
        """(B,) log-probability in nats of the pairs' targets."""
        pixels = self.targets[pair, : self.channels]
        return (likelihood.log_prob(pixels) * self.exist(self.targets, pair)).flatten(1).sum(dim=1)

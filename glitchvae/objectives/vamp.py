"""The rate from a prior that is learnt: VampPrior."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from torch import Tensor, nn

from glitchvae.errors import ModelError
from glitchvae.objectives.base import VAE, Batch, distortion, layer_rates_of
from glitchvae.objectives.beta import WeightedBeta
from glitchvae.objectives.fitting import require_one_layer


class Vamp(WeightedBeta):
    """VAE with a VampPrior: D + beta R, R from the mixture of posteriors of learnt inputs.

    Tomczak & Welling 2017, "VAE with a VampPrior" (arXiv:1705.07120): p(z) = 1/K sum_k q(z|u_k).
    R = log q(z|x) - log p(z) at the draw, since a mixture has no closed form. The pseudo-inputs
    u_k are weights of the model, which its checkpoint keeps; K is `pseudo_inputs` of the model,
    64 unless given. The encoder sees them in every step.

    Example:
        >>> x = torch.rand(8, 1, 64, 64)
        >>> batch = Batch(x, x, torch.ones(1, 1, 1, 1, dtype=torch.bool))
        >>> model = ImageVAE(ImageVAESettings(pseudo_inputs=5))
        >>> list(Vamp()(model, batch, {"beta": 1.0}))
        ['loss', 'reconstruction', 'rate']
        >>> model.prior_components().mean.shape
        torch.Size([5, 10])
    """

    learns_prior: ClassVar[bool] = True
    model_defaults: ClassVar[Mapping[str, Any]] = {"pseudo_inputs": 64}

    name: Literal["vamp"] = "vamp"

    def check(self, model: VAE) -> None:
        """Refuse a hierarchy, and a model without pseudo-inputs."""
        require_one_layer(self, model)
        if getattr(model, "pseudo_inputs", None) is None:
            raise ModelError(
                "the objective 'vamp' does not fit the model",
                expected="a prior that is learnt",
                found="the standard normal",
                remedy="Set pseudo_inputs of the model (architecture glitch or image).",
            )

    def terms(
        self, model: VAE, batch: Batch, discriminator: nn.Module | None = None
    ) -> dict[str, Tensor]:
        """`reconstruction` and `rate`, both at one draw of each posterior."""
        latents = model.infer(batch.x)
        return {
            "reconstruction": distortion(model.decode(latents.z), batch),
            "rate": layer_rates_of(model, latents).sum(dim=1).mean(),
        }

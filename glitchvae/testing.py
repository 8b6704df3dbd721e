"""Contract tests for the user's own objectives and networks.

    from glitchvae.testing import check_model, check_objective

    def test_my_objective():
        check_objective(MyObjective())

Each runs the class as training would, on small random images, and raises one sentence for what it
finds wrong. The objectives and networks of the package pass the same checks.
"""

from __future__ import annotations

import copy
import json
import math
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from glitchvae.checkpoint import DataCard, ModelCard, load_checkpoint, save_checkpoint
from glitchvae.config import Settings
from glitchvae.errors import ModelError
from glitchvae.models import (
    HierarchySettings,
    ImageVAESettings,
    Model,
    UserVAE,
    architecture_of,
    build,
    wrap_vae,
)
from glitchvae.objectives import (
    Batch,
    Objective,
    describe_objective,
    is_own,
    read_objective,
)
from glitchvae.training import Augmentation, PictureData, TrainingConfig
from glitchvae.training.trainer import Trainer, check_columns, column_names

_SHAPE, _EVENTS, _STEPS = (1, 16, 16), 12, 4


def check_objective(objective: Objective | type[Objective]) -> None:
    """Check that an objective fulfils all requirements of training.

    It is written down and read again; its schedules are finite; its terms are finite scalars of
    names of their own, the same under one seed, with numbers and with tensors as weights; its
    gradient is finite and reaches encoder and decoder; a run that stops and goes on ends with the
    weights of one that never stopped. A discriminator learns and leaves the model alone.

    Args:
        objective: An objective, or its class where all settings have defaults.

    Raises:
        ModelError: it breaks the contract; how.
        ConfigError: it has no schedules, or settings without defaults.
    """
    if isinstance(objective, type) and issubclass(objective, Objective):
        objective = read_objective({"class": f"{objective.__module__}:{objective.__qualname__}"})
    if not isinstance(objective, Objective):
        raise ModelError(
            "no objective",
            expected="an instance of a class derived from glitchvae.objectives.Objective",
            found=type(objective).__name__,
        )
    objective.require_complete()
    name = type(objective).__name__
    _check_written_down(objective, name)
    _check_schedules(objective, name)
    config = TrainingConfig(
        objective=objective,
        steps=_STEPS,
        batch_size=_EVENTS // 2,
        model=_model_for(objective),
    )
    torch_state = torch.random.get_rng_state()
    try:
        _check_terms(objective, config, name)
        _check_resumed(config, name)
    finally:
        torch.random.set_rng_state(torch_state)


def check_model(network: nn.Module, image_shape: tuple[int, int, int] = (1, 64, 64)) -> None:
    """Check that a network fulfils all requirements of training, metrics and checkpoints.

    It has `encode` and `decode` as `glitchvae.models.user` describes; its code is finite, the same
    again, and the same for an image alone as among others; every weight gets a finite gradient of
    the ELBO; a checkpoint of it gives the same codes, in a module that is given and in one that
    is built of its class.

    Args:
        network: The module, which stays as it is.
        image_shape: Channels, rows and columns of pictures it takes; glitches are (5, 140, 170).

    Raises:
        ModelError: it breaks the contract; how.
    """
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(4, *image_shape, generator=generator)
    model = wrap_vae(copy.deepcopy(network), x)
    name = type(network).__name__
    with torch.no_grad():
        model.eval()
        together, again, alone = model.encode(x), model.encode(x), model.encode(x[2:3])
    if not torch.equal(together.mean, again.mean):
        raise _broken(name, "the same code for the same images", "another one")
    if not torch.allclose(together.mean[2:3], alone.mean, rtol=1e-3, atol=1e-4):
        raise _broken(
            name,
            "a code that does not depend on the other images of a batch",
            f"{float((together.mean[2:3] - alone.mean).abs().max()):.3g} apart",
            "Normalise over groups or layers, or by running means, never over the batch.",
        )
    _check_gradients(model, x, name)
    _check_saved(model, x, name)


def _model_for(objective: Objective) -> Settings:
    """Settings of a small network for which the objective is defined."""
    if objective.hierarchy_on is None:
        own = {"network": "reference", "image_shape": _SHAPE, "latent_size": 3}
        return ImageVAESettings.model_validate({**objective.model_defaults, **own})
    values = {"network": "reference", "image_shape": _SHAPE, "latent_sizes": (3, 2)}
    extra = {"hidden_widths": (4,), "likelihood_on": objective.hierarchy_on}
    return HierarchySettings.model_validate(values | extra)


def _check_written_down(objective: Objective, name: str) -> None:
    try:
        table = json.loads(json.dumps(describe_objective(objective, mode="json")))
    except ValueError as error:  # pydantic's own is one
        raise _broken(name, "settings that can be written down", error) from error
    if is_own(objective) and "<locals>" in type(objective).__qualname__:
        return  # a class inside a function, which no name leads to
    if read_objective(table) != objective:
        raise _broken(name, "the same objective when its settings are read again", table)


def _check_schedules(objective: Objective, name: str) -> None:
    for step in (0, 1, 10**6):
        for weight, value in objective.weights(step).items():
            if not math.isfinite(value):
                raise _broken(name, f"a finite weight {weight!r} at step {step:,}", value)


def _check_terms(objective: Objective, config: TrainingConfig, name: str) -> None:
    torch.manual_seed(0)
    model: Model[Any] = build(architecture_of(config.model), config.model.model_dump())
    discriminator = objective.discriminator(sum(model.layers))
    batch = _batch()
    before = batch.x.clone()
    weights = objective.weights(1)
    runs = []
    for given in (weights, weights, {k: torch.tensor(float(v)) for k, v in weights.items()}):
        torch.manual_seed(1)
        runs.append(objective(model, batch, given, discriminator))
    terms = runs[0]
    check_columns(column_names(list(terms), sum(model.layers)), objective)
    for term, value in terms.items():
        if not value.isfinite():
            raise _broken(name, f"a finite term {term!r}", float(value.detach()))
        for other, what in zip(runs[1:], ("under one seed", "of weights as tensors"), strict=True):
            if not torch.allclose(value, other[term], rtol=1e-5, equal_nan=True):
                raise _broken(
                    name,
                    f"the same {term!r} {what}",
                    [float(each.detach()) for each in (value, other[term])],
                )
    if not torch.equal(batch.x, before):
        raise _broken(name, "a batch that stays as it is", "other images")
    if not terms["loss"].requires_grad:
        raise _broken(name, "a loss with a gradient", "none", "Do not detach what is minimised.")
    terms["loss"].backward()
    _require_gradients(model, name)
    _check_discriminator(objective, discriminator, model, batch, name)


def _check_discriminator(
    objective: Objective,
    discriminator: nn.Module | None,
    model: Model[Any],
    batch: Batch,
    name: str,
) -> None:
    if discriminator is None:
        return
    if objective.discriminator_optimizer() is None:
        raise _broken(name, "a method discriminator_optimizer()", "none beside its discriminator")
    model.zero_grad()
    codes = model.infer(batch.x).z
    loss = objective.discriminator_loss(discriminator, codes, codes.flip(0))
    loss.backward()
    if not any(p.grad is not None and p.grad.any() for p in discriminator.parameters()):
        raise _broken(name, "a discriminator that learns from discriminator_loss", "no gradient")
    if any(p.grad is not None and p.grad.any() for p in model.parameters()):
        raise _broken(
            name, "a discriminator_loss that leaves the model alone", "a gradient", "Detach codes."
        )


class _Pairs(PictureData):
    """Pictures that come with another change of each, and with labels, as glitches may."""

    def training_batch(
        self, rows: Tensor, augmentation: Augmentation, rng: np.random.Generator
    ) -> Batch:
        batch = self.batch(rows)
        return batch._replace(positive=batch.x.flip(3), label=rows % 3 - 1)


def _check_resumed(config: TrainingConfig, name: str) -> None:
    """Check that training with and without an interruption gives equal weights."""
    data = _Pairs.from_images(torch.rand(_EVENTS, *_SHAPE).numpy())
    whole = Trainer(data, config)
    for _ in range(_STEPS):
        whole.advance()
    first = Trainer(data, config)
    for _ in range(_STEPS // 2):
        first.advance()
    rest = Trainer(data, config)
    rest.restore(copy.deepcopy(first.state()))
    for _ in range(_STEPS - _STEPS // 2):
        rest.advance()
    whole.read_terms()  # refuses what is not finite
    pairs = zip(whole.model.parameters(), rest.model.parameters(), strict=True)
    if not all(torch.equal(one, other) for one, other in pairs):
        raise _broken(
            name,
            "the same weights whether or not a run stops in between",
            "other ones",
            "Draw by torch's generator alone, and keep no state.",
        )


def _check_gradients(model: UserVAE, x: Tensor, name: str) -> None:
    latents = model.train().infer(x)
    target = x[:, : model.settings.image_shape[0]]
    fit = model.decode(latents.z).log_prob(target).sum()
    (-fit + sum(ratio.sum() for ratio in latents.log_ratios)).backward()
    _require_gradients(model, name)
    model.zero_grad()


def _require_gradients(model: nn.Module, name: str) -> None:
    reached = set()
    for key, parameter in model.named_parameters():
        if parameter.grad is None or not parameter.requires_grad:
            continue
        if not parameter.grad.isfinite().all():
            raise _broken(name, f"a finite gradient of {key}", "NaN or infinity")
        reached.add(key)
    missing = [k for k, p in model.named_parameters() if p.requires_grad and k not in reached]
    if missing:
        raise _broken(name, "a gradient of every weight", f"none of {', '.join(missing)}")


def _check_saved(model: UserVAE, x: Tensor, name: str) -> None:
    card = ModelCard(
        architecture="",
        model={},
        latent_size=0,
        objective={},
        steps=0,
        seed=0,
        data=DataCard(digest="0" * 64),
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model"
        save_checkpoint(path, model, card)
        ways: list[nn.Module | None] = [model.network]
        if "<locals>" not in type(model.network).__qualname__:
            ways.append(None)
        for network in ways:
            opened = load_checkpoint(path, network=network)
            with torch.no_grad():
                found, expected = opened.model.encode(x).mean, model.eval().encode(x).mean
            if not torch.equal(found, expected):
                raise _broken(name, "the same codes from its checkpoint", "others")


def _batch() -> Batch:
    generator = torch.Generator().manual_seed(5)
    x = torch.rand(_EVENTS // 2, *_SHAPE, generator=generator)
    everything = torch.ones(len(x), 1, 1, 1, dtype=torch.bool)
    label = torch.arange(len(x)) % 3 - 1
    return Batch(x, x, everything, _EVENTS, other=x.flip(0), positive=x.flip(3), label=label)


def _broken(name: str, expected: object, found: object, remedy: str | None = None) -> ModelError:
    return ModelError(
        "breaks the contract", where=name, expected=expected, found=found, remedy=remedy
    )

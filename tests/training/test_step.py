"""The captured part of a step: whole, and the same as the step that is not captured."""

import numpy as np
import pytest
import torch
from torch._dynamo.utils import counters

from glitchvae.models import GlitchVAESettings, HierarchySettings, ImageVAESettings
from glitchvae.objectives import OBJECTIVES
from glitchvae.training import Augmentation, PictureData, TrainingConfig, TrainingData
from glitchvae.training.trainer import Trainer

MODELS = {
    "image": ImageVAESettings(image_shape=(1, 16, 16)),
    "hierarchy": HierarchySettings(
        image_shape=(1, 16, 16), latent_sizes=(12, 6), likelihood_on="all"
    ),
    "glitch": GlitchVAESettings(image_shape=(20, 24), widths=(4, 8), hidden=8),
}


@pytest.fixture
def traced(monkeypatch):
    """What torch's tracer counts from here on; it traces in full and compiles nothing."""
    compile_function = torch.compile
    monkeypatch.setattr(
        torch, "compile", lambda f, **_: compile_function(f, dynamic=False, backend="eager")
    )
    # As in a fresh process: other tests have had torch look for its rules.
    monkeypatch.setattr(torch.distributions.kl, "_KL_MEMOIZE", {})
    torch._dynamo.reset()
    counters.clear()
    yield counters
    torch._dynamo.reset()


@pytest.mark.parametrize(
    ("model", "objective"),
    [
        ("image", "beta"),
        ("image", "factor"),
        ("image", "tc"),
        ("hierarchy", "seatbelt"),
        ("glitch", "consistent"),
    ],
)
def test_a_step_is_captured_in_one_piece(model, objective, rng, traced):
    """Every break in it is one more launch from Python, of what a CUDA graph would replay."""
    if model == "glitch":
        images = rng.exponential(1.0, (8, 4, 20, 24)).astype(np.float32)
        data = TrainingData.from_images(images)
    else:
        data = PictureData.from_images(rng.random((8, 1, 16, 16)) > 0.5)
    trainers = [
        Trainer(
            data,
            TrainingConfig(
                objective=OBJECTIVES[objective](),
                model=MODELS[model],
                batch_size=4,
                steps=3,
                seed=seed,
                compiled="yes",
                augmentation=Augmentation(positive_pairs=model == "glitch"),
            ),
        )
        for seed in range(2)
    ]
    for _ in range(3):
        for trainer in trainers:
            trainer.advance()
    assert not traced["graph_break"]
    assert traced["stats"]["unique_graphs"] == 1
    assert not any(trainer.forward.obstacle for trainer in trainers)

"""Supervised networks as an upper limit for codes, and reduced pixels as a baseline."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from glitchvae.checkpoint import Checkpoint, ModelCard
from glitchvae.models import build
from glitchvae.probes.protocol import Guess, Method, ProbeTask
from glitchvae.progress import Progress
from glitchvae.training import Augmentation, TrainingData, TrainingImages
from glitchvae.training.step import in_range


class Classifier(nn.Module):
    """A small convolutional network from prepared images to class scores.

    Time is averaged away in the end, frequency is not: where a glitch lies in frequency
    tells its class, when it happens within the image does not.
    """

    def __init__(self, classes: int, widths: tuple[int, ...] = (16, 32, 64, 64)):
        super().__init__()
        blocks = [
            nn.Sequential(
                nn.Conv2d(a, b, 3, padding=1), nn.BatchNorm2d(b), nn.ReLU(), nn.MaxPool2d(2)
            )
            for a, b in zip((5, *widths), widths, strict=False)
        ]
        self.features = nn.Sequential(
            nn.AvgPool2d(2), *blocks, nn.AdaptiveAvgPool2d((4, 2)), nn.Flatten(), nn.Dropout(0.3)
        )
        self.scores = nn.Linear(8 * widths[-1], classes)

    def forward(self, x: Tensor) -> Tensor:
        """Scores (B, classes) of inputs (B, 5, F, T)."""
        return self.scores(self.features(x))


class SupervisedNetwork(nn.Module):
    """A classifier of a VAE's size: its encoder with one linear layer on the code.

    Args:
        model: A model with fresh weights; it is trained.
        latent_size: Z, size of its code.
        classes: Classes to tell apart.
    """

    def __init__(self, model: nn.Module, latent_size: int, classes: int):
        super().__init__()
        self.model = model
        self.scores = nn.Linear(latent_size, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Scores (B, classes) of inputs (B, 5, F, T)."""
        return self.scores(self.model.encode(x).mean)  # type: ignore[operator]


def train_classifier(
    data: TrainingData,
    *,
    epochs: int,
    seed: int,
    network: Callable[[int], nn.Module] = Classifier,
    rows: NDArray[np.int64] | None = None,
    augmentation: Augmentation | None = None,
    batch_size: int = 64,
    progress: Progress = lambda _: None,
) -> tuple[nn.Module, tuple[str, ...]]:
    """Train a network to classify events, with the augmentation of a VAE.

    Args:
        data: Images with labels.
        epochs: Passes over the events.
        seed: Of weights, order and augmentation.
        network: Makes one with fresh weights for a number of classes.
        rows: The events to train on; all unless given.
        augmentation: Of the training of VAEs, its defaults unless given.
        batch_size: Events per update.
        progress: Called after each pass.

    Returns:
        The network in evaluation mode, and its class names.
    """
    rows = np.arange(len(data)) if rows is None else rows
    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    names, classes = np.unique(data.labels[rows].astype(str), return_inverse=True)
    model, truth = network(len(names)), torch.from_numpy(classes)
    optimiser = torch.optim.AdamW(model.parameters(), weight_decay=1e-2)
    batches = max(len(rows) // batch_size, 1)
    rate = torch.optim.lr_scheduler.OneCycleLR(optimiser, 3e-3, total_steps=epochs * batches)
    for _ in range(epochs):
        for part in np.array_split(rng.permutation(len(rows)), batches):
            chosen = torch.from_numpy(rows[part])
            x = data.training_batch(chosen, augmentation or Augmentation(), rng).x
            loss = nn.functional.cross_entropy(model(x), truth[part], label_smoothing=0.05)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            rate.step()
        progress(1)
    return model.eval(), tuple(map(str, names))


def predict_classes(
    model: nn.Module, names: tuple[str, ...], data: TrainingData, *, batch_size: int = 64
) -> NDArray[np.object_]:
    """(N,) the class with the highest score of every event."""
    scores = class_probabilities(model, data, np.arange(len(data)), batch_size=batch_size)
    return np.asarray(names, dtype=object)[scores.argmax(axis=1)]


@torch.inference_mode()
def class_probabilities(
    model: nn.Module, data: TrainingData, rows: NDArray[np.int64], *, batch_size: int = 64
) -> NDArray[np.float32]:
    """(n, classes) probability of every class for some events."""
    parts = torch.from_numpy(rows).split(batch_size)
    return torch.cat([model(data.batch(part).x).softmax(dim=1) for part in parts]).numpy()


def by_network(
    data: TrainingData, card: ModelCard, *, epochs: int, progress: Progress = lambda _: None
) -> Method:
    """Method that trains a `SupervisedNetwork` on the images behind a `ProbeSet`.

    Args:
        data: The usable events of the sources, in their order.
        card: Of the model whose size the network has.
        epochs: Passes over the training events.
        progress: Called after each.
    """

    def guess(task: ProbeTask) -> Guess:
        events = task.events
        labels = np.full(len(data), "", dtype=object)
        labels[events.place] = events.label
        network, names = train_classifier(
            replace(data, labels=labels),
            epochs=epochs,
            seed=task.seed,
            network=lambda classes: SupervisedNetwork(
                build(card.architecture, card.model), card.latent_size, classes
            ),
            rows=events.place[task.train],
            progress=progress,
        )
        probabilities = class_probabilities(network, data, events.place[task.test])
        named = np.asarray(names, dtype=object)[probabilities.argmax(axis=1)]
        return Guess(named[None], probabilities.max(axis=1))

    return guess


@torch.inference_mode()
def encode_data(
    checkpoint: Checkpoint,
    data: TrainingImages,
    *,
    augmentation: Augmentation | None = None,
    seed: int = 0,
    batch_size: int = 256,
) -> NDArray[np.float32]:
    """(N, Z) posterior means of images of any size that the model takes.

    Args:
        checkpoint: The model.
        data: N images.
        augmentation: Small changes of the images, drawn anew for each; None: as they are.
        seed: Of the changes.
        batch_size: Images at once.
    """
    model, rng = checkpoint.model, np.random.default_rng(seed)
    device = next(model.parameters()).device
    codes = []
    for part in torch.arange(len(data)).split(batch_size):
        rows = part.to(device)
        batch = (
            data.batch(rows)
            if augmentation is None
            else data.training_batch(rows, augmentation, rng)
        )
        codes.append(model.encode(in_range(batch, model).x).mean.cpu())
    return torch.cat(codes).numpy()


def reduced_pixels(data: TrainingData, *, batch_size: int = 256) -> NDArray[np.float32]:
    """(N, pixels) the four views as a model sees them, averaged over squares of four pixels."""
    parts = (slice(i, i + batch_size) for i in range(0, len(data), batch_size))
    views = (data.batch(part).x[:, :-1] for part in parts)
    return np.concatenate([nn.functional.avg_pool2d(x, 2).flatten(1).numpy() for x in views])

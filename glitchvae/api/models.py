"""A trained model: encode, classify, decode, reconstruct, save."""

from __future__ import annotations

import shutil
import weakref
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from torch import nn

from glitchvae.api.arrays import as_array, as_path
from glitchvae.api.datasets import PREPARED_SHAPE, VIEWS_SHAPE, Dataset, as_dataset, spectrograms_of
from glitchvae.checkpoint import (
    Checkpoint,
    ModelCard,
    decode,
    load_checkpoint,
    save_checkpoint,
)
from glitchvae.classes.prototypes import Prototypes
from glitchvae.embedding import encode_spectrograms, export_encoder
from glitchvae.errors import InputError, ModelError
from glitchvae.models import Model as Network
from glitchvae.models import UserVAE, takes_views
from glitchvae.resources import choose_device
from glitchvae.training import PictureData, refuse_existing
from glitchvae.validation.disentanglement.encoding import Codes
from glitchvae.validation.disentanglement.encoding import encode as encode_pictures


class Model:
    """A trained VAE, ready to encode.

    `load_model` opens one and `train` makes one. Images are whatever a `Dataset` is made of:
    pictures in [0, 1] whatever the range of the model's likelihood, or energies of glitches.
    Methods follow scikit-learn: `transform` is `encode`, and the columns of `predict_proba` are
    `classes_`.

    Attributes:
        card: What the model is and what it was trained on (`ModelCard`).
        module: The torch module, in evaluation mode.
        path: Its folder.

    Example:
        >>> import glitchvae as gv
        >>> model = gv.load_model("default", device="cpu")
        >>> data = gv.simulate_dataset(4, seed=1)
        >>> codes = model.encode(data)
        >>> codes.shape, model.predict_proba(codes).shape, model.reconstruct(data).shape
        ((4, 64), (4, 24), (4, 4, 140, 170))
    """

    def __init__(self, checkpoint: Checkpoint, *, temporary: Path | None = None) -> None:
        self._checkpoint = checkpoint
        if temporary is not None:  # a folder that goes with the model
            weakref.finalize(self, shutil.rmtree, temporary, ignore_errors=True)

    def __repr__(self) -> str:
        card, prototypes = self.card, self._checkpoint.prototypes
        what = "glitches" if self.takes_glitches else f"pictures {self.image_shape}"
        classes = "no classes" if prototypes is None else f"{len(prototypes.names)} classes"
        objective = card.objective.get("name", "own")
        return (
            f"Model {self._checkpoint.name!r}: VAE of {what}, {self.latent_size} latent "
            f"dimensions, objective {objective}, {card.steps:,} steps, {classes}, on {self.device}"
        )

    @property
    def card(self) -> ModelCard:
        """Model card: architecture, training data, figures and versions."""
        return self._checkpoint.card

    @property
    def module(self) -> nn.Module:
        """The torch module in evaluation mode; of a network of the user's own, that network."""
        network = self.network
        return network.network if isinstance(network, UserVAE) else network

    @property
    def network(self) -> Network[Any]:
        """The module with the interface `glitchvae.models.Model`, for objectives and metrics."""
        return self._checkpoint.model

    @property
    def path(self) -> Path:
        """Folder of the model; a temporary folder after a training without `output`."""
        return self._checkpoint.path

    @property
    def device(self) -> str:
        """Device of the weights."""
        return str(next(self.network.parameters()).device)

    @property
    def latent_size(self) -> int:
        """Number of latent dimensions, all layers together."""
        return sum(self.network.layers)

    @property
    def takes_glitches(self) -> bool:
        """Whether the model encodes glitches; otherwise it encodes pictures."""
        return takes_views(self.network)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Channels, rows and columns of the images it takes."""
        return VIEWS_SHAPE if self.takes_glitches else self.network.settings.image_shape

    @property
    def classes_(self) -> NDArray[np.object_]:
        """(K,) names of the known classes.

        Raises:
            ModelError: it was trained without labels.
        """
        return np.array(self._prototypes().names, dtype=object)

    def encode(self, images: Any) -> NDArray[np.float32]:
        """Codes of images: the posterior means.

        Args:
            images: A `Dataset`, a `SpectrogramSet`, energies (N, 4, 140, 170), or pictures
                (N, C, H, W) in [0, 1]; glitches also as `Dataset.torch` gives them,
                (N, 5, 140, 170).

        Returns:
            (N, Z) float32; NaN for events of a `SpectrogramSet` that have no image.

        Raises:
            InputError: no images, or bad ones.
            ModelError: images of another kind or shape than the model's.
        """
        return self.posterior(images).mean

    transform = encode

    def posterior(self, images: Any) -> Codes:
        """Means and log-variances (N, Z) of the posteriors of images; arguments as of `encode`."""
        record = spectrograms_of(images)
        if record is None:
            record = self.dataset(images).record
        if isinstance(record, PictureData):
            return encode_pictures(self.network, record, device=self.device)
        found = encode_spectrograms(record, self._checkpoint, device=self.device)
        return Codes(found.mean, found.log_var)

    def predict(self, codes: ArrayLike) -> NDArray[np.object_]:
        """Nearest known class of each code.

        Args:
            codes: (N, Z).

        Returns:
            (N,) names; "" for a code that holds NaN.

        Raises:
            InputError: codes of another size.
            ModelError: the model was trained without labels.
        """
        return self._prototypes().classify(self._codes(codes)).class_name

    def predict_proba(self, codes: ArrayLike) -> NDArray[np.float64]:
        """Probability of each known class for each code.

        Args:
            codes: (N, Z).

        Returns:
            (N, K), columns as `classes_`; NaN for a code that holds NaN.

        Raises:
            InputError: codes of another size.
            ModelError: the model was trained without labels.
        """
        return self._prototypes().probabilities(self._codes(codes))

    def decode(self, codes: ArrayLike) -> NDArray[np.float32]:
        """Decode codes to images: the mean of the likelihood.

        Args:
            codes: (N, Z).

        Returns:
            Energies (N, 4, 140, 170), or pictures (N, C, H, W) in [0, 1].

        Raises:
            InputError: codes of another size, or not finite.
        """
        known = self._codes(codes)
        if not np.isfinite(known).all():
            row = int(np.flatnonzero(~np.isfinite(known).all(axis=1))[0])
            raise InputError("codes are not finite", where=f"row {row}", expected="numbers")
        return decode(self._checkpoint, known)

    def reconstruct(self, images: Any) -> NDArray[np.float32]:
        """Reconstruct images: `decode(encode(images))`."""
        return self.decode(self.encode(images))

    def save(self, folder: str | Path) -> Path:
        """Write the model to a folder that `load_model` and `--model` accept.

        Raises:
            InputError: the folder holds a model already.
            StorageError: the disk refused the write.
        """
        folder = as_path(folder, "folder")
        refuse_existing(folder)
        save_checkpoint(folder, self.network, self.card, self._checkpoint.prototypes)
        return folder

    def export(self, path: str | Path) -> Path:
        """Write the encoder for programs without glitchvae.

        The file takes energies (B, 4, 140, 170), NaN where not computed, or pictures in [0, 1],
        and gives means and log-variances (B, Z).

        Args:
            path: Ending in `.onnx` (extra `onnx`), or in `.pt2` for `torch.export.load`.

        Raises:
            InputError: another ending, or ONNX without its extra.
            ModelError: a network that torch cannot trace.
            StorageError: the disk refused the write.
        """
        return export_encoder(self._checkpoint, as_path(path, "path"))

    def dataset(self, images: Any) -> Dataset:
        """Convert images to a Dataset of the model's kind and shape.

        Raises:
            InputError: no images, or bad ones.
            ModelError: of another kind or shape; both are named.
        """
        if not isinstance(images, Dataset) and spectrograms_of(images) is None:
            images = as_array(images, "images")
            self._require_shape(images.shape)  # which explains the range of pixels
        data = as_dataset(images)
        self._require_kind(data)
        return data

    def _require_shape(self, shape: tuple[int, ...]) -> None:
        wanted: set[tuple[int, ...]] = {self.image_shape}
        if self.takes_glitches:
            wanted.add(PREPARED_SHAPE)
        elif self.image_shape[0] == 1:
            wanted.add(self.image_shape[1:])
        if shape[1:] not in wanted:
            raise ModelError(
                "images have another shape than those of the model",
                where=self._checkpoint.name,
                expected=f"(N, {', '.join(map(str, self.image_shape))})",
                found=shape,
                remedy="A single image needs an axis in front: images[None]."
                if shape in wanted
                else None,
            )

    def _require_kind(self, data: Dataset) -> None:
        views, wanted = data.kind == "glitches", self.image_shape
        if self.takes_glitches:
            fits, expected = views or data.shape == PREPARED_SHAPE, "glitches"
        else:
            fits, expected = not views and data.shape == wanted, "pictures"
        if not fits:
            raise ModelError(
                "images are of another kind than those of the model",
                where=self._checkpoint.name,
                expected=f"{expected} {wanted}",
                found=f"{data.kind} {data.shape}",
            )

    def _prototypes(self) -> Prototypes:
        return self._checkpoint.require_prototypes()

    def _codes(self, codes: ArrayLike) -> NDArray[Any]:
        known = as_array(codes, "codes")
        if known.ndim != 2 or known.shape[1] != self.latent_size:
            raise InputError(
                "codes have another shape than those of the model",
                expected=f"(N, {self.latent_size})",
                found=known.shape,
                remedy="Codes of images are model.encode(images).",
            )
        return known


def load_model(
    name_or_folder: str | Path = "default",
    device: str = "auto",
    *,
    network: nn.Module | None = None,
) -> Model:
    """Open a trained model.

    Args:
        name_or_folder: "default", which is shipped, or the folder of a model.
        device: "auto" (a GPU where torch finds one), "cpu" or "cuda".
        network: Takes the weights of a network of your own, which stays as it is: the folder
            holds weights and a card, never code.

    Raises:
        ModelError: no such model, a damaged one, a pickle, or weights of a network of one's own
            without that network.
        ConfigError: no such device here.

    Example:
        >>> import glitchvae as gv
        >>> model = gv.load_model("default", device="cpu")
        >>> model.latent_size, len(model.classes_)
        (64, 24)
    """
    place = choose_device(device)
    return Model(load_checkpoint(as_path(name_or_folder, "model"), place, network=network))

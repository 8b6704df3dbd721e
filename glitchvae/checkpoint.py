"""A trained model on disk: weights, model card, class prototypes.

A checkpoint is a folder of `weights.safetensors`, `card.toml` and, where class labels
were known, `prototypes.safetensors`. Nothing in it is pickled, so that a checkpoint from
anywhere can be opened without running its code. The network is made when it is first asked
for, and torch is imported then: who needs card or classes alone need not wait for it.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import tomli_w
from numpy.typing import NDArray
from pydantic import ValidationError

from glitchvae.classes.catalog import read_catalog
from glitchvae.classes.model_card import (
    CARD,
    LATER,
    PROTOTYPES,
    WEIGHTS,
    check_digest,
    find_model,
    read_prototypes,
)
from glitchvae.classes.model_card import (
    DataCard as DataCard,
)
from glitchvae.classes.model_card import (
    ModelCard as ModelCard,
)
from glitchvae.classes.model_card import (
    read_card as read_card,
)
from glitchvae.classes.prototypes import Prototypes
from glitchvae.errors import InputError, ModelError
from glitchvae.shapes import IMAGE_SHAPE
from glitchvae.store import digest, replacing

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from glitchvae.models import Model, UserVAE


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A model ready to encode.

    Attributes:
        read: Returns the network, in evaluation mode on its device, the same at every call.
        card: What it is.
        prototypes: The classes it knows, with the bands of the catalogue.
        digest: Of what decides codes; the head may change under it.
        path: Its folder.
    """

    read: Callable[[], Model[Any]]
    card: ModelCard
    prototypes: Prototypes | None
    digest: str
    path: Path

    @cached_property
    def model(self) -> Model[Any]:
        """The network.

        Raises:
            ModelError: card and weights do not fit.
        """
        return self.read()

    @property
    def head_digest(self) -> str:
        """Digest of the prototypes, "" if there are none."""
        return self.card.prototypes_digest

    @property
    def name(self) -> str:
        """Name of the folder."""
        return self.path.name

    def require_views(self) -> None:
        """Refuse a model of pictures if glitches are to be encoded.

        Raises:
            ModelError: the model does not take the four views of `prepare`.
        """
        from glitchvae.models import takes_views

        if not takes_views(self.model):
            raise ModelError(
                "this is a model of pictures, not of glitches",
                where=self.path,
                expected='architecture "glitch", or "hierarchy" with network "glitch"',
                found=f"{self.card.architecture!r} of images {self.model.settings.image_shape}",
                remedy="Choose another model with `--model`.",
            )

    def require_prototypes(self, problem: str = "a model without class prototypes") -> Prototypes:
        """The prototypes of the known classes; an error if there are none.

        Args:
            problem: What is said of a model that knows none.

        Raises:
            ModelError: it knows none.
        """
        if self.prototypes is None:
            raise ModelError(
                problem,
                where=self.path,
                expected="a model that was trained with labels",
                remedy="Train on labelled images, or use the default model.",
            )
        return self.prototypes


def save_checkpoint(
    folder: str | Path, model: Model[Any], card: ModelCard, prototypes: Prototypes | None = None
) -> ModelCard:
    """Write a checkpoint; the card goes last, so that a folder with a card is complete.

    Returns:
        The card as written: architecture, settings and digests are those of `model`.
    """
    import safetensors.torch

    from glitchvae.models import architecture_of

    folder = Path(folder)
    weights = {
        name: value.detach().cpu().contiguous() for name, value in model.state_dict().items()
    }
    with replacing(folder / WEIGHTS) as temporary:
        safetensors.torch.save_file(weights, temporary)
    if prototypes is not None:
        prototypes.save(folder / PROTOTYPES)
    else:
        (folder / PROTOTYPES).unlink(missing_ok=True)
    card = card.model_copy(
        update={
            "architecture": architecture_of(model.settings),
            "model": model.settings.model_dump(mode="json", exclude_none=True),
            "latent_size": sum(model.layers),
            "weights_digest": digest(folder / WEIGHTS),
            "prototypes_digest": digest(folder / PROTOTYPES) if prototypes is not None else "",
        }
    )
    # Earlier versions refuse what they do not know: they go on to read the cards of other models.
    told = card.model_dump(mode="json", exclude={name for name in LATER if not getattr(card, name)})
    with replacing(folder / CARD) as temporary:
        temporary.write_bytes(tomli_w.dumps(told).encode())
    return card


def load_checkpoint(
    name_or_folder: str | Path = "default",
    device: str | torch.device = "cpu",
    *,
    network: nn.Module | None = None,
    at_once: bool = True,
) -> Checkpoint:
    """Open a checkpoint: a shipped one by name, or a folder.

    Args:
        name_or_folder: The name of a shipped checkpoint, or a folder.
        device: Where the model goes.
        network: Takes the weights of a checkpoint of a network of the user's own
            (`models.user`), which no other checkpoint needs.
        at_once: Make the network now, and not when it is first asked for.

    Raises:
        ModelError: missing, of another format version, pickled, damaged, or its parts
            do not belong together.
    """
    folder = find_model(name_or_folder)
    card = read_card(folder)
    check_digest(folder / WEIGHTS, card.weights_digest)
    read = cache(lambda: _read_model(folder, card, network).to(device).eval())
    if at_once:
        read()
    prototypes = read_prototypes(folder, card)
    if prototypes is not None:
        prototypes = prototypes.in_catalog(read_catalog())
    return Checkpoint(
        read=read,
        card=card,
        prototypes=prototypes,
        digest=card.code_digest,
        path=folder,
    )


def reconstruct(
    checkpoint: Checkpoint, images: NDArray[np.floating], *, batch_size: int = 64
) -> NDArray[np.float32]:
    """Reconstruct energies: the decoded posterior mean of each event.

    Args:
        checkpoint: An open model.
        images: Energies (N, views, F, T); NaN where nothing was computed.
        batch_size: Events per pass.

    Returns:
        Energies of the same shape, also where nothing was computed.

    Raises:
        ModelError: a model of pictures.
    """
    import torch

    from glitchvae.models import prepare

    checkpoint.require_views()
    device = next(checkpoint.model.parameters()).device
    parts = []
    with torch.inference_mode():
        for batch in torch.from_numpy(np.asarray(images)).split(batch_size):
            x, _ = prepare(batch.to(device))
            codes = checkpoint.model.encode(x).mean
            parts.append(_decoded(checkpoint.model, codes, (batch.shape[-2], batch.shape[-1])))
    return np.concatenate(parts) if parts else np.empty(np.shape(images), dtype=np.float32)


def decode(
    checkpoint: Checkpoint, codes: NDArray[np.floating], *, batch_size: int = 64
) -> NDArray[np.float32]:
    """Decode codes to images: the mean of the model's likelihood.

    Args:
        checkpoint: An open model.
        codes: (N, Z), all layers side by side.
        batch_size: Codes per pass.

    Returns:
        Energies (N, views, 140, 170) of a model of glitches, else pictures (N, C, H, W) in
        [0, 1].

    Raises:
        InputError: codes of another size.
    """
    import torch

    codes, model = np.asarray(codes), checkpoint.model
    size = sum(model.layers)
    if codes.ndim != 2 or codes.shape[1] != size:
        raise InputError(
            "codes have the wrong shape",
            where=checkpoint.name,
            expected=f"(N, {size})",
            found=codes.shape,
        )
    device = next(model.parameters()).device
    batches = torch.as_tensor(codes, dtype=torch.float32).split(batch_size)
    with torch.inference_mode():
        parts = [_decoded(model, batch.to(device), IMAGE_SHAPE) for batch in batches]
    return np.concatenate(parts)


def _decoded(model: Model[Any], codes: Tensor, shape: tuple[int, int]) -> NDArray[np.float32]:
    """Decoded images as energies at full size, or as pictures in [0, 1]."""
    from glitchvae.models import enlarge, restore, scale_to_unit, takes_views

    mean: Tensor = model.decode(codes).mean
    if takes_views(model):
        return enlarge(restore(mean), shape).cpu().numpy()
    return scale_to_unit(mean, model.likelihood).cpu().numpy()


def _fill(network: nn.Module, card: ModelCard) -> UserVAE:
    """Load weights into a copy of the user's network if it matches the card."""
    import torch

    from glitchvae.models import UserVAESettings, wrap_vae

    settings = UserVAESettings.model_validate(card.model)
    channels, rows, columns = settings.image_shape
    example = torch.zeros(2, channels + settings.takes_views, rows, columns)
    model = wrap_vae(copy.deepcopy(network), example, data_range=settings.data_range)
    if (model.settings.image_shape, model.layers) != (settings.image_shape, (card.latent_size,)):
        raise ValueError(f"the network has {model.layers[0]} latent variables")
    return model


def _read_model(folder: Path, card: ModelCard, network: nn.Module | None) -> Model[Any]:
    import safetensors.torch

    from glitchvae.models import USER, build

    if network is not None and card.architecture != USER:
        raise ModelError(
            "this model needs no network",
            where=folder,
            found=f"architecture {card.architecture!r}",
            remedy="Leave network out.",
        )
    try:
        model = build(card.architecture, card.model) if network is None else _fill(network, card)
        model.load_state_dict(safetensors.torch.load_file(folder / WEIGHTS))
    except (ValidationError, ValueError, RuntimeError, safetensors.SafetensorError) as error:
        raise ModelError(
            "card and weights do not belong together", where=folder, found=error
        ) from error
    return model

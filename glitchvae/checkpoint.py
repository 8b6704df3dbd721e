"""A trained model on disk: weights, a card that says what they are, class prototypes.

A checkpoint is a folder of `weights.safetensors`, `card.toml` and, where class labels
were known, `prototypes.safetensors`. Nothing in it is pickled, so that a checkpoint from
anywhere can be opened without running its code.
"""

from __future__ import annotations

import copy
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.torch
import tomli_w
import torch
from numpy.typing import NDArray
from pydantic import Field, ValidationError
from torch import Tensor, nn

from glitchvae import __version__, resources
from glitchvae.classes.prototypes import Prototypes
from glitchvae.config import Settings, parse
from glitchvae.errors import ConfigError, InputError, ModelError
from glitchvae.models import (
    USER,
    Model,
    UserVAE,
    UserVAESettings,
    architecture_of,
    build,
    enlarge,
    prepare,
    restore,
    scale_to_unit,
    takes_views,
    wrap_vae,
)
from glitchvae.shapes import IMAGE_SHAPE
from glitchvae.store import digest, replacing

FORMAT_VERSION = 1
WEIGHTS, CARD, PROTOTYPES = "weights.safetensors", "card.toml", "prototypes.safetensors"
_PICKLE_SUFFIXES = {".pt", ".pth", ".ckpt", ".pkl", ".bin"}
_PICKLE_STARTS = (b"PK\x03\x04", b"\x80")


class DataCard(Settings):
    """What a model was trained on."""

    digest: str
    description: str = ""
    events: int = Field(default=0, ge=0)


class ModelCard(Settings):
    """What a checkpoint holds and where it comes from.

    `shortfalls` says in sentences what the training fell short of: a schedule that was not
    finished, a target that was missed, a code that says nothing.
    """

    format_version: int = FORMAT_VERSION
    architecture: str
    model: dict[str, Any]
    latent_size: int
    imaging: tuple[dict[str, Any], ...] = ()
    objective: dict[str, Any]
    steps: int
    seed: int
    training: dict[str, Any] = Field(default_factory=dict)
    data: DataCard
    figures: dict[str, float] = Field(default_factory=dict)
    shortfalls: tuple[str, ...] = ()
    glitchvae_version: str = __version__
    weights_digest: str = ""
    prototypes_digest: str = ""

    @property
    def digest(self) -> str:
        """Identity of everything that determines codes and classes."""
        keys = {"architecture", "model", "weights_digest", "prototypes_digest"}
        return digest(self.model_dump(mode="json", include=keys))


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A model ready to encode, in evaluation mode on its device."""

    model: Model[Any]
    card: ModelCard
    prototypes: Prototypes | None
    digest: str
    path: Path

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.path.name

    def require_views(self) -> None:
        """Refuse a model of pictures where images of glitches are to be encoded.

        Raises:
            ModelError: the model does not take the four views of `prepare`.
        """
        if not takes_views(self.model):
            raise ModelError(
                "a model of pictures, not of glitches",
                where=self.path,
                expected='architecture "glitch", or "hierarchy" with network "glitch"',
                found=f"{self.card.architecture!r} of images {self.model.settings.image_shape}",
                remedy="Choose another model with `--model`.",
            )

    def require_prototypes(self, problem: str = "a model without class prototypes") -> Prototypes:
        """The known classes.

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
    with replacing(folder / CARD) as temporary:
        temporary.write_bytes(tomli_w.dumps(card.model_dump(mode="json")).encode())
    return card


def load_checkpoint(
    name_or_folder: str | Path = "default",
    device: str | torch.device = "cpu",
    *,
    network: nn.Module | None = None,
) -> Checkpoint:
    """Open a checkpoint: the name of a shipped one, or a folder.

    Args:
        name_or_folder: The name of a shipped checkpoint, or a folder.
        device: Where the model goes.
        network: Takes the weights of a checkpoint of a network of the user's own
            (`models.user`), which no other checkpoint needs.

    Raises:
        ModelError: missing, of another format version, pickled, damaged, or its parts
            do not belong together.
    """
    folder = _find(name_or_folder)
    card = read_card(folder)
    model = _read_model(folder, card, network)
    prototypes = None
    if card.prototypes_digest:
        _check_digest(folder / PROTOTYPES, card.prototypes_digest)
        prototypes = Prototypes.load(folder / PROTOTYPES)
    return Checkpoint(
        model=model.to(device).eval(),
        card=card,
        prototypes=prototypes,
        digest=card.digest,
        path=folder,
    )


def read_card(folder: str | Path) -> ModelCard:
    """The card of a checkpoint folder.

    Raises:
        ModelError: no card, not TOML, another format version, or a bad entry.
    """
    path = Path(folder) / CARD
    _refuse_pickle(Path(folder))
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ModelError(
            "no model here",
            where=folder,
            expected=f"{WEIGHTS} and {CARD}",
            found=sorted(p.name for p in Path(folder).iterdir()),
            remedy="A run that was stopped early is finished by `glitchvae train --resume`.",
        ) from error
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ModelError("the model card cannot be read", where=path, found=error) from error
    if values.get("format_version") != FORMAT_VERSION:
        raise ModelError(
            "a checkpoint of another format",
            where=path,
            expected=f"version {FORMAT_VERSION}",
            found=values.get("format_version"),
            remedy="Use the glitchvae that wrote it.",
        )
    try:
        return parse(ModelCard, values, where=path)
    except ConfigError as error:
        raise ModelError(f"the model card is damaged: {error.problem}", where=path) from error


@torch.inference_mode()
def reconstruct(
    checkpoint: Checkpoint, images: NDArray[np.floating], *, batch_size: int = 64
) -> NDArray[np.float32]:
    """Energies as the model remembers them: the decoded posterior mean of each event.

    Args:
        checkpoint: An open model.
        images: Energies (N, views, F, T); NaN where nothing was computed.
        batch_size: Events per pass.

    Returns:
        Energies of the same shape, also where nothing was computed.

    Raises:
        ModelError: a model of pictures.
    """
    checkpoint.require_views()
    device = next(checkpoint.model.parameters()).device
    parts = []
    for batch in torch.from_numpy(np.asarray(images)).split(batch_size):
        x, _ = prepare(batch.to(device))
        codes = checkpoint.model.encode(x).mean
        parts.append(_decoded(checkpoint.model, codes, (batch.shape[-2], batch.shape[-1])))
    return np.concatenate(parts) if parts else np.empty(np.shape(images), dtype=np.float32)


@torch.inference_mode()
def decode(
    checkpoint: Checkpoint, codes: NDArray[np.floating], *, batch_size: int = 64
) -> NDArray[np.float32]:
    """What the model draws of codes: the mean of its likelihood.

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
    codes, model = np.asarray(codes), checkpoint.model
    size = sum(model.layers)
    if codes.ndim != 2 or codes.shape[1] != size:
        raise InputError(
            "codes of another size",
            where=checkpoint.name,
            expected=f"(N, {size})",
            found=codes.shape,
        )
    device = next(model.parameters()).device
    batches = torch.as_tensor(codes, dtype=torch.float32).split(batch_size)
    parts = [_decoded(model, batch.to(device), IMAGE_SHAPE) for batch in batches]
    return np.concatenate(parts)


def _decoded(model: Model[Any], codes: Tensor, shape: tuple[int, int]) -> NDArray[np.float32]:
    """Energies with this many pixels, or pictures in [0, 1]."""
    mean: Tensor = model.decode(codes).mean
    if takes_views(model):
        return enlarge(restore(mean), shape).cpu().numpy()
    return scale_to_unit(mean, model.likelihood).cpu().numpy()


def _find(name_or_folder: str | Path) -> Path:
    folder = Path(name_or_folder)
    if folder.is_dir():
        return folder.resolve()
    if folder.is_file():
        _refuse_pickle(folder)
        raise ModelError("a file", where=folder, expected="the folder of a checkpoint")
    if folder.name == str(name_or_folder):
        try:
            return resources.data(f"models/{name_or_folder}")
        except InputError as error:
            raise ModelError(
                f"no model {str(name_or_folder)!r}",
                expected="a shipped model or a folder",
                found=f"shipped: {error.found or 'none'}",
            ) from error
    raise ModelError("no such folder", where=folder, expected="the folder of a checkpoint")


def _refuse_pickle(path: Path) -> None:
    """Reject what torch or pickle wrote: opening it would run code stored inside."""
    if path.is_dir() and (path / WEIGHTS).is_file():
        path = path / WEIGHTS
    files = path.iterdir() if path.is_dir() else [path]
    for file in files:
        if file.is_file() and (file.suffix in _PICKLE_SUFFIXES or _starts_like_pickle(file)):
            raise ModelError(
                "a pickled model, which could run code when opened, is refused",
                where=file,
                expected=f"{WEIGHTS} beside {CARD}",
                remedy="Save its weights with safetensors or train it with `glitchvae train`.",
            )


def _starts_like_pickle(file: Path) -> bool:
    with file.open("rb") as stream:
        start = stream.read(9)
    # Safetensors begin with the length of their header in eight bytes, of which the first may
    # be a pickle's first.
    return start.startswith(_PICKLE_STARTS) and start[4:] != b"\0\0\0\0{"


def _check_digest(path: Path, expected: str) -> None:
    if not path.is_file():
        raise ModelError("a part of the checkpoint is missing", where=path)
    if digest(path) != expected:
        raise ModelError(
            "damaged, or not the file its card describes",
            where=path,
            expected=f"SHA-256 {expected[:12]}…",
            found=f"{digest(path)[:12]}…",
            remedy="Fetch it again, or finish the run with `glitchvae train --resume`.",
        )


def _fill(network: nn.Module, card: ModelCard) -> UserVAE:
    """A copy of the user's network, if it is like the one on the card."""
    settings = UserVAESettings.model_validate(card.model)
    channels, rows, columns = settings.image_shape
    example = torch.zeros(2, channels + settings.takes_views, rows, columns)
    model = wrap_vae(copy.deepcopy(network), example, data_range=settings.data_range)
    if (model.settings.image_shape, model.layers) != (settings.image_shape, (card.latent_size,)):
        raise ValueError(f"the network has {model.layers[0]} latent variables")
    return model


def _read_model(folder: Path, card: ModelCard, network: nn.Module | None) -> Model[Any]:
    _check_digest(folder / WEIGHTS, card.weights_digest)
    if network is not None and card.architecture != USER:
        raise ModelError(
            "a model that needs no network to be given",
            where=folder,
            found=f"architecture {card.architecture!r}",
            remedy="Leave network out.",
        )
    try:
        model = build(card.architecture, card.model) if network is None else _fill(network, card)
        model.load_state_dict(safetensors.torch.load_file(folder / WEIGHTS))
    except (ValidationError, ValueError, RuntimeError, safetensors.SafetensorError) as error:
        raise ModelError("card and weights do not fit", where=folder, found=error) from error
    return model

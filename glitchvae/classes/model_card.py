"""The model card and, beside it, the head that names classes.

A model's folder holds weights, a card and, where labels were known, a head: prototypes of
the classes. Weights alone decide what codes are; a head may change under the same codes.
Reading card and head needs no torch: whoever has codes and a head has classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import Field

from glitchvae import __version__, resources
from glitchvae.classes.prototypes import Prototypes
from glitchvae.config import Settings, parse, read_toml
from glitchvae.errors import ConfigError, InputError, ModelError
from glitchvae.store import digest, replacing

FORMAT_VERSION = 1
WEIGHTS, CARD, PROTOTYPES = "weights.safetensors", "card.toml", "prototypes.safetensors"
LATER = ("adapted", "provenance", "started_from", "looked_at", "real_sets", "real_figures")
"""Entries of a card unknown to earlier versions; empty ones are left out."""

_PICKLE_SUFFIXES = {".pt", ".pth", ".ckpt", ".pkl", ".bin"}
_PICKLE_STARTS = (b"PK\x03\x04", b"\x80")


class DataCard(Settings):
    """Data that a model was trained on."""

    digest: str
    description: str = ""
    events: int = Field(default=0, ge=0)


class RealSetCard(Settings):
    """Real events that a model was trained on.

    Attributes:
        name: Of the file.
        origin: Where it is from.
        licence: Under which it was published.
        citation: What to cite.
        digest: SHA-256 of the file.
        share: Of the events of a batch.
        ids: Of its events that took part.
    """

    name: str
    origin: str = ""
    licence: str = "none stated"
    citation: str = ""
    digest: str
    share: float
    ids: tuple[str, ...]


class FigureCard(Settings):
    """A figure on held-out real events, with a 90 % interval."""

    what: str
    measure: str
    value: float
    lowest: float
    highest: float


class ModelCard(Settings):
    """Content and origin of a checkpoint.

    `started_from` is the digest of the weights that training began with, `looked_at` says which
    real events were seen while settings were chosen.

    `shortfalls` says in sentences what the training fell short of: a schedule that was not
    finished, a target that was missed, a code that says nothing. `adapted` is of a model that
    went on from another: which, on what, and the figures of both (`glitchvae adapt`).
    `provenance` is what made it: versions, command line, state of the sources, digests of modules
    of the user's own.
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
    started_from: str = ""
    looked_at: str = ""
    real_sets: tuple[RealSetCard, ...] = ()
    real_figures: tuple[FigureCard, ...] = ()
    shortfalls: tuple[str, ...] = ()
    adapted: dict[str, Any] = Field(default_factory=dict)
    provenance: dict[str, Any] = Field(default_factory=dict)
    glitchvae_version: str = __version__
    weights_digest: str = ""
    prototypes_digest: str = ""

    @property
    def code_digest(self) -> str:
        """Digest of weights and network, which together determine the code of an image."""
        keys = {"architecture", "model", "weights_digest"}
        return digest(self.model_dump(mode="json", include=keys))

    @property
    def older_digest(self) -> str:
        """Model digest of earlier versions, over codes and head together."""
        keys = {"architecture", "model", "weights_digest", "prototypes_digest"}
        return digest(self.model_dump(mode="json", include=keys))

    def made(self, model_digest: str) -> bool:
        """Whether codes that carry this digest were made by the model."""
        return model_digest in {self.code_digest, self.older_digest}


@dataclass(frozen=True, kw_only=True)
class Head:
    """Card and prototypes of a model, without its weights.

    Attributes:
        card: Of the model.
        prototypes: Known classes; None of a model that knows none.
    """

    card: ModelCard
    prototypes: Prototypes | None


def read_head(folder: str | Path) -> Head:
    """Read card and prototypes in a folder, which may lack the weights.

    Raises:
        ModelError: no card, or one of the two is damaged.
    """
    card = read_card(folder)
    return Head(card=card, prototypes=read_prototypes(folder, card))


def read_prototypes(folder: str | Path, card: ModelCard) -> Prototypes | None:
    """Read the prototypes that belong to a card, None if it has none.

    Raises:
        ModelError: missing, damaged, or not those of the card.
    """
    if not card.prototypes_digest:
        return None
    check_digest(Path(folder) / PROTOTYPES, card.prototypes_digest)
    return Prototypes.load(Path(folder) / PROTOTYPES)


def copy_head(source: str | Path, target: str | Path) -> None:
    """Copy card and prototypes; the card goes last, so that a folder with a card is complete.

    Raises:
        StorageError: the disk refused the write.
    """
    for name in (PROTOTYPES, CARD):
        if (Path(source) / name).is_file():
            with replacing(Path(target) / name) as temporary:
                temporary.write_bytes((Path(source) / name).read_bytes())


def read_card(folder: str | Path) -> ModelCard:
    """Read the card of a checkpoint folder.

    Raises:
        ModelError: no card, not TOML, another format version, or a bad entry.
    """
    path = Path(folder) / CARD
    refuse_pickle(Path(folder))
    if not path.exists():
        raise ModelError(
            "the folder is not a model",
            where=folder,
            expected=f"{WEIGHTS} and {CARD}",
            found=sorted(p.name for p in Path(folder).iterdir()),
            remedy="A run that was stopped early is finished by `glitchvae train --resume`.",
        )
    try:
        values = read_toml(path)
    except ConfigError as error:
        found = error.found or error.problem
        raise ModelError("the model card cannot be read", where=path, found=found) from error
    if values.get("format_version") != FORMAT_VERSION:
        raise ModelError(
            "the checkpoint has another format",
            where=path,
            expected=f"version {FORMAT_VERSION}",
            found=values.get("format_version"),
            remedy="Use the glitchvae that wrote it.",
        )
    try:
        return parse(ModelCard, values, where=path)
    except ConfigError as error:
        raise ModelError(f"the model card is damaged: {error.problem}", where=path) from error


def find_model(name_or_folder: str | Path) -> Path:
    """Find the folder of a model: a path, or the name of a shipped model.

    Raises:
        ModelError: there is none.
    """
    folder = Path(name_or_folder)
    if folder.is_dir():
        return folder.resolve()
    if folder.is_file():
        refuse_pickle(folder)
        raise ModelError("a file", where=folder, expected="the folder of a checkpoint")
    if folder.name == str(name_or_folder):
        try:
            return resources.data(f"models/{name_or_folder}")
        except InputError as error:
            shipped = sorted(path.name for path in resources.data("models").iterdir())
            close = get_close_matches(folder.name, shipped, n=1)
            meant = f" (did you mean {close[0]!r}?)" if close else ""
            raise ModelError(
                f"no model {folder.name!r}{meant}",
                expected=f"a shipped model ({', '.join(shipped)}) or the folder of a checkpoint",
            ) from error
    raise ModelError("no such folder", where=folder, expected="the folder of a checkpoint")


def shipped_digests() -> dict[str, str]:
    """Digests of the shipped models in earlier versions, with those of the same codes today."""
    return dict(_digests_in(resources.data("models")))


@cache
def _digests_in(folder: Path) -> dict[str, str]:
    """Those of all models in a folder; an archive asks for them whenever it is opened."""
    cards = (read_card(path.parent) for path in sorted(folder.glob(f"*/{CARD}")))
    return {card.older_digest: card.code_digest for card in cards}


def refuse_pickle(path: Path) -> None:
    """Refuse files of torch or pickle: opening them would run code stored inside."""
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


def check_digest(path: Path, expected: str) -> None:
    """Check that a file of a model matches the digest on its card.

    Raises:
        ModelError: it is missing or another.
    """
    if not path.is_file():
        raise ModelError("a part of the checkpoint is missing", where=path)
    if digest(path) != expected:
        raise ModelError(
            "the file is damaged, or is not the one its card describes",
            where=path,
            expected=f"SHA-256 {expected[:12]}…",
            found=f"{digest(path)[:12]}…",
            remedy="Fetch it again, or finish the run with `glitchvae train --resume`.",
        )

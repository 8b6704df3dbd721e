"""The catalogue of glitch classes: reviewed cards, one TOML file each.

A card says what a class is called in every taxonomy, what it looks like, where it was
seen and what causes it. The schema is closed: an unknown key, a name claimed by two
classes or a reference that is not listed is an error that names file and key.

The shipped catalogue is never changed. Classes that were found and accepted here stand in
a catalogue of one's own, whose cards come on top.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, Self

import tomli_w
from pydantic import AfterValidator, Field, StringConstraints, model_validator

from glitchvae.config import Settings, nearest, parse, read_toml
from glitchvae.errors import CatalogError, ConfigError
from glitchvae.resources import shipped
from glitchvae.store import replacing


def _ascending(limits: tuple[float, float]) -> tuple[float, float]:
    if not 0 <= limits[0] <= limits[1]:
        raise ValueError("needs 0 <= lower limit <= upper limit")
    return limits


def _unwrapped(text: str) -> str:
    return " ".join(text.split())


ClassKey = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+(_[a-z0-9]+)*$")]
Limits = Annotated[tuple[float, float], AfterValidator(_ascending)]
Prose = Annotated[str, StringConstraints(min_length=1), AfterValidator(_unwrapped)]
Run = Literal["O1", "O2", "O3", "O4"]
Detector = Literal["H1", "L1", "V1", "K1"]


class Evidence(Settings):
    """Evidence for a candidate from discovery.

    Attributes:
        model: Digest of the model whose codes they are.
        events: How many.
        medoid: Identifier of the most typical one.
        p_value: Chance that a run without a new class holds such a group.
        expected_per_month: Such groups that chance makes in a month of live time; None where
            that was unknown.
        stability: Mean Jaccard index over bootstrap reclusterings.
        nearest: Known classes, the nearest first.
        run: When the run that found it was made.
        remarks: What has to be known of these numbers.
    """

    model: str
    events: int = Field(gt=0)
    medoid: str
    p_value: float
    expected_per_month: float | None = None
    stability: float
    nearest: tuple[str, ...] = ()
    run: str = ""
    remarks: tuple[str, ...] = ()


class Decision(Settings):
    """Decision of a person about a candidate or a class, with the reason."""

    action: Literal["proposed", "accepted", "merged", "retired"]
    reviewer: str = Field(min_length=1)
    date: str = Field(pattern=r"^\d{4}-\d{2}-\d{2}$")
    note: str = ""


class ClassCard(Settings):
    """Card of one class of glitches.

    Attributes:
        key: Name of the file, never changed once published.
        name: Official name, as in the public labels.
        kind: A glitch; a signal (of the sky or injected); background without any
            transient; or the remainder that fits no class.
        status: Accepted classes have been learnt by a public classifier, candidates
            have been proposed, retired ones are kept for old labels.
        description: What it looks like.
        cause: Where it comes from, as far as published.
        cause_is: How sure the cause is.
        runs: Observing runs with published labels of this class.
        detectors: Where it was labelled.
        band: Lowest and highest frequency (Hz) at which the class can be seen at all, where
            that is known; it is not named in images that end below.
        peak_frequency: Typical range (Hz).
        bandwidth: Typical range (Hz), of the whole cluster of tiles.
        duration: Typical range (s), of the whole cluster of tiles.
        snr: Typical range.
        ranges_from: Where those four come from.
        family: The simulator's family, None where none is simulated.
        names: Labels by taxonomy; the taxonomies are those of `catalog.toml`.
        aliases: Other spellings and abbreviations in use.
        references: Keys of the references of `catalog.toml`.
        evidence: What discovery found, of a class that no paper describes yet.
        merged_into: The class that this one turned out to be.
        decisions: Who decided what, the latest last.
    """

    key: ClassKey
    name: str = Field(min_length=1)
    kind: Literal["glitch", "signal", "background", "remainder"] = "glitch"
    status: Literal["accepted", "candidate", "retired"]
    description: Prose
    cause: Prose
    cause_is: Literal["known", "suspected", "unknown"]
    runs: tuple[Run, ...]
    detectors: tuple[Detector, ...]
    band: Limits | None = None
    peak_frequency: Limits | None = None
    bandwidth: Limits | None = None
    duration: Limits | None = None
    snr: Limits | None = None
    ranges_from: Prose | None = None
    family: str | None = None
    names: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    aliases: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
    evidence: Evidence | None = None
    merged_into: str | None = None
    decisions: tuple[Decision, ...] = ()

    @model_validator(mode="after")
    def _is_founded(self) -> Self:
        if not self.references and self.evidence is None:
            raise ValueError("references: needs one at least, or evidence of its own")
        if self.merged_into is not None and self.status != "retired":
            raise ValueError("merged_into: a class that was merged is retired")
        return self

    def spellings(self) -> set[str]:
        """All names of this class, normalised by `fold`."""
        labels = (label for labels in self.names.values() for label in labels)
        return {fold(name) for name in (self.key, self.name, *self.aliases, *labels)}


class CatalogSettings(Settings):
    """Content of `catalog.toml`: version, and taxonomies and references by key."""

    version: str = Field(pattern=r"^\d{4}\.\d+$")
    taxonomies: dict[str, Prose]
    references: dict[str, Prose]


@dataclass(frozen=True, kw_only=True)
class Catalog:
    """All cards, in the order of their names."""

    settings: CatalogSettings
    cards: tuple[ClassCard, ...]

    def __len__(self) -> int:
        return len(self.cards)

    def __iter__(self) -> Iterator[ClassCard]:
        return iter(self.cards)

    def __contains__(self, name: str) -> bool:
        return any(fold(name) in card.spellings() for card in self.cards)

    def find(self, name: str, *, taxonomy: str | None = None) -> ClassCard:
        """Find the class called `name`: a key, an official name or an alias in any taxonomy.

        Case, blanks, hyphens and underscores do not matter.

        Args:
            name: A label as found in a file.
            taxonomy: Accept only the labels of this taxonomy.

        Raises:
            CatalogError: no such class or taxonomy; the nearest is named.
        """
        if taxonomy is not None and taxonomy not in self.settings.taxonomies:
            known = list(self.settings.taxonomies)
            raise CatalogError(f"no taxonomy {taxonomy!r}{nearest(taxonomy, known)}")
        spelling = fold(name)
        choices: dict[str, ClassCard] = {}
        for card in self.cards:
            choices |= dict.fromkeys(_spellings(card, taxonomy), card)
        if spelling not in choices:
            raise CatalogError(f"no class {name!r}{_hint(spelling, choices)}")
        return choices[spelling]

    def bands(self, names: Iterable[str]) -> dict[str, tuple[float, float]]:
        """Frequency bands (Hz) of the classes whose card gives one."""
        cards = {name: self.find(name) for name in names if name in self}
        return {name: card.band for name, card in cards.items() if card.band is not None}

    def in_use(self, name: str) -> ClassCard:
        """The class that `name` stands for at present: a merged class counts as its target.

        Raises:
            CatalogError: no such class, or it is retired.
        """
        card, passed = self.find(name), set[str]()
        while card.merged_into is not None and card.key not in passed:
            passed.add(card.key)
            card = self.find(card.merged_into)
        if card.status == "retired":
            raise CatalogError(f"{card.name} is retired", remedy="Name a class in use.")
        return card


def fold(name: str) -> str:
    """Normalise a name: case, blanks, hyphens and underscores do not count."""
    # Folding a letter may leave a combining mark, so what is no letter goes last.
    return re.sub(r"[\W_]+", "", name.casefold())


def read_catalog(folder: str | Path | None = None, *, own: str | Path | None = None) -> Catalog:
    """Read the catalogue in `folder`, by default the shipped one.

    Args:
        folder: With `catalog.toml` and `classes/`.
        own: A catalogue of one's own, whose `classes/` come on top; it may be missing.

    Raises:
        CatalogError: every problem of every file, one per line.
    """
    catalog, problems = _read(folder, own)
    if catalog is None or problems:
        raise CatalogError.listing(problems)
    return catalog


def read_card(path: str | Path) -> ClassCard:
    """Read one card.

    Raises:
        CatalogError: it breaks the schema, or its key is not the file's name.
    """
    card = _read_card(Path(path))
    if isinstance(card, CatalogError):
        raise card
    for problem in _misnamed(Path(path), card):
        raise problem
    return card


def write_card(folder: str | Path, card: ClassCard) -> Path:
    """Write `<key>.toml` into a folder of cards; unknown values are left out.

    Raises:
        StorageError: the disk refused the write; an earlier card is untouched.
    """
    path = Path(folder) / f"{card.key}.toml"
    values = card.model_dump(mode="json", exclude_defaults=True)
    with replacing(path) as temporary:
        temporary.write_bytes(tomli_w.dumps(values).encode())
    return path


def _read(
    folder: str | Path | None, own: str | Path | None
) -> tuple[Catalog | None, list[CatalogError]]:
    folder = shipped("catalog") if folder is None else Path(folder)
    settings = _read_settings(folder / "catalog.toml")
    read = [(path, _read_card(path)) for path in sorted((folder / "classes").glob("*.toml"))]
    if own is not None:
        read += [(p, _read_card(p)) for p in sorted((Path(own) / "classes").glob("*.toml"))]
    if isinstance(settings, CatalogError):
        return None, [settings, *(card for _, card in read if isinstance(card, CatalogError))]
    problems = [card for _, card in read if isinstance(card, CatalogError)]
    cards = {path: card for path, card in read if isinstance(card, ClassCard)}
    for path, card in cards.items():
        problems += [*_misnamed(path, card), *_cross_references(path, card, settings)]
    problems += [*_merged_into_nothing(cards), *_claimed_twice(cards)]
    if not read:
        problems.append(CatalogError("no class cards", where=folder / "classes"))
    ordered = tuple(sorted(cards.values(), key=lambda card: card.name.casefold()))
    return Catalog(settings=settings, cards=ordered), problems


def _read_settings(path: Path) -> CatalogSettings | CatalogError:
    try:
        return parse(CatalogSettings, read_toml(path), where=path)
    except ConfigError as error:
        return CatalogError(error.problem, where=path, found=error.found)


def _read_card(path: Path) -> ClassCard | CatalogError:
    try:
        return parse(ClassCard, read_toml(path), where=path)
    except ConfigError as error:
        return CatalogError(error.problem, where=path, found=error.found)


def _misnamed(path: Path, card: ClassCard) -> Iterator[CatalogError]:
    if card.key != path.stem:
        yield CatalogError(
            "the key differs from the name of the file",
            where=f"{path}: key",
            expected=repr(path.stem),
            found=repr(card.key),
        )


def _merged_into_nothing(cards: dict[Path, ClassCard]) -> Iterator[CatalogError]:
    known = {spelling: card for card in cards.values() for spelling in card.spellings()}
    for path, card in cards.items():
        if card.merged_into is not None and fold(card.merged_into) not in known:
            hint = _hint(fold(card.merged_into), known)
            yield CatalogError(f"no class {card.merged_into!r}{hint}", where=f"{path}: merged_into")


def _cross_references(
    path: Path, card: ClassCard, settings: CatalogSettings
) -> Iterator[CatalogError]:
    """Errors of a card that names an unknown taxonomy or reference."""
    listed = {"names": (card.names, settings.taxonomies)}
    listed["references"] = (dict.fromkeys(card.references, ()), settings.references)
    for key, (used, known) in listed.items():
        for item in sorted(used.keys() - known.keys()):
            hint = nearest(item, list(known))
            yield CatalogError(f"{item!r} is not in catalog.toml{hint}", where=f"{path}: {key}")


def _claimed_twice(cards: dict[Path, ClassCard]) -> Iterator[CatalogError]:
    owners: dict[str, Path] = {}
    for path, card in cards.items():
        for spelling in sorted(card.spellings()):
            if spelling in owners:
                other = owners[spelling].name
                yield CatalogError(
                    f"the name {spelling!r} already belongs to {other}",
                    where=path,
                    remedy="A name may belong to one class only: remove it from one of the two.",
                )
            owners.setdefault(spelling, path)


def _spellings(card: ClassCard, taxonomy: str | None) -> set[str]:
    if taxonomy is None:
        return card.spellings()
    return {fold(label) for label in card.names.get(taxonomy, ())}


def _hint(spelling: str, choices: dict[str, ClassCard]) -> str:
    close = difflib.get_close_matches(spelling, choices, n=1)
    if close:
        return f" (did you mean {choices[close[0]].name!r}?)"
    return f" (known: {', '.join(sorted({card.name for card in choices.values()}))})"

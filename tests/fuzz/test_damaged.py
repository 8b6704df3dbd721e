"""Every damaged file that was ever found, by the reader that it was found with."""

import csv
import os
import shutil
from pathlib import Path

import pytest

from glitchvae import guard
from tests.conftest import DEFAULT_DATA
from tests.fuzz.readers import Reader, read_archive, read_inputs, read_table, read_trigger_file
from tests.fuzz.running import outcome

FOLDER = Path(os.environ.get("GLITCHVAE_TEST_DATA", DEFAULT_DATA)).resolve() / "damaged"
KINDS = {
    "archive": read_archive,
    "emb": read_table,
    "trig": read_trigger_file,
}


def found() -> list[tuple[str, str]]:
    """Name and reader of each case; none where there is no real data."""
    if not (FOLDER / "INDEX.tsv").is_file():
        return []
    with (FOLDER / "INDEX.tsv").open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream, delimiter="\t"))
    alone = [p.name for p in FOLDER.iterdir() if p.suffix in (".hdf5", ".gwf")]
    locked = [p.name for p in FOLDER.iterdir() if p.name.startswith("wedged")]
    return [
        *((row["folder"], row["reader"]) for row in rows),
        *((name, "strain") for name in sorted(alone)),
        *((name, "archive") for name in sorted(locked)),
    ]


@pytest.mark.data
@pytest.mark.parametrize(("case", "kind"), found() or [pytest.param("", "", id="none")])
def test_it_is_read_or_refused_in_one_sentence(case, kind, tmp_path):
    if not case:
        pytest.skip(f"no damaged files at {FOLDER}")
    read = KINDS.get(kind.partition("_")[0], read_inputs)
    for source in files_of(FOLDER / case, archive=kind == "archive"):
        path = tmp_path / source.name
        (shutil.copytree if source.is_dir() else shutil.copyfile)(source, path)
        for place in (path, *path.rglob("*")):
            place.chmod(0o755 if place.is_dir() else 0o644)
        told, what = outcome(Reader("bytes", path.name, lambda _: None, read), path)
        assert told in ("read", "refused"), what


def files_of(case: Path, *, archive: bool) -> list[Path]:
    if case.is_file() or (case / "archive.json").exists():
        return [case]
    return [case / "arch"] if archive else sorted(p for p in case.rglob("*") if p.is_file())


MUST_BE_REFUSED = {
    "H-H1_hugechunk.hdf5": "the chunks of the dataset are too large",
    "H-H1_maskbomb.hdf5": "the dataset declares more than the file can hold",
    "H-H1_loop.hdf5": "form a loop",
    "hang-hdf5-attrs.hdf5": "processor time",
    "segfault.gwf": "crashed",
}


@pytest.mark.data
@pytest.mark.parametrize("name", MUST_BE_REFUSED)
def test_why_it_is_refused(name, real_data):
    path = real_data / "damaged" / name
    if not path.is_file():
        pytest.skip(f"no {path}")
    told, what = outcome(Reader("bytes", name, lambda _: None, read_inputs), path)
    assert told == "refused"
    assert MUST_BE_REFUSED[name] in what
    assert guard.read_apart(_size, path) == path.stat().st_size  # what it did is over


def _size(path: Path) -> int:
    return path.stat().st_size

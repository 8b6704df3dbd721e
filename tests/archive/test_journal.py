"""Journals of interrupted jobs: whatever state they are in, the archive opens and loses nothing."""

import dataclasses
import json
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from glitchvae.archive import Archive, create_archive
from glitchvae.archive.layout import journals
from glitchvae.errors import ArchiveError, StorageError
from glitchvae.shapes import IMAGE_SHAPE
from glitchvae.spectrogram import SpectrogramSet
from tests.archive.rows import make_embeddings

START = 1187008882.0


def make_batch(count, *, start=START, status="ok"):
    """Rows of L1, their numbers other ones at another time."""
    return make_embeddings(count, "L1", start, size=3, seed=int(start), status=status)


def make_images(rows):
    rng = np.random.default_rng(1)
    images = rng.uniform(0, 25, (len(rows), 4, *IMAGE_SHAPE)).astype(np.float16)
    images[~rows.usable] = np.nan
    return SpectrogramSet(images=images, **rows.event_columns())


def interrupt(path, *batches, images=True):
    """A job that ends before it publishes its batches. Returns its journal."""
    archive = create_archive(path)
    spans = {"L1": (START - 10, START + 500)}
    with pytest.raises(KeyboardInterrupt), archive.writing(spans) as journal:
        for rows in batches:
            journal.add(rows, make_images(rows) if images else None)
        raise KeyboardInterrupt
    (folder,) = journals(path)
    return folder


def events_of(*batches):
    return sorted(str(event) for rows in batches for event in rows.event_id)


def events_in(path):
    return sorted(Archive(path).embeddings().event_id.tolist())


def contents(folder):
    return {p.name: p.read_bytes() for p in folder.iterdir() if p.name != "lock"}


@pytest.fixture
def root(tmp_path):
    return tmp_path / "archive"


FIRST, SECOND = make_batch(3), make_batch(4, start=START + 100)


def test_known_events_without_a_code_beside_new_ones(root):
    """A batch of which no row is stored has no image to store either."""
    edge = make_batch(2, status="edge_of_segment")
    create_archive(root).append(edge, make_images(edge))
    with Archive(root).writing() as journal:
        journal.add(edge, make_images(edge))
        journal.add(SECOND, make_images(SECOND))
    assert events_in(root) == events_of(edge, SECOND)
    assert not journals(root)
    images = Archive(root).thumbnails(Archive(root).embeddings())
    assert np.isfinite(images.images).all(axis=(1, 2, 3)).tolist() == [False] * 2 + [True] * 4
    assert not list(Archive(root).verify())


def test_no_images_are_asked_for(root):
    create_archive(root).append(FIRST, make_images(FIRST))
    nothing = Archive(root).embeddings().take(slice(0, 0))
    assert len(Archive(root).thumbnails(nothing)) == 0


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"null",
        b"3",
        b'"L1"',
        b"[]",
        b"[1, 2]",
        b'{"L1": 3}',
        b'{"L1": null}',
        b'{"L1": [1]}',
        b'{"L1": ["early", "late"]}',
        b'{"L1": [NaN, Infinity]}',
        b'{"L1": [-1e300, 1e300]}',
        b'{"L1": [5000, 20]}',
        b"{",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"version": 9, "spans": {}}',
        None,
    ],
)
def test_no_times_that_a_job_looked_at(root, text):
    folder = interrupt(root, FIRST, SECOND)
    (folder / "spans.json").unlink()
    if text is not None:
        (folder / "spans.json").write_bytes(text)
    assert events_in(root) == events_of(FIRST, SECOND)
    assert not journals(root)
    assert not list(Archive(root).verify())
    Archive(root).append(make_batch(2, start=START + 300))
    assert len(events_in(root)) == 9


def test_unknown_times_are_named(root, caplog):
    folder = interrupt(root, FIRST)
    (folder / "spans.json").write_text("null")
    assert events_in(root) == events_of(FIRST)
    assert f"{folder / 'spans.json'}: the time that the job looked at is unknown" in caplog.text


def cut(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def empty(path):
    path.write_bytes(b"")


def rewrite(path, change):
    table = pq.read_table(path)
    pq.write_table(change(table), path)


def newer(path):
    def change(table):
        metadata = {**(table.schema.metadata or {}), b"schema_version": b"99"}
        return table.replace_schema_metadata(metadata)

    rewrite(path, change)


def of_another_kind(path):
    pq.write_table(pa.table({"a": [1]}), path)


def with_a_column_more(path):
    rewrite(path, lambda t: t.append_column("extra", pa.array([1.0] * len(t))))


def with_a_column_twice(path):
    rewrite(path, lambda t: t.append_column("gps", t["gps"]))


def without_a_column(path):
    rewrite(path, lambda t: t.drop_columns(["status"]))


def with_text_for_times(path):
    def change(table):
        return table.set_column(1, "gps", pa.array(["soon"] * len(table)))

    rewrite(path, change)


def without_a_code(path):
    def change(table):
        field = table.schema.field("mean")
        index = table.column_names.index("mean")
        return table.set_column(index, field, pa.array([None] * len(table), field.type))

    rewrite(path, change)


def without_identifiers(path):
    def change(table):
        return table.set_column(0, "event_id", pa.array([None] * len(table), pa.string()))

    rewrite(path, change)


def with_an_unknown_status(path):
    def change(table):
        index = table.column_names.index("status")
        return table.set_column(index, "status", pa.array(["fine"] * len(table)))

    rewrite(path, change)


def with_odd_attributes(path):
    def change(table):
        return table.replace_schema_metadata({**table.schema.metadata, b"model": b"[1]"})

    rewrite(path, change)


DAMAGES = [
    cut,
    empty,
    newer,
    of_another_kind,
    with_a_column_more,
    with_a_column_twice,
    without_a_column,
    with_text_for_times,
    without_a_code,
    without_identifiers,
    with_an_unknown_status,
    with_odd_attributes,
]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_batch_that_cannot_be_read(root, damage, caplog):
    folder = interrupt(root, FIRST, SECOND)
    damage(folder / "00000001.parquet")
    before = contents(folder)
    assert events_in(root) == events_of(SECOND)
    assert str(folder / "00000001.parquet") in caplog.text
    kept = {n: c for n, c in before.items() if n in ("00000001.parquet", "00000001.views.parquet")}
    assert kept.items() <= contents(folder).items()
    assert not (folder / "00000002.parquet").exists()
    assert any("00000001.parquet" in problem for problem in Archive(root).verify())
    info = Archive(root).info()
    assert (info.unfinished, info.left) == (0, 1)
    # Its events are not known, so that the next run stores them.
    Archive(root).append(FIRST, make_images(FIRST))
    assert events_in(root) == events_of(FIRST, SECOND)


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_part_that_cannot_be_read(root, damage, caplog):
    """Found by whoever opens the archive, and by the job that looks for known events."""
    create_archive(root).append(FIRST)
    (part,) = (root / "parts").glob("*.parquet")
    damage(part)
    later = make_batch(2, start=START + 50)
    Archive(root).append(later)
    assert events_in(root) == events_of(later)
    assert str(part) in caplog.text
    assert part.exists()
    assert Archive(root).info().rows == 2
    assert any(str(part) in problem for problem in Archive(root).verify())


def test_a_batch_that_can_be_read_again(root):
    folder = interrupt(root, FIRST, SECOND)
    whole = (folder / "00000001.parquet").read_bytes()
    cut(folder / "00000001.parquet")
    assert events_in(root) == events_of(SECOND)
    (folder / "00000001.parquet").write_bytes(whole)
    assert events_in(root) == events_of(FIRST, SECOND)
    images = Archive(root).thumbnails(Archive(root).embeddings())
    assert np.isfinite(images.images).all()
    assert not journals(root)


def without_pictures(path):
    rewrite(path, lambda t: t.drop_columns(["views"]))


def with_no_picture(path):
    def change(table):
        return table.set_column(
            2, table.field(2), pa.array([None] * len(table), table.field(2).type)
        )

    rewrite(path, change)


@pytest.mark.parametrize("damage", [cut, empty, of_another_kind, without_pictures, with_no_picture])
def test_images_that_cannot_be_read(root, damage, caplog):
    folder = interrupt(root, FIRST, SECOND)
    views = folder / "00000001.views.parquet"
    damage(views)
    before = views.read_bytes()
    for _ in range(2):
        caplog.clear()
        assert events_in(root) == events_of(FIRST, SECOND)
        assert str(views) in caplog.text
        assert views.read_bytes() == before
    images = Archive(root).thumbnails(Archive(root).embeddings())
    assert np.isfinite(images.images).all(axis=(1, 2, 3)).tolist() == [False] * 3 + [True] * 4


def test_half_a_batch(root):
    """Killed between the images and the codes of its second batch."""
    folder = interrupt(root, FIRST, SECOND)
    (folder / "00000002.parquet").unlink()
    (folder / ".00000002.parquet.abcd.part").write_bytes(b"PAR1")
    assert events_in(root) == events_of(FIRST)
    assert not journals(root)
    assert not list(Archive(root).verify())


def test_killed_before_anything(root):
    create_archive(root)
    (root / "parts" / ".running-0123456789ab").mkdir(parents=True)
    assert Archive(root).info().rows == 0
    assert not journals(root)


def test_a_journal_that_is_none(root, caplog):
    create_archive(root).append(FIRST)
    stray = root / "parts" / ".running-note"
    stray.write_text("do not touch")
    locked = root / "parts" / ".running-locked"
    (locked / "lock").mkdir(parents=True)
    assert events_in(root) == events_of(FIRST)
    Archive(root).append(SECOND)
    assert events_in(root) == events_of(FIRST, SECOND)
    assert stray.read_text() == "do not touch"


def test_other_journals_are_taken_over(root, tmp_path):
    one = interrupt(root, FIRST)
    other = interrupt(tmp_path / "other", SECOND)
    shutil.copytree(other, root / "parts" / other.name)
    (one / "00000001.parquet").write_bytes(b"nothing")
    assert events_in(root) == events_of(SECOND)
    assert journals(root) == [one]


def test_a_batch_that_nobody_could_read(root):
    """A job whose own batches cannot be published says so."""
    create_archive(root).append(FIRST)
    with pytest.raises(ArchiveError, match="names no model"):
        Archive(root).append(dataclasses.replace(SECOND, model={}))
    assert events_in(root) == events_of(FIRST)


def test_any_damaged_byte(root, rng):
    """Whatever byte is wrong, the archive opens, and batches that are whole are in it."""
    folder = interrupt(root, FIRST, SECOND)
    whole = root.with_name("whole")
    shutil.copytree(root, whole)
    for _ in range(25):
        shutil.rmtree(root)
        shutil.copytree(whole, root)
        path = folder / rng.choice(["spans.json", "00000001.parquet", "00000001.views.parquet"])
        content = bytearray(path.read_bytes())
        place = rng.integers(len(content))
        content[place] ^= int(rng.integers(1, 256))
        path.write_bytes(content)
        found = events_in(root)
        assert set(events_of(SECOND)) <= set(found)
        if path.name != "00000001.parquet":
            assert found == events_of(FIRST, SECOND)
        # A changed letter of a name is no damage that could be seen.
        assert len(found) == 7 or path.exists()


def test_times_beyond_any_file_name(root):
    """Times that are no GPS seconds neither stop a job nor cost a row."""
    rows = dataclasses.replace(FIRST, gps=[-5.0, 1e300, np.inf])
    create_archive(root).append(rows)
    create_archive(root).append(rows)
    assert len(events_in(root)) == 3


@pytest.mark.data
@pytest.mark.parametrize("name", ["no-kill", "after-kill"])
def test_archives_that_were_locked(real_data, tmp_path, name):
    source, root = real_data / "damaged" / f"wedged-archive-{name}", tmp_path / "archive"
    if not source.is_dir():
        pytest.skip(f"no archive at {source}")
    shutil.copytree(source, root)
    for path in [root, *root.rglob("*")]:
        path.chmod(0o755)
    pieces = [*root.glob("parts/.running-*/????????.parquet"), *root.glob("parts/*.parquet")]
    events = {event for path in pieces for event in pq.read_table(path)["event_id"].to_pylist()}
    batches = [*root.glob("parts/.running-*/*.views.parquet"), *root.glob("views/*.parquet")]
    pictures = {event for path in batches for event in pq.read_table(path)["event_id"].to_pylist()}
    rows = Archive(root).embeddings()
    assert set(rows.event_id) == events
    assert len(rows) == len(events)
    seen = np.isfinite(Archive(root).thumbnails(rows).images).any(axis=(1, 2, 3))
    assert set(rows.event_id[seen]) == pictures
    assert not journals(root)
    assert not list(Archive(root).verify())
    assert json.loads((root / "archive.json").read_text())["version"] == 1


@pytest.mark.data
def test_archives_that_could_not_be_opened(real_data, tmp_path):
    """Each ended a command in a traceback once."""
    sources = sorted((real_data / "damaged").glob("*-archive-*/arch"))
    if not sources:
        pytest.skip(f"no archives at {real_data / 'damaged'}")
    for source in sources:
        root = tmp_path / source.parent.name
        shutil.copytree(source, root)
        for path in [root, *root.rglob("*")]:
            path.chmod(0o755)
        assert Archive(root).info().rows == len(Archive(root).embeddings()) > 0
        list(Archive(root).verify())


def test_a_place_without_locks_is_refused(tmp_path, monkeypatch):
    import errno
    import fcntl
    import os

    from glitchvae.archive import create_archive, journal

    store = create_archive(tmp_path / "archive")

    def missing(*_):
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    monkeypatch.setattr(fcntl, "flock", missing)
    with pytest.raises(StorageError, match="no file locks"), journal.alone(store.path):
        pass
    monkeypatch.undo()
    with journal.alone(store.path):
        pass

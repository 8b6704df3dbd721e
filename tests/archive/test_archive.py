"""The archive: nothing twice, nothing lost, nothing wrong unnoticed."""

import dataclasses
import multiprocessing
import os
import resource
import signal
import subprocess
import sys
import textwrap
import time

import duckdb
import numpy as np
import pyarrow.parquet as pq
import pytest
from sklearn.neighbors import NearestNeighbors

from glitchvae.archive import Archive, archive_path, create_archive
from glitchvae.archive.layout import PartName, name_part, parse_part
from glitchvae.archive.views import pack_views, unpack_views
from glitchvae.embedding import Embeddings, read_embeddings
from glitchvae.errors import ArchiveError, GlitchvaeError, StorageError
from glitchvae.shapes import IMAGE_SHAPE
from glitchvae.spectrogram import SpectrogramSet
from glitchvae.status import Status
from tests.archive.rows import START, make_embeddings

FORK = multiprocessing.get_context("fork")  # a child that need not import everything again


def make_images(embeddings, rng):
    shape = (len(embeddings), 4, *IMAGE_SHAPE)
    images = np.round(rng.uniform(0, 25.5, shape), 1).astype(np.float16)
    images[~embeddings.usable] = np.nan
    images[0, :, 90:] = np.nan
    return SpectrogramSet(images=images, **embeddings.event_columns())


@pytest.fixture
def archive(tmp_path):
    return create_archive(tmp_path / "archive")


def same(one, other):
    """Whether two records hold the same rows, NaN equal to NaN."""
    assert list(one.event_id) == list(other.event_id)
    for name in ("gps", "snr", "mean", "log_var"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    assert list(one.status) == list(other.status)
    assert list(one.class_name) == list(other.class_name)
    return True


class TestNames:
    @pytest.mark.parametrize(
        "name",
        [
            PartName(ifo="H1", gps=1126259446, duration=32),
            PartName(ifo="V1", gps=0, duration=0, suffix="01234abc"),
        ],
    )
    def test_round_trip(self, name):
        assert parse_part(str(name)) == name

    def test_follows_t050017(self):
        name = name_part("H1", 1126259446.2, 1126259477.1)
        assert str(name) == "H-H1_GLITCHVAE-1126259446-32.parquet"

    def test_gwpy_reads_the_segment_from_it(self):
        from gwpy.io.cache import file_segment

        assert file_segment(str(name_part("L1", 100.5, 131.2))) == (100, 132)

    def test_other_files_have_no_meaning(self):
        assert parse_part("notes.parquet") is None


class TestAppend:
    def test_rows_come_back(self, archive):
        rows = make_embeddings(20, unusable=(3, 7))
        archive.append(rows)
        assert same(archive.embeddings(), rows)
        assert archive.embeddings().model == rows.model
        assert archive.embeddings().imaging == rows.imaging

    def test_twice_adds_nothing(self, archive):
        rows = make_embeddings(20)
        archive.append(rows)
        before = sorted(p.name for p in (archive.path / "parts").glob("*.parquet"))
        archive.append(rows)
        after = sorted(p.name for p in (archive.path / "parts").glob("*.parquet"))
        assert before == after == ["H-H1_GLITCHVAE-1126259462-19.parquet"]
        assert len(archive.embeddings()) == 20

    def test_overlap_adds_only_what_is_new(self, archive):
        archive.append(make_embeddings(20))
        archive.append(make_embeddings(30, start=START + 10))
        assert len(archive.embeddings()) == 40
        assert not list(archive.verify())

    def test_parts_of_one_name_both_stay(self, archive):
        rows = make_embeddings(10)
        archive.append(rows.take([0, 2, 9]))
        archive.append(rows)
        names = sorted(p.name for p in (archive.path / "parts").glob("*.parquet"))
        assert len(names) == 2
        assert all(parse_part(name).gps == 1126259462 for name in names)
        assert same(archive.embeddings(), rows)

    def test_repeats_within_a_batch_count_once(self, archive):
        archive.append(make_embeddings(10).take([0, 1, 1, 0]))
        assert len(archive.embeddings()) == 2

    def test_detectors_have_parts_of_their_own(self, archive):
        both = Embeddings.join([make_embeddings(5), make_embeddings(5, "L1")])
        archive.append(both)
        assert {p.name[:4] for p in (archive.path / "parts").glob("*.parquet")} == {"H-H1", "L-L1"}
        assert set(archive.embeddings(ifo="L1").ifo) == {"L1"}

    def test_unknown_times(self, archive):
        rows = dataclasses.replace(make_embeddings(4), gps=[np.nan] * 4)
        archive.append(rows)
        archive.append(rows)
        assert len(archive.embeddings()) == 4
        assert not list(archive.verify())

    def test_two_imaging_settings_are_two_rows(self, archive):
        rows = make_embeddings(4)
        archive.append(rows)
        archive.append(dataclasses.replace(rows, imaging={"name": "gravity-spy"}))
        assert len(archive.get(rows.event_id[0])) == 2

    def test_what_is_known_depends_on_model_and_imaging(self, archive):
        rows = make_embeddings(4)
        archive.append(rows)
        span = (START, START + 4)
        known = archive.known("H1", *span, rows.model_digest, rows.imaging_digest)
        assert known == dict(zip(rows.event_id, rows.usable.tolist(), strict=True))
        assert not archive.known("H1", *span, "another", rows.imaging_digest)
        assert not archive.known("H1", START + 50, START + 60, rows.model_digest, "")

    @pytest.mark.parametrize("indexed_between", [False, True])
    def test_an_event_without_a_code_gives_way_to_one_with_a_code(self, archive, indexed_between):
        coded = make_embeddings(3)
        void = np.full_like(coded.mean, np.nan)
        uncoded = dataclasses.replace(
            coded, mean=void, log_var=void, status=[str(Status.EDGE_OF_SEGMENT)] * 3
        )
        archive.append(uncoded.take([0, 1]))
        archive.append(uncoded)  # again, and one more
        if indexed_between:
            assert not archive.embeddings().usable.any()
        archive.append(coded.take([1, 2]))
        archive.append(uncoded)  # does not come back
        found = archive.embeddings().sorted()
        assert found.event_id.tolist() == coded.event_id.tolist()
        assert found.usable.tolist() == [False, True, True]
        np.testing.assert_array_equal(found.mean[1:], coded.mean[1:])
        assert not list(archive.verify())

    def test_numbers_are_stored_exactly(self, archive):
        archive.append(make_embeddings(7))
        (part,) = (archive.path / "parts").glob("*.parquet")
        assert same(read_embeddings(part), make_embeddings(7))


class TestImages:
    def test_come_back_within_half_a_step(self, archive, rng):
        rows = make_embeddings(6, unusable=(2,))
        images = make_images(rows, rng)
        archive.append(rows, images)
        back = archive.thumbnails(archive.embeddings())
        np.testing.assert_allclose(back.images, images.images, atol=0.051)
        np.testing.assert_array_equal(np.isnan(back.images), np.isnan(images.images))
        assert not list(archive.verify())

    def test_one_byte_round_trip_is_idempotent(self, rng):
        images = make_images(make_embeddings(3), rng)
        once = unpack_views(pack_views(images))
        again = dataclasses.replace(images, images=np.stack([once[e] for e in images.event_id]))
        for event, image in unpack_views(pack_views(again)).items():
            np.testing.assert_array_equal(image, once[event])

    def test_rows_without_images_are_nan(self, archive):
        archive.append(make_embeddings(3))
        assert np.isnan(archive.thumbnails(archive.embeddings()).images).all()


class TestSearch:
    def test_nearest_is_exact(self, archive, rng):
        rows = make_embeddings(500, unusable=(4, 5))
        archive.append(rows)
        code = rng.normal(size=8).astype(np.float32)
        found, distances = archive.nearest(code, 20)
        brute = np.sqrt(((rows.mean[rows.usable].astype(float) - code) ** 2).sum(axis=1))
        order = np.argsort(brute)[:20]
        assert list(found.event_id) == list(rows.event_id[rows.usable][order])
        np.testing.assert_allclose(distances, brute[order], rtol=1e-6)

    def test_nearest_agrees_with_scikit_learn(self, archive):
        rows = make_embeddings(300)
        archive.append(rows)
        index = NearestNeighbors(n_neighbors=6, algorithm="brute").fit(rows.mean)
        expected = index.kneighbors(rows.mean[:1], return_distance=False)[0, 1:]
        found, _ = archive.nearest(rows.event_id[0], 5)
        assert list(found.event_id) == list(rows.event_id[expected])

    def test_by_time_and_by_identifier_agree(self, archive):
        rows = make_embeddings(50)
        archive.append(rows)
        by_time = archive.nearest(START + 10.01, 5)[0]
        by_name = archive.nearest(rows.event_id[10], 5)[0]
        assert list(by_time.event_id) == list(by_name.event_id)
        assert rows.event_id[10] not in by_time.event_id

    def test_more_neighbours_than_there_are(self, archive):
        archive.append(make_embeddings(5))
        assert len(archive.nearest(START, 20)[0]) == 4

    def test_find_sorts_by_distance_in_time(self, archive):
        archive.append(make_embeddings(10))
        assert list(archive.find(START + 3.3, tolerance=1.0).gps - START) == [3.0, 4.0]

    def test_nothing_at_this_time(self, archive):
        archive.append(make_embeddings(10))
        with pytest.raises(ArchiveError, match=r"no glitch within 0\.5 s.*1126259471\.0"):
            archive.find(START + 500)

    def test_no_such_event(self, archive):
        archive.append(make_embeddings(2))
        with pytest.raises(ArchiveError, match="no event 'X'"):
            archive.get("X")

    def test_event_without_code(self, archive):
        archive.append(make_embeddings(4, unusable=(1,)))
        with pytest.raises(ArchiveError, match=r"no code.*gap"):
            archive.nearest(START + 1, 2)

    def test_code_of_another_size(self, archive):
        archive.append(make_embeddings(4))
        with pytest.raises(ArchiveError, match=r"expected \(8,\); found \(3,\)"):
            archive.nearest(np.zeros(3), 2)


class TestModels:
    @pytest.fixture
    def mixed(self, archive):
        archive.append(make_embeddings(5, model="one"))
        archive.append(make_embeddings(5, model="two", size=3))
        return archive

    def test_both_are_named(self, mixed):
        with pytest.raises(ArchiveError, match=r"several models.*one \(one0.*two \(two0"):
            mixed.embeddings()

    @pytest.mark.parametrize(("name", "size"), [("one", 8), ("two", 3), ("two00000", 3)])
    def test_one_can_be_asked_for(self, mixed, name, size):
        assert mixed.embeddings(model=name).size == size

    def test_unknown_name(self, mixed):
        with pytest.raises(ArchiveError, match=r"no codes of model 'three'.*one.*two"):
            mixed.nearest(START, 3, model="three")

    def test_info_counts_each(self, mixed):
        assert sorted(mixed.info().models.values()) == [5, 5]

    def test_empty_archive(self, archive):
        assert archive.info().rows == 0
        with pytest.raises(ArchiveError, match="no glitch yet"):
            archive.embeddings()


def test_damage_anywhere_in_the_index_is_met_and_the_index_made_again(archive):
    rows = make_embeddings(3)
    archive.append(rows, make_images(rows, np.random.default_rng(1)))
    said = set()
    for at in range(4096, 4096 + 16 * 2**18, 2**18):  # DuckDB's blocks
        assert same(archive.embeddings(), rows)
        index = archive.path / "archive.duckdb"
        content = bytearray(index.read_bytes())
        if at + 1000 > len(content):
            break
        content[at + 1000] ^= 255
        index.write_bytes(content)
        try:
            archive.embeddings()
        except ArchiveError as error:
            said.add(error.problem)
    assert same(archive.embeddings(), rows)
    assert said == {"the index is damaged and was removed"}


class TestLabels:
    def test_last_word_counts_and_survives_the_index(self, archive):
        rows = dataclasses.replace(make_embeddings(3), label=["Tomte", "", "Tomte"])
        archive.append(rows)
        archive.label({rows.event_id[0]: "Blip"})
        archive.label({rows.event_id[0]: "Koi_Fish", rows.event_id[1]: "Blip"})
        (archive.path / "archive.duckdb").unlink(missing_ok=True)
        assert list(archive.embeddings().label) == ["Koi_Fish", "Blip", "Tomte"]

    def test_the_name_of_the_class_is_kept(self, archive):
        rows = make_embeddings(2)
        archive.append(rows)
        kept = archive.label({rows.event_id[0]: "koi fish", rows.event_id[1]: "BLIP"})
        assert list(kept.values()) == ["Koi_Fish", "Blip"]
        assert list(archive.embeddings().label) == ["Koi_Fish", "Blip"]

    @pytest.mark.parametrize(
        ("event", "name", "message"),
        [
            (
                "H1-1126259462.0000",
                "Koy_Fish",
                r"no class 'Koy_Fish' \(did you mean 'Koi_Fish'\?\)",
            ),
            ("H1-1126259462.0000", "", "no class ''"),
            ("H1-1126259462.000", "Blip", r"no event .* \(did you mean 'H1-1126259462\.0000'\?\)"),
            ("nobody", "Blip", r"no event 'nobody'\. `glitchvae archive export`"),
        ],
    )
    def test_unknown_events_and_classes(self, archive, event, name, message):
        """Nothing is kept, not even the labels beside them that are right."""
        archive.append(make_embeddings(3))
        with pytest.raises(GlitchvaeError, match=message):
            archive.label({"H1-1126259463.0000": "Blip", event: name})
        assert not (archive.path / "labels.csv").exists()

    def test_no_label_of_many_writers_is_lost(self, archive):
        rows = make_embeddings(6)
        archive.append(rows)
        jobs = [
            FORK.Process(target=archive.label, args=({event: "Tomte"},)) for event in rows.event_id
        ]
        for job in jobs:
            job.start()
        for job in jobs:
            job.join()
        assert list(archive.embeddings().label) == ["Tomte"] * 6


class TestIndex:
    def test_any_duckdb_1_reads_it(self, archive):
        archive.append(make_embeddings(3))
        archive.info()
        with duckdb.connect() as connection:
            connection.execute(f"ATTACH '{archive.path / 'archive.duckdb'}' AS a (READ_ONLY)")
            (tags,) = connection.execute(
                "SELECT tags FROM duckdb_databases() WHERE database_name = 'a'"
            ).fetchone()
        assert tags["storage_version"].startswith("v1.0.0")

    def test_can_be_deleted(self, archive):
        archive.append(make_embeddings(3))
        before = archive.embeddings()
        (archive.path / "archive.duckdb").unlink()
        assert same(archive.embeddings(), before)

    def test_damaged_is_rebuilt(self, archive):
        archive.append(make_embeddings(3))
        before = archive.embeddings()
        (archive.path / "archive.duckdb").write_bytes(b"rubbish" * 3000)
        assert same(archive.embeddings(), before)

    def test_follows_parts_that_go_away(self, archive):
        archive.append(make_embeddings(3))
        archive.append(make_embeddings(4, "L1"))
        assert len(archive.embeddings()) == 7
        next((archive.path / "parts").glob("L-*.parquet")).unlink()
        assert len(archive.embeddings()) == 3

    def test_taken_by_another_process(self, archive, monkeypatch):
        monkeypatch.setattr("glitchvae.archive.index._PATIENCE", 0.1)
        archive.append(make_embeddings(3))
        archive.info()
        archive.append(make_embeddings(3, "L1"))
        holder = subprocess.Popen(
            [
                sys.executable,
                "-c",
                textwrap.dedent("""
                import duckdb, sys
                connection = duckdb.connect(sys.argv[1])
                print("held", flush=True)
                sys.stdin.read()
            """),
                str(archive.path / "archive.duckdb"),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        holder.stdout.readline()
        try:
            assert len(archive.embeddings()) == 6
        finally:
            holder.communicate()

    def test_cannot_be_written(self, archive, monkeypatch):
        archive.append(make_embeddings(3))

        def refuse(*args):
            raise duckdb.IOException("Permission denied")

        monkeypatch.setattr("glitchvae.archive.index._refreshed", refuse)
        assert len(archive.embeddings()) == 3


def run_job(path, told, stop=None):
    """Ten rows a batch, four batches; with `stop`, wait to be killed after that batch."""
    archive = create_archive(path)
    with archive.writing({"H1": (START, START + 40)}) as journal:
        for batch in range(4):
            rows = make_embeddings(10, start=START + 10 * batch, seed=batch)
            known = archive.known("H1", START, START + 40, rows.model_digest, rows.imaging_digest)
            if not set(rows.event_id) <= known.keys():
                journal.add(rows)
                told.put(batch)
            if batch == stop:
                time.sleep(60)


def start_job(path, stop=None):
    told = FORK.SimpleQueue()
    job = FORK.Process(target=run_job, args=(path, told, stop))
    job.start()
    return job, told


def finish(job, told):
    """The batches that a job worked on."""
    job.join()
    assert job.exitcode == 0
    batches = []
    while not told.empty():
        batches.append(told.get())
    return batches


class TestInterruption:
    def test_killed_and_resumed_equals_uninterrupted(self, tmp_path):
        assert finish(*start_job(tmp_path / "whole")) == [0, 1, 2, 3]
        job, told = start_job(tmp_path / "killed", stop=1)
        while told.get() != 1:
            pass
        job.kill()
        job.join()
        assert len(Archive(tmp_path / "killed").embeddings()) == 20
        assert finish(*start_job(tmp_path / "killed")) == [2, 3]
        one = Archive(tmp_path / "whole").embeddings()
        other = Archive(tmp_path / "killed").embeddings()
        assert len(one) == 40
        assert same(one, other)
        assert not list(Archive(tmp_path / "killed").verify())
        assert Archive(tmp_path / "killed").info().unfinished == 0

    def test_two_writers_of_the_same_segment(self, tmp_path):
        jobs = [start_job(tmp_path / "archive") for _ in range(2)]
        for job in jobs:
            finish(*job)
        archive = Archive(tmp_path / "archive")
        assert len(archive.embeddings()) == 40
        assert not list(archive.verify())

    def test_a_living_job_is_let_be(self, archive):
        rows = make_embeddings(5)
        with archive.writing() as journal:
            journal.add(rows)
            assert archive.info().rows == 0
            assert archive.info().unfinished == 1
            assert any("not ended" in problem for problem in archive.verify())
        assert archive.info().rows == 5
        assert archive.info().unfinished == 0

    def test_an_error_keeps_finished_batches(self, archive):
        with pytest.raises(KeyboardInterrupt), archive.writing() as journal:
            journal.add(make_embeddings(5))
            raise KeyboardInterrupt
        assert len(archive.embeddings()) == 5

    def test_a_damaged_batch_costs_itself_only(self, archive, caplog):
        with pytest.raises(KeyboardInterrupt), archive.writing() as journal:
            journal.add(make_embeddings(5))
            journal.add(make_embeddings(5, start=START + 100))
            raise KeyboardInterrupt
        (folder,) = (archive.path / "parts").glob(".running-*")
        (folder / "00000001.parquet").write_bytes(b"PAR1rubbish")
        assert len(archive.embeddings()) == 5
        assert "00000001.parquet: unreadable part" in caplog.text


class TestFullDisk:
    @pytest.fixture
    def full(self, monkeypatch):
        def refuse(*args):
            raise OSError(28, "No space left on device")

        def begin():
            monkeypatch.setattr("glitchvae.store._flush", refuse)

        return begin

    def test_finished_batches_and_parts_stay(self, archive, full, monkeypatch):
        archive.append(make_embeddings(5, "L1"))
        with (
            pytest.raises(StorageError, match="No space left"),
            archive.writing() as journal,
        ):
            journal.add(make_embeddings(5))
            full()
            journal.add(make_embeddings(5, start=START + 100))
        monkeypatch.undo()
        assert len(archive.embeddings()) == 10
        assert not list(archive.verify())

    def test_while_the_part_is_written(self, archive, full, monkeypatch):
        with pytest.raises(StorageError), archive.writing() as journal:
            journal.add(make_embeddings(5))
            full()
        assert archive.info().rows == 0
        monkeypatch.undo()
        assert len(archive.embeddings()) == 5

    def test_file_size_limit_of_the_system(self, archive):
        archive.append(make_embeddings(5))

        def append_much():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000))
            try:
                archive.append(make_embeddings(2000, "L1"))
            except StorageError as error:
                sys.exit(7 if "writing failed" in str(error) else 8)

        job = FORK.Process(target=append_much)
        job.start()
        job.join()
        assert job.exitcode == 7
        assert len(archive.embeddings()) == 5


class TestVerify:
    @pytest.fixture
    def part(self, archive, rng):
        rows = make_embeddings(6, unusable=(2,))
        archive.append(rows, make_images(rows, rng))
        (path,) = (archive.path / "parts").glob("*.parquet")
        return path

    def test_sound(self, archive, part):
        assert list(archive.verify()) == []

    def rewrite(self, part, column, change):
        table = pq.read_table(part)
        values = table[column].to_pylist()
        change(values)
        index = table.column_names.index(column)
        field = table.schema.field(column)
        import pyarrow as pa

        table = table.set_column(index, field, pa.array(values, field.type))
        metadata = {**pq.read_metadata(part).metadata, **(table.schema.metadata or {})}
        pq.write_table(table.replace_schema_metadata(metadata), part)

    def test_a_changed_number(self, archive, part):
        self.rewrite(part, "snr", lambda v: v.__setitem__(0, 1000.0))
        (problem,) = archive.verify()
        assert part.name in problem
        assert "changed after it was written" in problem

    def test_a_code_where_none_can_be(self, archive, part):
        self.rewrite(part, "mean", lambda v: v.__setitem__(0, [float("nan")] * 8))
        assert any("status ok and no code" in problem for problem in archive.verify())

    def test_an_unknown_status(self, archive, part):
        self.rewrite(part, "status", lambda v: v.__setitem__(0, "fine"))
        assert any("unknown status fine" in problem for problem in archive.verify())

    def test_a_copy_of_a_part(self, archive, part):
        part.with_name("H-H1_GLITCHVAE-1126259462-6.parquet").write_bytes(part.read_bytes())
        assert sum("is also in" in problem for problem in archive.verify()) == 6

    def test_a_truncated_part(self, archive, part, caplog):
        archive.append(make_embeddings(3, "L1"))
        part.write_bytes(part.read_bytes()[:300])
        assert any("unreadable part" in problem for problem in archive.verify())
        assert len(archive.embeddings()) == 3
        assert part.name in caplog.text

    def test_a_truncated_part_is_embedded_anew(self, archive, part):
        part.write_bytes(part.read_bytes()[:300])
        archive.append(make_embeddings(6, unusable=(2,)))
        assert len(archive.embeddings()) == 6

    def test_a_wrong_name(self, archive, part):
        part.rename(part.with_name("L-L1_GLITCHVAE-10-5.parquet"))
        problems = list(archive.verify())
        assert any("holds rows of H1" in problem for problem in problems)
        assert any("outside the time in its name" in problem for problem in problems)
        assert any("images without a part" in problem for problem in problems)

    def test_missing_images(self, archive, part):
        views = archive.path / "views" / part.name
        pq.write_table(pq.read_table(views).slice(0, 2), views)
        assert any("lacks the images of 3 events" in problem for problem in archive.verify())


class TestOpening:
    def test_path(self, monkeypatch, tmp_path):
        monkeypatch.delenv("GLITCHVAE_ARCHIVE", raising=False)
        assert archive_path().name == "glitch-archive"
        monkeypatch.setenv("GLITCHVAE_ARCHIVE", str(tmp_path))
        assert archive_path() == tmp_path
        assert archive_path("elsewhere").name == "elsewhere"

    def test_no_such_directory(self, tmp_path):
        with pytest.raises(ArchiveError, match=r"not an archive.*no such directory"):
            Archive(tmp_path / "absent")

    def test_killed_while_it_was_made(self, tmp_path):
        (tmp_path / ".archive.json.k2j4.part").touch()
        assert create_archive(tmp_path).path == tmp_path

    def test_another_directory(self, tmp_path):
        (tmp_path / "thesis.tex").touch()
        with pytest.raises(ArchiveError, match=r"the folder holds files.*thesis\.tex"):
            create_archive(tmp_path)

    def test_a_file(self, tmp_path):
        (tmp_path / "file").touch()
        with pytest.raises(ArchiveError, match="not a directory"):
            create_archive(tmp_path / "file")

    def test_newer_layout(self, archive):
        marker = archive.path / "archive.json"
        marker.write_text(marker.read_text().replace('"version": 1', '"version": 9'))
        with pytest.raises(ArchiveError, match=r"newer glitchvae.*found 9"):
            Archive(archive.path)

    def test_damaged_marker(self, archive):
        (archive.path / "archive.json").write_text("{")
        with pytest.raises(ArchiveError, match="damaged"):
            Archive(archive.path)

    def test_newer_part_is_named_and_left_out(self, archive, caplog):
        archive.append(make_embeddings(3))
        archive.append(make_embeddings(3, "L1"))
        part = next((archive.path / "parts").glob("L-*.parquet"))
        table = pq.read_table(part)
        metadata = {**table.schema.metadata, b"schema_version": b"99"}
        pq.write_table(table.replace_schema_metadata(metadata), part)
        assert len(archive.embeddings()) == 3
        assert "newer glitchvae" in caplog.text

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
    def test_read_only_directory(self, archive):
        archive.append(make_embeddings(3))
        for folder in (archive.path, archive.path / "parts"):
            folder.chmod(0o555)
        try:
            assert len(archive.embeddings()) == 3
            with pytest.raises(StorageError):
                archive.append(make_embeddings(3, "L1"))
        finally:
            for folder in (archive.path, archive.path / "parts"):
                folder.chmod(0o755)

    def test_no_permission_to_write(self, archive, monkeypatch):
        def refuse(*args, **kwargs):
            raise PermissionError(13, "Permission denied")

        archive.append(make_embeddings(3))
        monkeypatch.setattr("filelock.FileLock.acquire", refuse)
        with pytest.raises(StorageError, match="Permission denied"):
            archive.append(make_embeddings(3, "L1"))
        assert len(archive.embeddings()) == 3


def test_export_writes_every_row(archive, tmp_path):
    rows = make_embeddings(12, unusable=(1,))
    archive.append(rows)
    for suffix in ("h5", "parquet", "csv", "ecsv"):
        assert archive.export(tmp_path / f"out.{suffix}") == 12
        assert same(read_embeddings(tmp_path / f"out.{suffix}"), rows)


def test_many_parts(archive):
    for number in range(15):
        archive.append(make_embeddings(4, start=START + 100 * number, seed=number))
    assert archive.info().parts == 15
    assert len(archive.embeddings()) == 60

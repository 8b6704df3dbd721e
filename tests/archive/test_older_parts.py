"""Archives written before a column existed open with that column blank."""

import dataclasses

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from glitchvae.archive import Archive, create_archive
from glitchvae.embedding import UNCERTAINTIES
from tests.archive.rows import make_embeddings


def make_rows(count, start):
    """Rows with every column that earlier versions lack."""
    rng = np.random.default_rng(5)
    uncertain = {name: rng.uniform(size=count) for name in UNCERTAINTIES}
    return make_embeddings(count, start=start, size=3, split=["test"] * count, **uncertain)


def test_parts_of_both_ages_are_read_together(tmp_path):
    archive = create_archive(tmp_path / "archive")
    old, new = make_rows(4, 1e9), make_rows(3, 1.1e9)
    archive.append(old)
    (part,) = (tmp_path / "archive" / "parts").glob("*.parquet")
    table = pq.read_table(part)
    pq.write_table(table.drop_columns([*UNCERTAINTIES, "split"]), part)
    archive.append(new)
    rows = Archive(tmp_path / "archive").embeddings()
    assert len(rows) == 7
    np.testing.assert_array_equal(rows.mean, np.concatenate([old.mean, new.mean]))
    assert list(rows.split) == [""] * 4 + ["test"] * 3
    for name in UNCERTAINTIES:
        assert np.isnan(getattr(rows, name)[:4]).all()
        np.testing.assert_array_equal(getattr(rows, name)[4:], getattr(new, name))


def test_neighbours_and_thumbnails_bring_the_columns_along(tmp_path):
    archive = create_archive(tmp_path / "archive")
    rows = dataclasses.replace(make_rows(4, 1e9), label=["Blip"] * 4)
    archive.append(rows)
    found, _ = archive.nearest(rows.mean[0], 2)
    assert found.event_id[0] == rows.event_id[0]
    assert found.code_stability[0] == rows.code_stability[0]
    assert list(archive.thumbnails(found).split) == ["test", "test"]


def test_states_that_became_remarks(tmp_path):
    """A part of schema version 1: remarks among the states, no flags."""
    archive = create_archive(tmp_path / "archive")
    archive.append(make_rows(4, 1e9))
    (part,) = (tmp_path / "archive" / "parts").glob("*.parquet")
    table = pq.read_table(part).drop_columns(["flags"])
    old = pa.array(["outside_flag", "short_block", "frequency_truncated", "ok"])
    table = table.set_column(table.column_names.index("status"), "status", old)
    metadata = {**table.schema.metadata, b"schema_version": b"1"}
    pq.write_table(table.replace_schema_metadata(metadata), part)
    rows = Archive(tmp_path / "archive").embeddings()
    assert list(rows.status) == ["ok"] * 4
    assert list(rows.flags) == ["", "short_block", "", ""]
    known = archive.known("H1", 1e9, 1e9 + 4, rows.model_digest, rows.imaging_digest)
    assert list(known.values()) == [True] * 4

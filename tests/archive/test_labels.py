"""Labels of people: tables of them, who said it and when, taken back, older files."""

import gzip

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy.table import Table

from glitchvae.archive import create_archive
from glitchvae.archive.labels import all_labels, read_ids, read_label_table
from glitchvae.errors import ArchiveError, InputError
from tests.archive.test_archive import make_embeddings

A, B, C = (f"H1-112625946{n}.0000" for n in (2, 3, 4))


@pytest.fixture
def archive(tmp_path):
    archive = create_archive(tmp_path / "archive")
    archive.append(make_embeddings(3))
    return archive


def kept(archive):
    return dict(zip(archive.embeddings().event_id, archive.embeddings().label, strict=True))


@pytest.mark.parametrize(
    ("name", "columns"),
    [
        ("t.csv", ("event_id", "label")),
        ("t.csv", ("gravityspy_id", "ml_label")),
        ("t.csv", ("id", "label")),
        ("t.csv.gz", ("event_id", "label")),
        ("t.ecsv", ("event_id", "label")),
        ("t.parquet", ("event_id", "label")),
    ],
)
def test_tables_of_every_kind(archive, tmp_path, name, columns):
    path = tmp_path / name
    values = ([A, B, C], ["koi fish", "", "Blip"])
    if name.endswith("parquet"):
        pq.write_table(pa.table(dict(zip(columns, values, strict=True))), path)
    elif name.endswith("ecsv"):
        Table(list(values), names=columns).write(path, format="ascii.ecsv")
    else:
        lines = [",".join(columns), *(",".join(row) for row in zip(*values, strict=True))]
        text = ("\n".join(lines) + "\n").encode()
        path.write_bytes(gzip.compress(text) if name.endswith("gz") else text)
    good, problems = archive.label_table(path, reviewer="A. Name")
    assert good == {A: "Koi_Fish", C: "Blip"}
    assert problems == []
    assert kept(archive) == {A: "Koi_Fish", B: "", C: "Blip"}
    label = all_labels(archive.path)[A]
    assert label.reviewer == "A. Name"
    assert label.date.endswith("Z")


def test_every_wrong_row_is_named_and_nothing_is_kept(archive, tmp_path):
    path = tmp_path / "t.csv"
    rows = [(A, "Blip"), (B, "Whistel"), ("nobody", "Blip"), (A, "Blip"), (C, "Tomte"), (C, "Blip")]
    path.write_text("event_id,label\n" + "".join(f"{e},{n}\n" for e, n in rows))
    good, problems = archive.label_table(path)
    said = [str(problem) for problem in problems]
    assert good == {}
    assert not (archive.path / "labels.csv").exists()
    for number, words in (
        (2, "did you mean 'Whistle'"), (3, "no event 'nobody'"), (4, "in row 1 as well, as Blip"),
        (5, "in row 6 as well, as another class"), (6, "in row 5 as well, as another class"),
    ):  # fmt: skip
        assert any(f"t.csv, row {number}: " in line and words in line for line in said), words
    assert len(said) == 5
    assert archive.label_table(path, skip_bad=True)[0] == {A: "Blip"}
    assert kept(archive) == {A: "Blip", B: "", C: ""}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "empty"),
        ("a,b\n1,2\n", "no column event_id"),
        (f"event_id,klass\n{A},Blip\n", "no column label"),
        (f"event_id,label\n{A}\n", "row 1: the row has another number of values than the header"),
        (f"event_id,label\n{A},\n", "no row has a label"),
        ('event_id,label\n"x', "not a readable CSV"),
    ],
)
def test_what_is_no_table_of_labels(tmp_path, text, message):
    path = tmp_path / "t.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        read_label_table(path)


def test_binary_and_missing_files(tmp_path):
    path = tmp_path / "t.parquet"
    path.write_bytes(b"PAR1 no")
    for wrong in (path, tmp_path / "absent.csv", tmp_path):
        with pytest.raises(InputError, match=wrong.name):
            read_label_table(wrong)


def test_a_label_taken_back_shows_what_came_with_the_row(archive):
    archive.label({A: "Blip"}, reviewer="A")
    assert archive.unlabel([A], reviewer="B") == {A: "Blip"}
    assert kept(archive)[A] == ""
    assert all_labels(archive.path)[A].reviewer == "B"
    for event in (A, B):
        with pytest.raises(ArchiveError, match="has no label by a person"):
            archive.unlabel([event])


def test_a_label_file_with_other_bytes_than_text_is_named(archive):
    (archive.path / "labels.csv").write_bytes(b'"event_id","label"\n"\x9dA","Blip"\n')
    with pytest.raises(ArchiveError, match=r"labels\.csv: the labels cannot be read"):
        all_labels(archive.path)
    (archive.path / "labels.csv").write_bytes(b'"event_id","label","\x9d"\n"A","Blip","x"\n')
    with pytest.raises(ArchiveError, match=r"labels\.csv: the labels cannot be read"):
        all_labels(archive.path)


def test_files_of_earlier_versions_are_read_and_grow(archive):
    (archive.path / "labels.csv").write_text(f'"event_id","label"\n"{A}","Blip"\n')
    assert kept(archive)[A] == "Blip"
    archive.label({B: "Tomte"}, reviewer="C")
    labels = all_labels(archive.path)
    assert (labels[A].label, labels[A].reviewer, labels[A].date) == ("Blip", "", "")
    assert labels[B].reviewer == "C"


def test_identifiers_from_lists_and_tables(tmp_path):
    (tmp_path / "ids.txt").write_text(f"# to go\n{A}\n\n{B} # noise\n{A}\n")
    assert read_ids(tmp_path / "ids.txt") == [A, B]
    (tmp_path / "ids.csv").write_text(f"gps,event_id\n1,{C}\n")
    assert read_ids(tmp_path / "ids.csv") == [C]
    (tmp_path / "none.txt").write_text("# nothing\n")
    with pytest.raises(InputError, match="the list holds no identifier"):
        read_ids(tmp_path / "none.txt")

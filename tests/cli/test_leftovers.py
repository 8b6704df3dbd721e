"""What killed jobs leave, in every state, under every command: nothing blocks, nothing is lost."""

import shutil

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from glitchvae.archive import Archive, journal
from glitchvae.archive.layout import journals
from glitchvae.cli import main
from tests.benchmarks.kill_campaign import content, differences


def run(*arguments):
    return CliRunner().invoke(main, [*map(str, arguments)])


def cut(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def of_a_later_version(path):
    table = pq.read_table(path)
    later = {**table.schema.metadata, b"schema_version": b"99"}
    pq.write_table(table.replace_schema_metadata(later), path)


def zeros(path):
    path.write_bytes(bytes(path.stat().st_size))


def write(name, content):
    """A change of a journal: a file of it holds something else; None: it is missing."""

    def change(folder):
        if content is None:
            (folder / name).unlink()
        else:
            (folder / name).write_bytes(content)

    return change


def damage(pattern, how):
    """A change of a journal: something happens to the first file of a pattern."""

    def change(folder):
        how(sorted(folder.glob(pattern))[0])

    return change


def before_its_codes(folder):
    """Killed after the pictures of the last batch, before its codes and what tells of them."""
    shutil.rmtree(folder / "ledger")
    sorted(folder.glob("????????.parquet"))[-1].unlink()
    (folder / ".00000009.parquet.abcd.part").write_bytes(b"PAR1")


def before_its_ledger(folder):
    shutil.rmtree(folder / "ledger")


def while_publishing(folder):
    """Killed with the batches in the archive, and the journal not removed yet."""
    root = folder.parents[1]
    copy = root / "copy"
    shutil.copytree(folder, copy)
    journal.recover(root)
    shutil.move(copy, folder)


def published_in_part(folder):
    """Killed while the batches went, their part and their ledger being there."""
    while_publishing(folder)
    sorted(folder.glob("????????.parquet"))[0].unlink()


def nothing(folder):
    shutil.rmtree(folder)
    folder.mkdir()


CODES, PICTURES, TOLD = "????????.parquet", "*.views.parquet", "ledger/searched-*.parquet"
STATES = {
    "as it was": lambda folder: None,
    "spans empty": write("spans.json", b""),
    "spans null": write("spans.json", b"null"),
    "spans a number": write("spans.json", b"17"),
    "spans numbers": write("spans.json", b'{"H1": 3}'),
    "spans a list": write("spans.json", b"[1, 2]"),
    "spans of a later version": write("spans.json", b'{"version": 9, "spans": []}'),
    "spans missing": write("spans.json", None),
    "no lock": write("lock", None),
    "nothing but a folder": nothing,
    "before the codes of a batch": before_its_codes,
    "before the ledger": before_its_ledger,
    "while publishing": while_publishing,
    "published in part": published_in_part,
    "half of the codes": damage(CODES, cut),
    "no codes": damage(CODES, zeros),
    "codes of a later version": damage(CODES, of_a_later_version),
    "half of the ledger": damage(TOLD, cut),
    "ledger of a later version": damage(TOLD, of_a_later_version),
    "half of what was embedded": damage("ledger/embedded.parquet", cut),
}


@pytest.fixture(scope="module")
def embed(simulated_files, tiny_model):
    how = ("--model", tiny_model, "--imaging", "light", "--no-uncertainty", "--snr", "6")
    return lambda root: run("embed", simulated_files[0], *how, "--archive", root)


@pytest.fixture(scope="module")
def undisturbed(embed, tmp_path_factory):
    root = tmp_path_factory.mktemp("undisturbed") / "archive"
    assert embed(root).exit_code == 0
    assert len(Archive(root).embeddings()) >= 3
    return content(root)


@pytest.fixture(scope="module")
def killed(embed, tmp_path_factory):
    """An archive whose only job ended when all of its batches were written."""
    root = tmp_path_factory.mktemp("killed") / "archive"

    def end(*_):
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(journal, "_publish", end)
        assert embed(root).exit_code != 0
    (folder,) = journals(root)
    assert all(any(folder.glob(pattern)) for pattern in (CODES, PICTURES, TOLD))
    return root


@pytest.mark.parametrize("state", STATES)
def test_every_command_goes_on_and_the_same_job_mends_all(
    embed, killed, undisturbed, tmp_path, state
):
    root, other = tmp_path / "archive", tmp_path / "other"
    shutil.copytree(killed, root)
    (folder,) = journals(root)
    STATES[state](folder)
    shutil.copytree(root, other)
    (tmp_path / "labels.csv").write_text("event_id,label\n")
    table = tmp_path / "rows.csv"
    for command in (
        ("archive", "info"),
        ("archive", "verify"),
        ("archive", "export", table),
        ("archive", "label", tmp_path / "labels.csv"),
        ("archive", "remove", "--until", "1", "--yes"),
        ("similar", "--gps", "1"),
    ):
        told = run(*command, "--archive", root)
        assert told.exit_code in (0, 1, 3), told.output
        assert told.exception is None or isinstance(told.exception, SystemExit)
    again = embed(root)
    assert again.exit_code in (0, 3), again.output
    assert differences(content(root), undisturbed) == []
    # A merge brings in what can be read of a leftover, and the job mends the copy, too.
    merged = run("archive", "merge", tmp_path / "target", other)
    assert merged.exit_code in (0, 1, 3), merged.output
    assert embed(tmp_path / "target").exit_code in (0, 3)
    assert differences(content(tmp_path / "target"), undisturbed) == []


@pytest.mark.parametrize("how", [cut, zeros, of_a_later_version])
def test_pictures_that_cannot_be_read_are_named_and_the_rest_is_as_undisturbed(
    embed, killed, undisturbed, tmp_path, how
):
    """Nothing draws the pictures of an event anew whose code is there."""
    root = tmp_path / "archive"
    shutil.copytree(killed, root)
    (folder,) = journals(root)
    damage(PICTURES, how)(folder)
    assert embed(root).exit_code in (0, 3)
    events = set(Archive(root).embeddings().event_id)
    wrong = differences(content(root), undisturbed)
    assert {cell.rpartition(" ")[2] for cell in wrong} <= events
    told = run("archive", "verify", "--archive", root)
    assert "views.parquet" in told.output

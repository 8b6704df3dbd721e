"""`glitchvae archive`: info, export, label, merge, remove, verify."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from glitchvae.archive import Archive, create_archive
from glitchvae.classes.catalog import Evidence
from glitchvae.cli import main
from glitchvae.discovery import decisions as review
from glitchvae.discovery.decisions import draft_card
from glitchvae.embedding import Embeddings, read_embeddings
from glitchvae.errors import InputError
from glitchvae.triggers import read_triggers


@pytest.fixture
def archive(tmp_path, rng):
    count = 5
    columns = ("snr", "peak_frequency", "q", "duration", "bandwidth", "novelty_p", "f_max")
    archive = create_archive(tmp_path / "archive")
    archive.append(
        Embeddings(
            event_id=[f"event{n}" for n in range(count)],
            gps=1000.0 + np.arange(count),
            ifo=["H1"] * count,
            **{name: rng.uniform(8, 20, count) for name in columns},
            mean=rng.normal(size=(count, 4)),
            log_var=rng.normal(size=(count, 4)),
            class_name=["Blip", "Blip", "Blip", "Tomte", "Tomte"],
            class_probability=rng.uniform(size=count),
            block_duration=np.full(count, 8.0),
            status=["ok"] * count,
            model={"name": "tiny", "digest": "ab" * 32},
        )
    )
    return archive


def run(*arguments, archive):
    return CliRunner().invoke(
        main, ["archive", *map(str, arguments), "--archive", str(archive.path)]
    )


def test_info_imports_nothing_slow(archive):
    archive.info()  # classes are derived once, for which scipy is needed
    slow = ("torch", "sklearn", "scipy", "gwpy", "pandas", "matplotlib", "astropy")
    code = (
        "import sys\nfrom glitchvae.cli import main\n"
        f"try:\n    main(['archive', 'info', '--archive', {str(archive.path)!r}])\n"
        f"except SystemExit:\n    pass\nprint('LOADED', [m for m in {slow!r} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "LOADED []" in done.stdout, done.stdout + done.stderr


def test_info(archive):
    result = run("info", archive=archive)
    assert result.exit_code == 0, result.output
    for words in ("5 in 1 part", "H1 5", "Blip 3, Tomte 2", "tiny (abababababab) 5", "1000.000"):
        assert words in result.stdout


@pytest.mark.parametrize("suffix", ["csv", "ecsv", "parquet", "h5"])
def test_export(archive, tmp_path, suffix):
    result = run("export", tmp_path / f"all.{suffix}", "--codes", archive=archive)
    assert result.exit_code == 0, result.output
    assert list(read_embeddings(tmp_path / f"all.{suffix}").event_id) == [
        f"event{n}" for n in range(5)
    ]


def test_verify_sound(archive):
    result = run("verify", archive=archive)
    assert result.exit_code == 0
    assert result.stdout == ""
    assert "no problems" in result.stderr


def test_verify_damaged(archive):
    (part,) = (archive.path / "parts").glob("*.parquet")
    part.write_bytes(part.read_bytes()[:-20])
    result = run("verify", archive=archive)
    assert result.exit_code == 1
    assert part.name in result.stdout
    assert "1 problem" in result.stderr


@pytest.mark.parametrize("command", [["info"], ["verify"], ["export", "x.csv"]])
def test_no_archive(tmp_path, command):
    result = CliRunner().invoke(main, ["archive", *command, "--archive", str(tmp_path / "absent")])
    assert result.exit_code == 3
    assert "not an archive" in result.output


def test_label_by_any_spelling_of_a_class(archive):
    result = run("label", "event1", "koi-fish", archive=archive)
    assert result.exit_code == 0, result.output
    assert result.stdout == "event1: Koi_Fish\n"
    assert list(archive.embeddings().label) == ["", "Koi_Fish", "", "", ""]


def test_label_by_a_class_of_ones_own(archive, tmp_path):
    rows = archive.embeddings()
    evidence = Evidence(
        model=rows.model_digest,
        events=3,
        medoid="event0",
        p_value=1e-6,
        stability=0.9,
        expected_per_month=0.0,
        nearest=("Blip",),
    )
    own, members = tmp_path / "glitch-catalog", rows.take(np.arange(3))
    review.write_draft(own / "candidates", draft_card("Pearls", members, evidence), members)
    assert run("label", "event1", "Pearls", archive=archive).exit_code == 3  # not decided yet
    review.accept(own, "Pearls", review.decide("accepted", "A. Name"))
    assert run("label", "event1", "pearls", archive=archive).stdout == "event1: Pearls\n"
    review.retire(own, "Pearls", review.decide("retired", "A. Name"))
    result = run("label", "event2", "Pearls", archive=archive)
    assert result.exit_code == 3
    assert "Pearls is retired" in result.stderr
    assert list(archive.embeddings().label[:3]) == ["", "Pearls", ""]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["event1", "Whistel"], "no class 'Whistel' (did you mean 'Whistle'?)"),
        (["event11", "Whistle"], "no event 'event11' (did you mean 'event1'?)"),
    ],
)
def test_label_what_is_not_there(archive, arguments, message):
    result = run("label", *arguments, archive=archive)
    assert result.exit_code == 3
    assert message in result.stderr
    assert not (archive.path / "labels.csv").exists()


def test_what_people_read_comes_first(archive, tmp_path):
    path = tmp_path / "all.csv"
    assert run("export", path, archive=archive).exit_code == 0
    header = path.read_text().splitlines()[0].replace('"', "").split(",")
    first = "event_id gps utc ifo snr peak_frequency class_name class_probability label novelty_p"
    assert header[: len(first.split())] == first.split()
    assert not [name for name in header if name.startswith(("mean_", "log_var_"))]
    assert pd.read_csv(path).utc[0] == "1980-01-06T00:16:40.000"
    with pytest.raises(InputError, match="--codes"):
        read_embeddings(path)


def test_rows_and_columns_are_chosen(archive, tmp_path):
    path = tmp_path / "some.csv"
    result = run("export", path, "--columns", "snr,event_id", "--where", "snr > 0",
                 "--class", "tomte", "--since", "1004", "--until", "1005", "--ifo", "H1",
                 archive=archive)  # fmt: skip
    assert result.exit_code == 0, result.output
    table = pd.read_csv(path)
    assert list(table.columns) == ["snr", "event_id"]
    assert list(table.event_id) == ["event4"]
    result = run("export", "-", "--columns", "event_id", archive=archive)
    assert result.stdout.splitlines()[:2] == ['"event_id"', '"event0"']


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["--where", "snrr > 3"], 3, "'snrr > 3': the condition is not valid for these rows"),
        (["--where", "snr > 3; DROP TABLE events"], 3, "expected an SQL expression of"),
        (["--where", "(SELECT count(*) FROM read_csv('/etc/passwd')) > 0"], 3, "disabled"),
        (["--columns", "snrr"], 3, "no column 'snrr' (did you mean 'snr'?)"),
        (["--columns", ","], 2, "names no column"),
        (["--class", "Tomtee"], 3, "did you mean 'Tomte'"),
        (["--gravity-spy", "--codes"], 2, "--gravity-spy excludes"),
    ],
)
def test_what_cannot_be_exported(archive, tmp_path, arguments, status, words):
    result = run("export", tmp_path / "x.csv", *arguments, archive=archive)
    assert result.exit_code == status
    assert words in " ".join(result.stderr.replace("│", " ").split())
    assert not (tmp_path / "x.csv").exists()


def test_label_a_table(archive, tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text("event_id,label\nevent0,koi fish\nevent1,\nevent9,Blip\n")
    result = run("label", path, archive=archive)
    assert result.exit_code == 3
    assert "labels.csv, row 3: no event 'event9'" in result.stderr
    assert not (archive.path / "labels.csv").exists()
    result = run("label", path, "--skip-bad", "--reviewer", "A. Name", archive=archive)
    assert (result.exit_code, result.stdout) == (1, "1 label kept\n")
    assert archive.embeddings().label[0] == "Koi_Fish"
    assert "A. Name" in (archive.path / "labels.csv").read_text()
    result = run("label", "--remove", "event0", archive=archive)
    assert result.stdout == "event0: no longer Koi_Fish\n"
    assert list(archive.embeddings().label) == [""] * 5
    assert run("label", tmp_path / "absent.csv", archive=archive).exit_code == 3
    assert run("label", archive=archive).exit_code == 2
    assert run("label", "a", "b", "c", archive=archive).exit_code == 2


def test_merge(archive, tmp_path):
    def merge(*paths):
        return CliRunner().invoke(main, ["archive", "merge", *map(str, paths)])

    target = tmp_path / "all"
    result = merge(target, archive.path)
    assert result.exit_code == 0, result.output
    assert "its live time stays unknown" in result.stderr
    assert list(Archive(target).embeddings().event_id) == list(archive.embeddings().event_id)
    assert "0      5" in merge(target, archive.path).stdout
    assert merge(target, target, archive.path).exit_code == 1
    assert merge(target, target).exit_code == 3
    assert merge(tmp_path / "never", tmp_path / "absent").exit_code == 3
    assert not (tmp_path / "never").exists()


def test_remove_asks_for_yes(archive, tmp_path):
    result = run("remove", "--id", "event1", "--id", "event9", archive=archive)
    assert result.exit_code == 1  # event9
    assert "no event 'event9'" in result.stderr
    assert "nothing is removed yet" in result.stderr
    assert len(archive.embeddings()) == 5
    (tmp_path / "ids.txt").write_text("event1\nevent2\n")
    result = run("remove", "--ids", tmp_path / "ids.txt", "--yes", archive=archive)
    assert result.exit_code == 0, result.output
    assert list(archive.embeddings().event_id) == ["event0", "event3", "event4"]
    assert run("remove", "--since", "1003", "--yes", archive=archive).exit_code == 0
    assert list(archive.embeddings().event_id) == ["event0"]
    assert run("remove", "--since", "1003", "--yes", archive=archive).exit_code == 3
    assert run("remove", "--yes", archive=archive).exit_code == 2
    assert run("remove", "--ifo", "H1", archive=archive).exit_code == 2
    assert run("remove", "--model", "tiny", archive=archive).exit_code == 3


def test_gravity_spys_table_is_read_by_its_readers(archive, tmp_path):
    from gwpy.table import EventTable

    path = tmp_path / "spy.csv"
    result = run("export", path, "--gravity-spy", archive=archive)
    assert result.exit_code == 0, result.output
    rows = archive.embeddings()
    ours = read_triggers(path)
    assert list(ours.event_id) == list(rows.event_id)
    assert list(ours.label) == list(rows.class_name)
    np.testing.assert_array_equal(ours.gps, rows.gps)
    np.testing.assert_array_equal(ours.snr, rows.snr)
    theirs = EventTable.read(path, format="ascii.csv")
    assert list(theirs["gravityspy_id"]) == list(rows.event_id)
    np.testing.assert_allclose(theirs["ml_confidence"], rows.class_probability, rtol=1e-6)
    assert list(theirs.filter("snr > 0", "ml_label == Blip")["ml_label"]) == ["Blip"] * 3

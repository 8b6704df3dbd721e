"""`glitchvae archive`: info, classify, export, label, verify."""

import subprocess
import sys

import numpy as np
import pytest
from click.testing import CliRunner

from glitchvae.archive import create_archive
from glitchvae.classes.catalog import Evidence
from glitchvae.cli import main
from glitchvae.discovery import decisions as review
from glitchvae.discovery.decisions import draft_card
from glitchvae.embedding import Embeddings, read_embeddings


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
    result = run("export", tmp_path / f"all.{suffix}", archive=archive)
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
    assert result.exit_code == 1
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
    assert run("label", "event1", "Pearls", archive=archive).exit_code == 1  # not decided yet
    review.accept(own, "Pearls", review.decide("accepted", "A. Name"))
    assert run("label", "event1", "pearls", archive=archive).stdout == "event1: Pearls\n"
    review.retire(own, "Pearls", review.decide("retired", "A. Name"))
    result = run("label", "event2", "Pearls", archive=archive)
    assert result.exit_code == 1
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
    assert result.exit_code == 1
    assert message in result.stderr
    assert not (archive.path / "labels.csv").exists()

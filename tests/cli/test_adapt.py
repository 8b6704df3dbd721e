"""`glitchvae adapt`: from an archive to a model, in words, tables and exit statuses."""

import csv
import json

import pytest
from click.testing import CliRunner

from glitchvae.checkpoint import load_checkpoint
from glitchvae.cli import main
from tests.adapting.conftest import (  # noqa: F401 - fixtures
    few,
    labels,
    pictures,
    quick,
    start_model,
    truth,
)

FAST = ("--simulated", "200", "--device", "cpu")


def adapt(*arguments):
    return CliRunner().invoke(main, ["adapt", *map(str, arguments)])


@pytest.fixture
def table(labels, tmp_path):  # noqa: F811
    with (tmp_path / "labels.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("event_id", "label"), *labels.items()])
    return tmp_path / "labels.csv"


def test_an_archive_and_labels_become_a_model(quick, few, start_model, table, tmp_path):  # noqa: F811
    out, log = tmp_path / "mine", tmp_path / "adapt.log"
    told = ("--json", "--log", log, "-o", out)
    result = adapt(
        few.path,
        "--labels",
        table,
        "--model",
        start_model,
        *FAST,
        "--json",
        "--log",
        log,
        "-o",
        out,
    )
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    rows = {(r["events"], r["measure"]): r for r in told["tables"][0]["rows"]}
    assert "(" in rows["simulated hold-out", "accuracy"]["after"]
    assert told["messages"][-1] == str(out)
    assert "the weights stay" in log.read_text()
    assert load_checkpoint(out).card.adapted["from"] == "start"


def test_what_cannot_be_done_is_one_sentence(few, start_model, tmp_path):  # noqa: F811
    missing = adapt(few.path, "--labels", tmp_path / "no.csv", "--model", start_model, "-o", "m")
    assert missing.exit_code == 3
    assert "no.csv: no such file" in missing.stderr
    nothing = adapt(tmp_path / "nowhere", "-o", tmp_path / "mine")
    assert nothing.exit_code == 3
    assert "Traceback" not in nothing.stderr


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--share", "0"), "--share"),
        (("--share", "-1"), "--share"),
        (("--steps", "5", "--minutes", "1"), "exclude each other"),
        (("--minutes", "0"), "--minutes"),
    ],
)
def test_numbers_that_are_none(options, said, few, tmp_path):  # noqa: F811
    result = adapt(few.path, *options, "-o", tmp_path / "mine")
    assert result.exit_code == 2
    assert said in result.stderr

"""`glitchvae challenge`: on embeddings, on strain, and what it says when it cannot."""

import csv

import numpy as np
import pytest
from click.testing import CliRunner

from glitchvae.checkpoint import load_checkpoint
from glitchvae.cli import main
from glitchvae.embedding import write_embeddings
from tests.discovery.conftest import embeddings_of


@pytest.fixture
def events(tiny_model, tmp_path):
    """120 events of three classes in the code space of the little model."""
    rng = np.random.default_rng(3)
    model = load_checkpoint(tiny_model)
    labels = np.repeat(["Blip", "Tomte", "Whistle"], 40).astype(object)
    path = tmp_path / "events.h5"
    identity = {"name": model.name, "digest": model.digest}
    write_embeddings(path, embeddings_of(rng.normal(size=(120, 6)), labels, rng, model=identity))
    return path


def run(*arguments):
    return CliRunner().invoke(main, ["challenge", *map(str, arguments)])


def test_embeddings_are_challenged(events, tiny_model, tmp_path):
    out = tmp_path / "trials.csv"
    result = run(events, "--model", tiny_model, "--pairs", 1, "--snr", 8, "--events", 10, "-o", out)
    assert result.exit_code == 0, result.output
    with out.open() as file:
        rows = list(csv.DictReader(file))
    assert [row["test"] for row in rows] == ["one"] * 3 + ["pair"] * 2 + ["number"] * 3
    assert {row["events"] for row in rows[-3:]} == {"10"}
    assert "90 % from" in result.output
    assert "above 8" in result.output


def test_strain_gets_injections(events, tiny_model, simulated_files, tmp_path):
    result = run(
        events,
        simulated_files[0],
        "--model",
        tiny_model,
        *("--family", "Ladder", "--snr", 20, "--events", 3, "--trials", 1, "--rendered", 0),
        *("--imaging", "light", "--picture", tmp_path / "efficiency.png"),
    )
    assert result.exit_code == 0, result.output
    told = result.stdout.splitlines()[-1].split()
    assert told == ["injected", "20", "3", "0", "1", "0.00", "0.00", "0.95"]
    assert (tmp_path / "efficiency.png").stat().st_size > 5000


def test_a_family_that_the_strain_cannot_show_is_said(events, tiny_model, simulated_files):
    what = ("--family", "Whistle", "--imaging", "light")
    result = run(events, simulated_files[0], "--model", tiny_model, *what)
    assert result.exit_code == 3
    assert (
        "Whistle is not visible at the sample rates of this noise; expected strain of 8192 Hz"
        in result.output
    )
    result = run(events, "--model", tiny_model, "--family", "Whistel", "--imaging", "light")
    assert result.exit_code == 3
    assert "no simulated family 'Whistel'" in result.output


def test_a_file_that_is_no_waveform_is_said(events, tiny_model, tmp_path):
    (tmp_path / "shape.txt").write_text("0.0 1.0\n0.1 word\n")
    result = run(events, "--model", tiny_model, "--waveform", tmp_path / "shape.txt")
    assert result.exit_code == 3
    assert "the file is not a waveform" in result.output


def test_an_unknown_class_is_said(events, tiny_model):
    result = run(events, "--model", tiny_model, "--class", "Bilp")
    assert result.exit_code == 3
    assert "'Bilp' cannot be held out" in result.output

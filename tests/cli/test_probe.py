"""`glitchvae probe`: images or codes in, a table out, files where asked for."""

import dataclasses
import json

import numpy as np
import pytest
from click.testing import CliRunner

from glitchvae.archive import create_archive
from glitchvae.checkpoint import load_checkpoint
from glitchvae.cli import main
from glitchvae.embedding import encode_spectrograms, write_embeddings
from glitchvae.spectrogram import SpectrogramSet


@pytest.fixture
def images(tmp_path):
    """48 events of two classes that differ in where they lie in frequency, four an hour."""
    rng, count = np.random.default_rng(5), 48
    energies = rng.exponential(1.0, (count, 4, 140, 170))
    energies[::2, :, 20:40, 60:110] += 20
    energies[1::2, :, 90:110, 60:110] += 20
    numbers = ("snr", "peak_frequency", "q", "duration", "bandwidth", "f_max", "block_duration")
    made = SpectrogramSet(
        images=energies.clip(0, 25.5).astype(np.float16),
        event_id=[f"e{i}" for i in range(count)],
        ifo=["H1", "L1"] * 24,
        gps=1e9 + 900.0 * np.arange(count),
        status=["ok"] * count,
        label=["1080Lines", "Whistle"] * 24,
        split=["train"] * 36 + ["validation"] * 4 + ["test"] * 8,
        **{name: rng.uniform(1, 2, count) for name in numbers},
    )
    made.write(tmp_path / "set.h5")
    return made


def run(tmp_path, *arguments):
    return CliRunner().invoke(main, ["probe", "--device", "cpu", *map(str, arguments)])


def test_images_are_probed_beside_their_baselines(images, tmp_path, tiny_model):
    out = tmp_path / "out"
    result = run(
        tmp_path,
        tmp_path / "set.h5",
        "--model",
        tiny_model,
        "--block",
        3600,
        "-o",
        out,
    )
    assert result.exit_code == 0, result.output
    assert "48 labelled events of 2 classes" in result.stdout
    tree = json.loads((out / "probe.json").read_text())
    found = {(o["split"], o["method"]): o["accuracy"][0] for o in tree["outcomes"]}
    assert {split for split, _ in found} == {"own", "time blocks", "random"}
    assert found["own", "pixels, linear probe"] == 1
    assert found["own", "codes, linear probe"] == 1
    assert found["own", "majority class"] == 0.5
    names = {p.name for p in out.iterdir()}
    assert {"confusion-own.png", "reliability-time-blocks.png", "probe.md", "scores.csv"} <= names


def test_codes_are_probed_without_images(images, tmp_path, tiny_model):
    codes = encode_spectrograms(images, load_checkpoint(tiny_model))
    write_embeddings(tmp_path / "codes.parquet", codes)
    result = run(tmp_path, tmp_path / "codes.parquet", "--block", 3600)
    assert result.exit_code == 0, result.output
    assert "codes, linear probe" in result.stdout
    assert "pixels" not in result.stdout
    network = run(tmp_path, tmp_path / "codes.parquet", "--block", 3600, "--cnn")
    assert network.exit_code == 3
    assert "--cnn: a network is trained on images" in network.stderr


def test_a_network_of_equal_size_stands_beside(images, tmp_path, tiny_model):
    options = ("--model", tiny_model, "--block", 3600, "--cnn", "--epochs", 1)
    result = run(tmp_path, tmp_path / "set.h5", *options)
    assert result.exit_code == 0, result.output
    assert result.stdout.count("images, network") == 3


def test_what_holds_no_label_is_refused(images, tmp_path, tiny_model):
    codes = encode_spectrograms(images, load_checkpoint(tiny_model))
    write_embeddings(tmp_path / "bare.h5", codes.take(slice(0, 0)))
    result = run(tmp_path, tmp_path / "bare.h5")
    assert result.exit_code == 3
    assert "bare.h5: no labelled event to probe" in result.stderr


def test_labels_are_audited_with_pictures(images, tmp_path, tiny_model):
    wrong = dataclasses.replace(images, label=["Whistle", *images.label[1:]])
    wrong.write(tmp_path / "set.h5")
    out = tmp_path / "out"
    arguments = ("--audit", "--block", 3600, "--model", tiny_model, "-o", out)
    result = run(tmp_path, tmp_path / "set.h5", *arguments)
    assert result.exit_code == 0, result.output
    rows = (out / "audit.csv").read_text().splitlines()[1:]
    # The model is not trained: it doubts some labels that are right.
    assert 1 <= len(rows) < 24
    assert f"{len(rows)} of 48 labels are contradicted out of fold" in result.stdout
    assert any("e0" in row.split(",") for row in rows)
    assert (out / "audit.html").read_text().count("data:image/webp") == len(rows)

    codes = encode_spectrograms(wrong, load_checkpoint(tiny_model))
    write_embeddings(tmp_path / "codes.h5", codes)
    archive = create_archive(tmp_path / "archive")
    archive.append(codes, wrong)
    arguments = ("--audit", "--block", 3600, "--archive", archive.path, "-o", tmp_path / "two")
    result = run(tmp_path, tmp_path / "codes.h5", *arguments)
    assert result.exit_code == 0, result.output
    rows = (tmp_path / "two" / "audit.csv").read_text().splitlines()[1:]
    assert any("e0" in row.split(",") for row in rows)
    assert (tmp_path / "two" / "audit.html").read_text().count("data:image/webp") == len(rows)


def test_an_audit_needs_a_place(tmp_path):
    result = run(tmp_path, tmp_path / "set.h5", "--audit")
    assert result.exit_code == 2
    assert "--audit needs --output" in result.stderr

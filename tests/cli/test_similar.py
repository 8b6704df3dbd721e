"""`glitchvae similar`: neighbours by time, identifier and image."""

import numpy as np
import pytest
from click.testing import CliRunner

from glitchvae.archive import TOLERANCE, create_archive
from glitchvae.checkpoint import load_checkpoint
from glitchvae.cli import main
from glitchvae.embedding import encode_spectrograms
from glitchvae.spectrogram import SpectrogramSet


@pytest.fixture
def images(rng):
    count = 6
    columns = ("snr", "peak_frequency", "q", "duration", "bandwidth", "block_duration")
    return SpectrogramSet(
        images=rng.uniform(0, 20, (count, 4, 140, 170)) * rng.uniform(size=(count, 1, 1, 1)),
        event_id=[f"event{n}" for n in range(count)],
        gps=1000.0 + np.arange(count),
        ifo=["H1"] * count,
        **{name: np.full(count, 10.0) for name in columns},
        f_max=np.full(count, 2048.0),
        status=["ok"] * count,
    )


@pytest.fixture
def archive(images, tiny_model, tmp_path):
    archive = create_archive(tmp_path / "archive")
    archive.append(encode_spectrograms(images, load_checkpoint(tiny_model)), images)
    return archive


def similar(archive, *arguments):
    return CliRunner().invoke(
        main, ["similar", *map(str, arguments), "--archive", str(archive.path)]
    )


@pytest.mark.parametrize("query", [("--gps", 1002.03), ("--gps", 1001.6), ("--id", "event2")])
def test_neighbours_come_nearest_first(archive, query):
    result = similar(archive, *query, "-k", 3)
    assert result.exit_code == 0, result.output
    shown = [line.split()[1] for line in result.stdout.splitlines() if "event" in line]
    expected, _ = archive.nearest("event2", 3)
    assert shown == list(expected.event_id)
    assert "event2" not in shown


def test_the_glitch_that_is_meant_by_a_time_is_said(archive):
    result = similar(archive, "--gps", 1002.4, "-k", 1)
    assert result.exit_code == 0, result.output
    assert "like event2 of H1, GPS 1002.0000" in result.stderr


def test_a_lonely_glitch(images, tiny_model, tmp_path):
    one = create_archive(tmp_path / "one")
    one.append(encode_spectrograms(images.take([0]), load_checkpoint(tiny_model)))
    result = similar(one, "--gps", 1000)
    assert result.exit_code == 0, result.output
    assert "no other glitch with a code" in result.stdout


def test_help_says_how_near_a_time_has_to_be():
    result = CliRunner().invoke(main, ["similar", "--help"])
    assert f"within {TOLERANCE:g} s" in " ".join(result.stdout.replace("│", " ").split())


def test_by_image(archive, images, tiny_model, tmp_path):
    images.take([4]).write(tmp_path / "image.h5")
    result = similar(archive, "--image", tmp_path / "image.h5", "--model", tiny_model, "-k", 1)
    assert result.exit_code == 0, result.output
    assert "event4" in result.stdout


def test_contact_sheet(archive, tmp_path):
    result = similar(archive, "--id", "event0", "-o", tmp_path / "sheet.png")
    assert result.exit_code == 0, result.output
    assert (tmp_path / "sheet.png").read_bytes().startswith(b"\x89PNG")


def test_a_contact_sheet_where_pictures_are_damaged(archive, tmp_path):
    (pictures,) = (archive.path / "views").glob("*.parquet")
    pictures.write_bytes(b"damaged")
    result = similar(archive, "--id", "event0", "-o", tmp_path / "sheet.png")
    assert result.exit_code == 0, result.output
    assert f"without its pictures: {pictures}" in result.stderr
    assert (tmp_path / "sheet.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Give one of"),
        (["--gps", "1000", "--id", "event0"], "Give one of"),
        (["--gps", "5"], "no glitch within"),
        (["--gps", "nan"], "is no GPS time"),
        (["--id", "nobody"], "no event 'nobody'"),
        (["--id", "event0", "--model", "other"], "no codes of model 'other'"),
        (["--image", "absent.h5"], "absent.h5"),
    ],
)
def test_bad_questions(archive, arguments, message):
    result = similar(archive, *arguments)
    assert result.exit_code in (2, 3)
    assert message in result.output


def test_image_and_archive_of_different_models(archive, images, tmp_path, save_untrained):
    save_untrained(tmp_path / "other", latent_size=6, seed=9)
    images.take([0]).write(tmp_path / "image.h5")
    result = similar(archive, "--image", tmp_path / "image.h5", "--model", tmp_path / "other")
    assert result.exit_code == 3
    assert "no codes of model" in result.output


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_all_writes_the_neighbours_of_every_glitch(archive, tmp_path, suffix):
    import pyarrow.csv
    import pyarrow.parquet

    out = tmp_path / f"graph.{suffix}"
    result = similar(archive, "--all", "-k", 3, "-o", out)
    assert result.exit_code == 0, result.output
    read = pyarrow.csv.read_csv if suffix == "csv" else pyarrow.parquet.read_table
    table = read(out).to_pydict()
    events = archive.embeddings()
    usable = np.isfinite(events.mean).all(axis=1)
    assert len(table["rank"]) == 3 * usable.sum()
    lines = zip(table["event_id"], table["neighbour_id"], table["rank"], strict=True)
    first = {event: neighbour for event, neighbour, rank in lines if rank == 1}
    for event_id in events.event_id[usable]:
        rows, _ = archive.nearest(str(event_id), 1)
        assert first[event_id] == rows.event_id[0]


def test_all_needs_a_table_to_write(archive, tmp_path):
    assert "-o FILE" in similar(archive, "--all").output
    result = similar(archive, "--all", "-o", tmp_path / "graph.png")
    assert result.exit_code == 3
    assert ".csv or .parquet" in result.output

"""`glitchvae simulate strain` and `dataset`, as a user runs them."""

import csv

import numpy as np
import pytest
from click.testing import CliRunner

from glitchvae.cli import main
from glitchvae.dataset import read_images
from glitchvae.simulate import Truth
from glitchvae.spectrogram import SpectrogramSet
from glitchvae.strain import open_strain
from glitchvae.triggers import read_triggers


def run(*arguments):
    return CliRunner().invoke(main, ["simulate", *map(str, arguments)])


def test_strain_can_be_opened_again_and_has_a_truth_table(tmp_path):
    path = tmp_path / "L-L1_SIM-0-32.hdf5"
    arguments = ("strain", "--duration", 32, "--ifo", "L1", "--seed", 3, "--sample-rate", 1024)
    result = run(*arguments, "--glitches", 3, "-o", path)
    assert result.exit_code == 0, result.output
    source = open_strain([path])
    assert (source.ifo, source.sample_rate) == ("L1", 1024)
    with (tmp_path / "L-L1_SIM-0-32_truth.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 3
    start, end = source.segments[0]
    assert all(start < float(row["gps"]) < end for row in rows)
    triggers = read_triggers(tmp_path / "L-L1_SIM-0-32_truth.csv")
    assert list(triggers.label) == [row["label"] for row in rows]


def test_the_same_seed_gives_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        run("strain", "--duration", 16, "--seed", 3, "-o", tmp_path / f"{name}.hdf5")
    assert (tmp_path / "a.hdf5").read_bytes() == (tmp_path / "b.hdf5").read_bytes()
    assert (tmp_path / "a_truth.csv").read_bytes() == (tmp_path / "b_truth.csv").read_bytes()


def test_dataset_writes_images_and_truth(tmp_path):
    result = run("dataset", "--count", 3, "--seed", 1, "--ifo", "L1", "-o", tmp_path / "d.h5")
    assert result.exit_code == 0, result.output
    images = SpectrogramSet.read(tmp_path / "d.h5")
    truth = Truth.read(tmp_path / "d_truth.h5")
    assert len(images) == 3
    assert list(images.event_id) == list(truth.event_id)
    assert set(images.ifo) == {"L1"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("strain", "--duration", "8", "--ifo", "X9", "--seed", "1"), "the noise curve is unknown"),
        (("strain", "--duration", "8", "--seed", "1", "--glitches", "99"), "0 to 8 glitches"),
        (("strain", "--duration", "8", "--seed", "1", "--inject", "Snake=1"), "no simulated fam"),
        (("strain", "--duration", "8", "--seed", "1", "--inject", "Ladder"), "FAMILY=COUNT"),
        (("strain", "--duration", "8", "--seed", "1", "--inject", "Ladder=-1"), "FAMILY=COUNT"),
        (("dataset", "--count", "2", "--seed", "1", "--balance", "fair"), "the balance is unknown"),
        (("dataset", "--count", "2", "--seed", "1", "--imaging", "heavy"), "no imaging settings"),
    ],
)
def test_a_bad_argument_is_one_line_and_leaves_no_file(tmp_path, arguments, message):
    result = run(*arguments, "-o", tmp_path / "out.h5")
    assert result.exit_code == 3
    assert message in " ".join(result.output.split())
    assert "Traceback" not in result.output
    assert list(tmp_path.iterdir()) == []


def test_the_published_layout_holds_the_same_events_and_repeats_its_bytes(tmp_path):
    arguments = ("dataset", "--count", 3, "--seed", 1, "--ifo", "L1")
    assert run(*arguments, "-o", tmp_path / "own.h5").exit_code == 0
    for name in ("a", "b"):
        result = run(*arguments, "--layout", "gravity-spy", "-o", tmp_path / f"{name}.h5")
        assert result.exit_code == 0, result.output
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()
    own, official = read_images(tmp_path / "own.h5"), read_images(tmp_path / "a.h5")
    official = official.take([list(official.event_id).index(name) for name in own.event_id])
    assert np.allclose(official.images, own.images, atol=0.04, equal_nan=True)
    for name in ("label", "split", "gps", "ifo", "status"):
        assert list(getattr(official, name)) == list(getattr(own, name))
    truth = Truth.read(tmp_path / "a_truth.h5")
    assert list(truth.event_id) == list(own.event_id)

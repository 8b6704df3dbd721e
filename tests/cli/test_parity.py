"""`glitchvae parity`: the table, the bars and the exit status."""

import pytest
from click.testing import CliRunner

import glitchvae.spectrogram.parity
from glitchvae.cli import main


@pytest.fixture
def strain(real_data):
    return str(real_data / "strain/gwosc/L-L1_LOSC_4_V2-1126259446-32.hdf5")


def run(*arguments):
    return CliRunner().invoke(main, ["parity", *arguments])


@pytest.mark.data
def test_prints_every_event_and_the_bars(strain):
    times = ["--gps", "1126259462.4", "--gps", "1126259446.5"]
    result = run(strain, *times, "--imaging", "light")
    assert result.exit_code == 0, result.output
    assert "1126259462.4000 5.657" in result.output
    assert "1126259446.5000 not compared: edge_of_segment" in result.output
    assert "1 events: passed" in result.output
    assert "100.0% (at least 99.5%)" in result.output


@pytest.mark.data
def test_a_missed_bar_is_exit_status_1(strain, monkeypatch):
    monkeypatch.setattr(glitchvae.spectrogram.parity, "MEDIAN_ERROR", 1e-12)
    result = run(strain, "--gps", "1126259462.4", "--imaging", "light")
    assert result.exit_code == 1
    assert "FAILED" in result.output


@pytest.mark.data
def test_problems_are_one_line(strain):
    unknown = run(strain, "--gps", "1126259462.4", "--imaging", "lite")
    assert unknown.exit_code == 3
    assert "did you mean 'light'" in unknown.output
    outside = run(strain, "--gps", "5")
    assert outside.exit_code == 3
    assert "outside_data" in outside.output


def test_a_time_is_required(tmp_path):
    assert run(str(tmp_path / "x.hdf5")).exit_code == 2

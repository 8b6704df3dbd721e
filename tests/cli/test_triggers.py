"""`glitchvae triggers`: from strain, and from one trigger file to another."""

import h5py
import numpy as np
import pytest
from click.testing import CliRunner

from glitchvae.cli import main
from glitchvae.strain import Strain, write_gwosc
from glitchvae.triggers import read_triggers


def run(*arguments):
    return CliRunner().invoke(main, ["triggers", *map(str, arguments)])


def write_strain(folder, rng, *, ifo="V1", start=1187008882.0, rate=1024):
    """Forty seconds of white noise with one burst, 17 s after the start."""
    times = np.arange(40 * rate) / rate - 17.0
    burst = 5 * np.sqrt(rate / 1024) * np.exp(-((times / 0.01) ** 2)) * np.cos(600 * times)
    values = 1e-21 * (rng.standard_normal(len(times)) + burst)
    path = folder / f"{ifo[0]}-{ifo}_TEST-{start:.0f}-40.hdf5"
    write_gwosc(path, Strain(values=values, start=start, sample_rate=float(rate), ifo=ifo))
    return path


@pytest.fixture
def strain_file(tmp_path, rng):
    return write_strain(tmp_path, rng)


@pytest.mark.parametrize("suffix", ["h5", "csv", "ecsv"])
def test_strain_gives_a_table(tmp_path, strain_file, suffix):
    table = tmp_path / f"found.{suffix}"
    result = run(strain_file, "-o", table)
    assert result.exit_code == 0, result.output
    assert "1 triggers (1 of V1)" in result.output
    found = read_triggers(table)
    np.testing.assert_allclose(found.gps, [1187008899.0], atol=0.01)
    assert found.ifo.tolist() == ["V1"]


def test_detectors_and_rates_may_be_mixed(tmp_path, strain_file, rng):
    others = [
        write_strain(tmp_path, rng, ifo="K1"),
        write_strain(tmp_path, rng, start=1187009000.0, rate=2048),
    ]
    table = tmp_path / "found.csv"
    result = run(strain_file, *others, "-o", table)
    assert result.exit_code == 0, result.output
    assert read_triggers(table).ifos == {"V1": 2, "K1": 1}


def test_the_threshold_is_obeyed(tmp_path, strain_file):
    result = run(strain_file, "-o", tmp_path / "none.csv", "--snr", 100)
    assert result.exit_code == 0, result.output
    assert "0 triggers" in result.output


def test_a_trigger_file_is_converted_whole_unless_a_threshold_is_given(tmp_path):
    (tmp_path / "list.txt").write_text("time snr\n1187008882.5 6\n1187008883.5 9\n")
    result = run(tmp_path / "list.txt", "-o", tmp_path / "all.csv", "--ifo", "H1")
    assert result.exit_code == 0, result.output
    assert read_triggers(tmp_path / "all.csv").snr.tolist() == [6.0, 9.0]
    run(tmp_path / "list.txt", "-o", tmp_path / "loud.csv", "--ifo", "H1", "--snr", "7.5")
    assert read_triggers(tmp_path / "loud.csv").snr.tolist() == [9.0]


def test_mistakes_are_one_line_each(tmp_path, strain_file):
    (tmp_path / "list.txt").write_text("1187008882.5\n")
    for arguments, message in [
        ((strain_file, "-o", tmp_path / "a.xlsx"), "the suffix is not that of a trigger file"),
        ((strain_file, tmp_path / "list.txt", "-o", tmp_path / "a.csv"), "mixed"),
        ((tmp_path / "list.txt", "-o", tmp_path / "a.csv"), "no detector is named"),
        ((tmp_path / "none.txt", "-o", tmp_path / "a.csv"), "none.txt"),
    ]:
        result = run(*arguments)
        assert result.exit_code != 0
        assert isinstance(result.exception, SystemExit), result.exception
        assert message in " ".join(result.output.split())
    assert not (tmp_path / "a.csv").exists()


def test_a_damaged_file_among_good_ones(tmp_path, strain_file):
    (tmp_path / "list.txt").write_text("time snr\n1187008882.5 6\n")
    damaged = tmp_path / "damaged.hdf5"
    with h5py.File(damaged, "w") as file:
        file["strain/Strain"] = h5py.SoftLink("/strain/Strain")
    unreadable = tmp_path / "unreadable.ecsv"
    unreadable.write_text("# %ECSV 1.0\n# ---\n# - null\ngps\n1\n")
    for good, bad in ((strain_file, damaged), (tmp_path / "list.txt", unreadable)):
        table = tmp_path / f"{good.stem}.csv"
        result = run(bad, good, "-o", table, "--ifo", "V1")
        assert result.exit_code == 1
        assert f"left out: {bad}: " in result.stderr
        assert len(read_triggers(table)) == 1
        result = run(bad, "-o", tmp_path / "none.csv", "--ifo", "V1")
        assert result.exit_code == 3
        assert isinstance(result.exception, SystemExit)
        assert not (tmp_path / "none.csv").exists()


def test_segments_limit_the_search(tmp_path, strain_file, caplog):
    quiet, loud, none = (tmp_path / f"{name}.txt" for name in ("quiet", "loud", "none"))
    quiet.write_text("1187008903 1187008920\n")
    loud.write_text("1187008893 1187008905\n")
    none.write_text("1000 2000\n")
    for segments, count in [
        ((quiet,), 0),
        ((loud,), 1),
        ((quiet, f"V1={loud}"), 1),
        ((none,), 0),
    ]:
        options = [word for path in segments for word in ("--segments", path)]
        result = run(strain_file, "-o", tmp_path / "found.csv", *options)
        assert result.exit_code == 0, result.output
        assert f"{count} triggers" in result.stdout
    assert "V1: none of 40 s of strain is left by mask DATA, segments none.txt" in caplog.text


def test_masks_limit_the_search(tmp_path, rng):
    strain = write_strain(tmp_path, rng)
    with h5py.File(strain, "r+") as file:
        bits = file["quality/simple/DQmask"]
        bits[10:25] = 0  # the burst is 17 s after the start
    table = tmp_path / "found.csv"
    assert "0 triggers" in run(strain, "-o", table).stdout
    assert "1 triggers" in run(strain, "-o", table, "--mask", "none").stdout
    assert "0 triggers" in run(strain, "-o", table, "--mask", "NO_CW_HW_INJ").stdout


def test_segments_do_not_limit_a_conversion(tmp_path):
    (tmp_path / "list.txt").write_text("1187008882.5\n")
    result = run(tmp_path / "list.txt", "-o", tmp_path / "a.csv", "--segments", "x.txt")
    assert result.exit_code == 2
    assert "limit a search of strain" in result.output


def test_strain_that_is_too_short_to_search_is_told(tmp_path, rng):
    path, values = tmp_path / "V-V1_TEST-1187008882-3.hdf5", 1e-21 * rng.standard_normal(3 * 1024)
    write_gwosc(path, Strain(values=values, start=1187008882.0, sample_rate=1024.0, ifo="V1"))
    result = run(path, "-o", tmp_path / "found.csv")
    assert result.exit_code == 0
    assert "V1: nothing searched: no stretch is longer than 3.0 s, 8 s are needed" in result.stderr
    embed = ["embed", path, "--archive", tmp_path / "archive"]
    result = CliRunner().invoke(main, [str(word) for word in embed])
    assert result.exit_code == 0
    assert "0.0 s searched above SNR 7.5; nothing searched: no stretch is longer" in result.output

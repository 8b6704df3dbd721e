"""`glitchvae embed`: what a user sees, with good input and with bad."""

import contextlib
import dataclasses
import multiprocessing
import os
import re
import subprocess
import sys
import time
from collections import Counter

import h5py
import numpy as np
import pytest
from click.testing import CliRunner

from glitchvae.archive import Archive
from glitchvae.cli import main
from glitchvae.embedding import read_embeddings
from glitchvae.plots import EVENTS_PER_SHEET
from glitchvae.simulate import simulate_strain
from glitchvae.spectrogram import SpectrogramSet
from glitchvae.strain import open_strain, write_gwosc
from glitchvae.triggers import at_times


@pytest.fixture
def embed(tiny_model, tmp_path):
    """Runs `embed` with the tiny model into a fresh archive."""

    def run(*arguments):
        options = ["--model", tiny_model, "--archive", tmp_path / "archive", "--device", "cpu"]
        return CliRunner().invoke(main, ["embed", *map(str, [*options, *arguments])])

    return run


def start_of(path):
    return float(open_strain(path).segments[0][0])


def test_finds_and_stores(embed, tmp_path):
    path = tmp_path / "H-H1_SIMULATED-48.hdf5"
    write_gwosc(path, simulate_strain(48.0, "H1", 3, glitches=4)[0])  # at 4096 Hz
    result = embed(path, "-o", tmp_path / "codes.h5")
    assert result.exit_code == 0, result.output
    assert "H1, 1 file: 48 s of strain, glitches to be found above SNR 7.5" in result.stderr
    assert "images reach 1291 Hz of 2048 Hz" in result.stderr
    assert "nearest class" in result.stdout
    assert "short_block" in result.stdout  # 48 s of the 64 s of the official images
    assert str(tmp_path / "archive") in result.stdout
    stored = Archive(tmp_path / "archive").embeddings()
    written = read_embeddings(tmp_path / "codes.h5")
    assert len(stored) == len(written) >= 3
    np.testing.assert_array_equal(stored.mean, written.mean)
    assert written.configuration["snr"] == 7.5


def test_twice_adds_nothing(embed, simulated_files, tmp_path):
    first = embed(simulated_files[0])
    files = {p.name for p in (tmp_path / "archive" / "parts").glob("*.parquet")}
    again = embed(simulated_files[0], "-o", tmp_path / "codes.csv", "--codes")
    assert first.exit_code == again.exit_code == 0
    assert {p.name for p in (tmp_path / "archive" / "parts").glob("*.parquet")} == files
    count = len(Archive(tmp_path / "archive").embeddings())
    assert f"{count} known before" in again.stdout
    assert len(read_embeddings(tmp_path / "codes.csv")) == count
    assert embed(simulated_files[0], "-o", tmp_path / "people.csv").exit_code == 0
    header = (tmp_path / "people.csv").read_text(encoding="utf-8").splitlines()[0]
    assert header.replace('"', "").startswith("event_id,gps,")
    assert "mean" not in header


def test_several_detectors_at_once(embed, simulated_files, tmp_path):
    result = embed(*simulated_files)
    assert result.exit_code == 0, result.output
    assert set(Archive(tmp_path / "archive").info().ifos) == {"H1", "L1"}
    names = {p.name[:13] for p in (tmp_path / "archive" / "parts").glob("*.parquet")}
    assert names == {"H-H1_GLITCHVA", "L-L1_GLITCHVA"}


def test_times_of_the_user(embed, simulated_files, tmp_path):
    start = start_of(simulated_files[0])
    times = ["--gps", start + 20, "--gps", start + 47.9]
    result = embed(simulated_files[0], *times, "--imaging", "light")
    assert result.exit_code == 0, result.output
    rows = Archive(tmp_path / "archive").embeddings()
    assert list(rows.status) == ["ok", "edge_of_segment"]


def test_a_time_outside_the_data_is_named_and_leaves_no_row(embed, simulated_files, tmp_path):
    start = start_of(simulated_files[0])
    alone = embed(simulated_files[0], "--gps", 5)
    assert alone.exit_code == 3
    assert "GPS 5.0: no strain at this time" in alone.stderr
    assert f"the nearest strain, of H1, GPS {start} to {start + 48}" in alone.stderr
    assert not (tmp_path / "archive").exists()
    both = embed(simulated_files[0], "--gps", start + 20, "--gps", start + 48)
    assert both.exit_code == 1
    assert f"GPS {start + 48}: no strain" in both.stderr
    assert list(Archive(tmp_path / "archive").embeddings().gps) == [start + 20]


def test_a_time_that_one_detector_has(embed, simulated_files, tmp_path):
    source = open_strain(simulated_files[1])
    start = source.segments[0][0]
    later = dataclasses.replace(source.read(start, start + 48), start=start + 1000)
    write_gwosc(tmp_path / "L-L1.hdf5", later)
    result = embed(simulated_files[0], tmp_path / "L-L1.hdf5", "--gps", start + 20)
    assert result.exit_code == 0, result.output
    assert list(Archive(tmp_path / "archive").embeddings().ifo) == ["H1"]


@pytest.mark.parametrize("bad", ["0", "-5", "nan", "inf", "-inf", "soon"])
def test_a_number_that_is_no_time(embed, simulated_files, tmp_path, bad):
    result = embed(simulated_files[0], f"--gps={bad}")
    assert result.exit_code == 2
    assert f"'{bad}' is no GPS time" in " ".join(result.stderr.split())
    assert not (tmp_path / "archive").exists()


def test_rows_of_a_trigger_file_without_a_time_are_named(embed, simulated_files, tmp_path):
    start = start_of(simulated_files[0])
    bad = np.array([np.nan, -3.0, 0.0, np.inf])
    for suffix in ("csv", "h5"):
        path = tmp_path / f"triggers.{suffix}"
        good = at_times(np.arange(1.0, 6.0) + start + 20, "H1")
        gps = good.gps.copy()
        gps[1:] = bad
        if suffix == "h5":
            dataclasses.replace(good, gps=gps).write(path)
        else:
            path.write_text("gps,ifo\n" + "".join(f"{time},H1\n" for time in gps))
        result = embed(simulated_files[0], "--triggers", path)
        assert result.exit_code == 0, result.output
        rows = Archive(tmp_path / "archive").embeddings()
        assert list(rows.gps) == [start + 21]


def test_no_trial_without_plan(embed, simulated_files, monkeypatch):
    """Nothing is searched, imaged or encoded but for the archive."""

    def refuse(*_, **__):
        raise AssertionError("a trial")

    for name in ("plan_embedding", "plan_encoding"):
        monkeypatch.setattr(f"glitchvae.archive.tasks.{name}", refuse)
    start = start_of(simulated_files[0])
    result = embed(simulated_files[0], "--gps", start + 20)
    assert result.exit_code == 0, result.output
    assert "H1, 1 file: 48 s of strain, 1 trigger given" in result.stderr
    assert "about" not in result.stderr


def test_triggers_of_the_user(embed, simulated_files, tmp_path):
    start = start_of(simulated_files[0])
    (tmp_path / "triggers.csv").write_text(
        f"event_time,ifo,snr,id\n{start + 20},H1,9.5,aBcDeFgHiJ\n{start + 30},V1,8,kLmNoPqRsT\n"
    )
    result = embed(simulated_files[0], "--triggers", tmp_path / "triggers.csv")
    assert result.exit_code == 0, result.output
    rows = Archive(tmp_path / "archive").embeddings()
    assert list(rows.event_id) == ["aBcDeFgHiJ"]
    assert rows.snr[0] == pytest.approx(9.5)
    assert "live time unknown" in result.stdout
    (tmp_path / "live.txt").write_text(f"{start + 5} {start + 40}\n")
    limits = ("--segments", tmp_path / "live.txt", "--archive", tmp_path / "other")
    told = embed(simulated_files[0], "--triggers", tmp_path / "triggers.csv", *limits)
    assert "35.0 s covered" in told.stdout
    assert "live time unknown" not in told.stdout


def test_plan_does_nothing(embed, simulated_files, tmp_path):
    result = embed(simulated_files[0], "--plan")
    assert result.exit_code == 0
    assert re.fullmatch(
        r"48 s of strain, glitches to be found \(about \d+\): about .* and .* GiB \(.*\)\n",
        result.stdout,
    )
    assert not (tmp_path / "archive").exists()


def test_images(embed, tmp_path, rng):
    count = 3
    columns = ("snr", "peak_frequency", "q", "duration", "bandwidth", "block_duration")
    SpectrogramSet(
        images=rng.uniform(0, 20, (count, 4, 140, 170)),
        event_id=["a", "b", "c"],
        gps=[np.nan] * count,
        ifo=["H1", "L1", ""],
        **{name: np.full(count, np.nan) for name in columns},
        f_max=np.full(count, 2048.0),
        status=["ok"] * count,
        label=["Blip", "Tomte", ""],
    ).write(tmp_path / "images.h5")
    for _ in range(2):
        result = embed(tmp_path / "images.h5")
        assert result.exit_code == 0, result.output
        assert re.search(r"nearest class and label agree for [0-2] of 2", result.stdout)
        assert "of strain" not in result.stderr
    rows = Archive(tmp_path / "archive").embeddings()
    assert sorted(zip(rows.event_id, rows.label, strict=True)) == [
        ("a", "Blip"),
        ("b", "Tomte"),
        ("c", ""),
    ]
    assert not list(Archive(tmp_path / "archive").verify())


def test_contact_sheet(embed, simulated_files, tmp_path):
    start = start_of(simulated_files[0])
    result = embed(simulated_files[0], "--gps", start + 20, "--contact-sheet", tmp_path / "s.png")
    assert result.exit_code == 0, result.output
    assert (tmp_path / "s.png").read_bytes().startswith(b"\x89PNG")


def test_a_bad_file_among_good_ones(embed, simulated_files, tmp_path):
    truncated = tmp_path / "truncated.hdf5"
    truncated.write_bytes(simulated_files[1].read_bytes()[:4000])
    result = embed(truncated, simulated_files[0], tmp_path / "absent.gwf")
    assert result.exit_code == 1
    assert "left out" in result.stderr
    assert "truncated.hdf5" in result.stderr
    assert "absent.gwf" in result.stderr
    assert set(Archive(tmp_path / "archive").info().ifos) == {"H1"}


def test_help_says_how_many_glitches_a_contact_sheet_shows():
    result = CliRunner().invoke(main, ["embed", "--help"])
    said = " ".join(result.stdout.replace("│", " ").split())
    assert f"contact sheet of the {EVENTS_PER_SHEET} loudest glitches" in said


def test_damaged_files_among_good_ones(embed, simulated_files, tmp_path):
    """Of every kind that `embed` takes, and damaged where a library finds it, not we."""
    with h5py.File(tmp_path / "loop.hdf5", "w") as file:
        file["strain/Strain"] = h5py.SoftLink("/strain/Strain")
    with h5py.File(tmp_path / "images.h5", "w") as file:
        file.attrs.update(schema="glitchvae.spectrograms", schema_version=1)
        file["event_id"] = h5py.Empty(h5py.string_dtype())
    (tmp_path / "folder").mkdir()
    bad = [tmp_path / name for name in ("loop.hdf5", "images.h5", "folder")]
    result = embed(*bad, *simulated_files)
    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit)
    for path in bad:
        assert f"left out: {path}: " in result.stderr
    assert set(Archive(tmp_path / "archive").info().ifos) == {"H1", "L1"}


@pytest.fixture
def three_files(simulated_files, tmp_path):
    """The same 48 s as two files of H1 ten minutes apart and one of L1, by name."""
    source = open_strain(simulated_files[0])
    strain = source.read(*source.segments[0])
    changes = {"first": {}, "second": {"start": strain.start + 600}, "other": {"ifo": "L1"}}

    def write(name):
        changed = dataclasses.replace(strain, **changes[name])
        path = tmp_path / f"{changed.ifo[0]}-{changed.ifo}_{name}.hdf5"
        write_gwosc(path, changed)
        return path

    return {name: write(name) for name in changes}, write


def codes_of(archive):
    """How many glitches with a code each of the three files has."""
    rows = Archive(archive).embeddings()
    late = rows.gps > rows.gps.min() + 300
    names = np.where(rows.ifo == "L1", "other", np.where(late, "second", "first"))
    return Counter(names[rows.usable].tolist())


@pytest.mark.parametrize("gone", ["first", "second", "other"])
@pytest.mark.parametrize("when", ["before", "during"])
def test_a_file_that_vanishes(embed, three_files, tmp_path, monkeypatch, gone, when):
    """Before the search or after its first minute: the other files go on."""
    paths, write = three_files

    @contextlib.contextmanager
    def vanishing(*_):
        if when == "before":
            paths[gone].unlink(missing_ok=True)
        yield lambda _: paths[gone].unlink(missing_ok=True)

    monkeypatch.setattr("glitchvae.cli.embed.progress_of", vanishing)
    result = embed(*paths.values(), "--imaging", "light")
    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit)
    assert result.stderr.count(f"{paths[gone]}: no such file") == 1
    counts = codes_of(tmp_path / "archive")
    assert counts.keys() == paths.keys() - {gone}
    assert min(counts.values()) >= 3
    assert not list(Archive(tmp_path / "archive").verify())
    # Once it is there again, the same command finishes the work.
    monkeypatch.undo()
    write(gone)
    assert embed(*paths.values(), "--imaging", "light").exit_code == 0
    assert len(set(codes_of(tmp_path / "archive").values())) == 1
    assert codes_of(tmp_path / "archive").keys() == paths.keys()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "no input"),
        (["absent.hdf5"], "absent.hdf5"),
        (["{strain}", "-o", "codes.xyz"], "is not that of a format"),
        (["{strain}", "--contact-sheet", "sheet.pdf"], "not the name of a picture"),
        (["{strain}", "--imaging", "lite"], "did you mean 'light'"),
        (["{strain}", "--device", "abacus"], "the device 'abacus'"),
        (["{strain}", "--triggers", "absent.csv"], "absent.csv"),
        (["{strain}", "--triggers", "absent.csv", "--gps", "5"], "exclude each other"),
        (["--frametype", "H1_HOFT_C00"], "needs --ifo, --start and --end"),
        (["{strain}", "--start", "200", "--end", "100"], "--start 200 is not before --end 100"),
        (["{strain}", "--end", "100"], "no strain at the time asked for"),
        (["{strain}", "--segments", "absent.txt"], "absent.txt"),
        (["{strain}", "--segments", "X9=absent.txt"], "unknown detector"),
        (["{strain}", "--flag", "DMT-ANALYSIS_READY"], "is not the name of a flag"),
        (["{strain}", "--flag", "V1:ITF_SCIENCE:1"], "no flag of a detector of the strain"),
        (["{strain}", "--mask", "CBC_CAT9"], "no mask 'CBC_CAT9'"),
        (["{strain}", "--mask", "none", "--mask", "DATA"], "'none' excludes other masks"),
        (["--gwosc", "H1", "now", "later"], "'now' is no GPS time"),
    ],
)
def test_bad_options_are_one_sentence(embed, simulated_files, arguments, message):
    result = embed(*[a.format(strain=simulated_files[0]) for a in arguments])
    assert result.exit_code in (2, 3)
    assert message in result.output
    assert "Traceback" not in result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)


def test_triggers_of_another_detector(embed, simulated_files, tmp_path):
    (tmp_path / "triggers.csv").write_text("time,ifo\n1000.0,V1\n")
    result = embed(simulated_files[0], "--triggers", tmp_path / "triggers.csv")
    assert result.exit_code == 3
    assert "expected H1" in result.output
    assert "found V1" in result.output


def test_empty_trigger_file(embed, simulated_files, tmp_path):
    (tmp_path / "triggers.csv").write_text("")
    result = embed(simulated_files[0], "--triggers", tmp_path / "triggers.csv")
    assert result.exit_code == 3
    assert "triggers.csv" in result.output


def test_full_disk(embed, simulated_files, tmp_path, monkeypatch):
    start = start_of(simulated_files[0])
    assert embed(simulated_files[0], "--gps", start + 20).exit_code == 0

    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("glitchvae.store._flush", full)
    result = embed(simulated_files[0], "--gps", start + 30)
    assert result.exit_code == 3
    assert "No space left on device" in result.output
    monkeypatch.undo()
    assert len(Archive(tmp_path / "archive").embeddings()) == 1


def test_an_archive_is_encoded_anew(embed, simulated_files, tmp_path, save_untrained):
    gps = start_of(simulated_files[0]) + 20.0
    assert embed(simulated_files[0], "--gps", gps).exit_code == 0
    archive = tmp_path / "archive"
    codes = np.random.default_rng(5).normal(size=(60, 5))
    labels = np.array(["Blip", "Whistle", "Tomte"] * 20, dtype=object)
    other = save_untrained(tmp_path / "other", codes, labels, latent_size=5, seed=7)

    def anew(*options):
        return CliRunner().invoke(main, ["embed", *map(str, [archive, "--model", other, *options])])

    assert "1 rows of other models" in anew("--plan").stdout
    result = anew()
    assert result.exit_code == 0, result.output
    assert "1 glitch in 1 episode, 0 known before" in result.stdout
    assert Archive(archive).embeddings(model="other").mean.shape == (1, 5)
    assert "1 known before" in anew().stdout
    assert anew("--gps", gps).exit_code == 2


def test_ctrl_c_keeps_what_was_finished(embed, simulated_files, tmp_path, monkeypatch):
    from glitchvae.embedding import encode

    times = start_of(simulated_files[0]) + np.arange(8.0, 28.0)
    real, calls = encode.encode_spectrograms, []

    def interrupted(*args, **options):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(*args, **options)

    monkeypatch.setattr(encode, "encode_spectrograms", interrupted)
    gps = [word for t in times for word in ("--gps", t)]
    result = embed(simulated_files[0], *gps)
    assert result.exit_code == 130
    assert "finished work is kept" in result.output
    monkeypatch.undo()
    assert len(Archive(tmp_path / "archive").embeddings()) == 16
    assert "16 known before" in embed(simulated_files[0], *gps).stdout


def test_killed_and_run_again(embed, simulated_files, tiny_model, tmp_path, monkeypatch):
    """The rows of a run that was killed and repeated equal those of one that was not."""
    from glitchvae.archive import journal

    times = start_of(simulated_files[0]) + np.arange(8.0, 28.0)
    gps = [word for t in times for word in ("--gps", t)]
    real, wrote = journal.Journal.add, multiprocessing.get_context("fork").SimpleQueue()

    def stopping(self, *args):
        real(self, *args)
        wrote.put(1)
        time.sleep(60)

    def first_run():
        journal.Journal.add = stopping
        embed(simulated_files[0], *gps)
        os._exit(0)

    job = multiprocessing.get_context("fork").Process(target=first_run)
    job.start()
    wrote.get()
    job.kill()
    job.join()
    assert "16 known before" in embed(simulated_files[0], *gps).stdout
    resumed = Archive(tmp_path / "archive").embeddings()
    monkeypatch.setenv("GLITCHVAE_ARCHIVE", str(tmp_path / "other"))
    arguments = [str(simulated_files[0]), *map(str, gps), "--model", str(tiny_model)]
    assert CliRunner().invoke(main, ["embed", *arguments]).exit_code == 0
    whole = Archive(tmp_path / "other").embeddings()
    assert list(resumed.event_id) == list(whole.event_id)
    np.testing.assert_array_equal(resumed.mean, whole.mean)
    np.testing.assert_array_equal(resumed.novelty_p, whole.novelty_p)


@pytest.mark.data
def test_labelled_glitches(embed, real_data, tmp_path):
    result = embed(real_data / "strain/labelled/L-L1_GW190512_180714_2048HZ-1241719632-24.hdf5")
    assert result.exit_code == 0, result.output
    assert "images reach 646 Hz" in result.stderr
    rows = Archive(tmp_path / "archive").find(1241719640.42)
    assert np.isfinite(rows.mean).all()


def test_uncertainty_can_be_left_out(embed, simulated_files, tmp_path):
    embed(simulated_files[0], "-o", tmp_path / "with.h5")
    embed(
        simulated_files[0],
        "--no-uncertainty",
        "-o",
        tmp_path / "without.h5",
        "--archive",
        tmp_path / "other",
    )
    asked, plain = (read_embeddings(tmp_path / f"{n}.h5") for n in ("with", "without"))
    usable = asked.usable
    assert usable.any()
    assert np.isfinite(asked.view_agreement[usable]).all()
    assert np.isfinite(asked.code_stability[usable]).all()
    assert np.isnan(plain.view_agreement).all()
    np.testing.assert_array_equal(asked.latent_spread[usable], plain.latent_spread[usable])


def test_segments_limit_the_search_and_no_picture(embed, simulated_files, tmp_path):
    """Events near an edge of the segments are imaged from the strain beyond it."""
    start = start_of(simulated_files[0])
    assert embed(simulated_files[0], "--imaging", "light").exit_code == 0
    every = Archive(tmp_path / "archive").embeddings()
    (tmp_path / "live.txt").write_text(f"{start + 12} {start + 32}\n")
    limits = ["--segments", tmp_path / "live.txt", "--archive", tmp_path / "limited"]
    result = embed(simulated_files[0], "--imaging", "light", *limits)
    assert result.exit_code == 0, result.output
    assert "20 s of strain (of 48 s; mask DATA, segments live.txt)" in " ".join(
        result.stderr.split()
    )
    rows = Archive(tmp_path / "limited").embeddings()
    assert 0 < len(rows) < len(every)
    assert ((rows.gps >= start + 13) & (rows.gps < start + 31)).all()
    assert set(rows.block_duration) == set(every.block_duration[every.usable])


def test_strain_by_time_at_a_site(embed, simulated_files, tmp_path, serve, direct, monkeypatch):
    start = int(start_of(simulated_files[0]))
    path = f"/api/v1/gwf/H/H1_TEST/{start + 8},{start + 40}/file.json"
    span = ["--start", start + 8, "--end", start + 40]
    frames = tmp_path / f"H-H1_TEST-{start}-48.hdf5"
    frames.symlink_to(simulated_files[0])
    with serve({path: [f"file://localhost{frames}"]}) as (host, asked):
        monkeypatch.setenv("GWDATAFIND_SERVER", host)
        result = embed("--frametype", "H1_TEST", "--ifo", "H1", *span, "--imaging", "light")
    assert result.exit_code == 0, result.output
    assert asked == [path]
    assert "H1, 1 file: 32 s of strain" in result.stderr
    found = Archive(tmp_path / "archive").embeddings().gps
    assert ((found > start + 8) & (found < start + 40)).all()
    assert len(found)
    # The same span of a file that is given.
    cut = embed(simulated_files[0], *span, "--imaging", "light")
    assert f"{len(found)} known before" in cut.stdout


def test_a_site_that_asks_for_a_token(embed, serve, direct, monkeypatch):
    with serve({}, missing=401) as (host, _):
        monkeypatch.setenv("GWDATAFIND_SERVER", host)
        result = embed(
            *("--frametype", "H1_TEST", "--ifo", "H1", "--start", 1000000000, "--end", 1000000008)
        )
    assert result.exit_code == 3
    assert "the server asks for a token" in result.stderr
    assert "htgettoken" in result.stderr


def test_a_flag_of_the_database_limits_the_search(
    embed, simulated_files, tmp_path, serve, direct, monkeypatch, caplog
):
    start = start_of(simulated_files[0])
    answer = {
        "ifo": "H1",
        "name": "SCIENCE",
        "version": 1,
        "known": [[start, start + 40]],
        "active": [[start + 12, start + 32]],
    }
    with serve({"/dq/H1/SCIENCE/1": answer}) as (host, asked):
        monkeypatch.setenv("DEFAULT_SEGMENT_SERVER", host)
        options = ["--flag", "H1:SCIENCE:1", "--imaging", "light"]
        result = embed(*simulated_files, *options)
    assert result.exit_code == 0, result.output
    assert len(asked) == 1
    told = " ".join(result.stderr.split())
    assert "20 s of strain (of 48 s; mask DATA, flag H1:SCIENCE:1)" in told
    assert "flag H1:SCIENCE:1 is not known for 8 s of strain, not searched" in caplog.text
    assert "L1: no flag given, all of its strain is searched" in caplog.text
    rows = Archive(tmp_path / "archive").embeddings()
    of_h1 = rows.gps[rows.ifo == "H1"]
    assert ((of_h1 > start + 12) & (of_h1 < start + 32)).all()
    assert (rows.ifo == "L1").any()


@pytest.mark.data
def test_strain_that_holds_nothing_gives_no_clean_events(embed, real_data, tmp_path, caplog):
    """Twenty seconds of 1e-25 that the file calls good, then noise that rises for six."""
    (path,) = (real_data / "strain/unlabelled").glob("V-V1_GW190720*")
    start = start_of(path)
    assert embed(path).exit_code == 0
    rows = Archive(tmp_path / "archive").embeddings()
    assert len(rows) < 5
    assert (rows.gps > start + 21).all()
    assert all("noise_step" in flags for flags in rows.flags)
    assert f"no data from GPS {start:.1f} on for 20.3 s" in caplog.text
    dead = embed(path, "--gps", start + 10, "--archive", tmp_path / "dead")
    assert dead.exit_code == 0
    assert list(Archive(tmp_path / "dead").embeddings().status) == ["zero_psd"]


def test_a_plan_counts_what_is_known_and_a_repetition_imports_nothing_slow(
    embed, tiny_model, tmp_path
):
    # No glitch at an edge: one that cannot be imaged stays open, and would be looked at again.
    path = tmp_path / "H-H1_SIMULATED-48.hdf5"
    write_gwosc(path, simulate_strain(48.0, "H1", 13, glitches=4)[0])
    found = embed(path, "--imaging", "light", "--no-uncertainty")
    assert found.exit_code == 0, found.output
    again = ["--imaging", "light", "--no-uncertainty"]
    planned = embed(path, *again, "--plan").stdout
    number = int(found.stdout.splitlines()[-1].split()[0])
    assert planned.startswith(f"0 glitches, {number} known before: about 1 s")
    # With other images nothing is searched again, but everything is imaged.
    other = embed(path, "--no-uncertainty", "--plan").stdout
    assert other.startswith(f"{number} glitches: about")
    slow = ("torch", "gwpy", "sklearn", "matplotlib", "astropy")
    options = ["--model", str(tiny_model), "--archive", str(tmp_path / "archive"), *again]
    options += ["--device", "cpu"]
    code = (
        "import sys\nfrom glitchvae.cli import main\n"
        f"try:\n    main(['embed', {str(path)!r}, *{options!r}])\n"
        f"except SystemExit:\n    pass\nprint('LOADED', [m for m in {slow!r} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert f"{number} glitch" in done.stdout, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == "LOADED []"

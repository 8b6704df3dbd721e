"""glitchvae discover-new-classes: what it finds, writes, remembers and refuses."""

import dataclasses
import re

import numpy as np
import pytest
from click.testing import CliRunner
from gwpy.segments import DataQualityFlag
from igwn_segments import segment, segmentlist

from glitchvae.archive import create_archive
from glitchvae.archive.ledger import (
    FileContent,
    Search,
    SearchedFile,
    add_to_ledger,
    table_of,
)
from glitchvae.checkpoint import load_checkpoint
from glitchvae.cli import main
from glitchvae.cli.discover_new_classes import _print_vetoes
from glitchvae.discovery import DiscoverySettings
from glitchvae.discovery.runs import read_run
from glitchvae.discovery.vetoes import VetoScore
from glitchvae.embedding import Embeddings

KNOWN = {"Blip": 0, "Tomte": 1, "Whistle": 2}
START = 1238166018.0


def place(k, size=4):
    return 8.0 * np.eye(4, size)[k]


@pytest.fixture(scope="module")
def model(tmp_path_factory, save_untrained):
    rng = np.random.default_rng(2)
    codes = np.concatenate([place(k) + rng.normal(size=(150, 4)) for k in KNOWN.values()])
    folder = tmp_path_factory.mktemp("models") / "tiny"
    return save_untrained(folder, codes, np.repeat(list(KNOWN), 150), latent_size=4)


def make_events(model, counts=(60, 60, 60, 40), seed=3):
    """Events of the known classes and, last, of a new one."""
    rng = np.random.default_rng(seed)
    checkpoint = load_checkpoint(model)
    codes = np.concatenate([place(k) + rng.normal(size=(n, 4)) for k, n in enumerate(counts)])
    codes = codes[rng.permutation(len(codes))].astype(np.float32)
    count = len(codes)
    columns = ("snr", "peak_frequency", "q", "duration", "bandwidth", "f_max", "block_duration")
    numbers = {name: rng.uniform(1, 20, count) for name in columns}
    numbers["snr"] += 7.0
    return Embeddings(
        event_id=[f"H1-{seed}-{n:04d}" for n in range(count)],
        gps=START + 100.0 * np.arange(count),
        ifo=["H1", "L1"] * (count // 2),
        **numbers,
        mean=codes,
        log_var=np.zeros_like(codes),
        status=["ok"] * count,
        **checkpoint.prototypes.classify(codes).columns(),
        model={"name": "tiny", "digest": checkpoint.digest},
        imaging={"name": "light"},
    )


@pytest.fixture(scope="module")
def events(model):
    return make_events(model)


def run(*arguments):
    return CliRunner().invoke(main, list(map(str, arguments)))


def discover(*arguments, model):
    return run("discover-new-classes", *arguments, "--model", model)


def test_the_loop_from_archive_to_class(home, model, events):
    create_archive("glitch-archive").append(events)
    result = discover(model=model)
    assert result.exit_code == 0, result.output
    assert "220 glitches, 0 left out" in result.output
    assert "candidate-1" in result.output
    (folder,) = home.glob("discovery-*")
    card = read_run(folder)
    assert 30 <= card.summary["candidates"][0]["events"] <= 45
    proposed = run("catalog", "propose", folder, "candidate-1", "--name", "Pearls")
    assert proposed.exit_code == 0, proposed.output
    accepted = run("catalog", "accept", "pearls", "--reviewer", "ana", "--note", "real")
    assert accepted.exit_code == 0, accepted.output
    again = discover("-o", "again", model=model)
    assert again.exit_code == 0, again.output
    assert "known from your catalogue: Pearls" in again.output
    assert "no group that the known classes leave unexplained" in again.output
    assert "Pearls" in (home / "again" / "events.csv").read_text()
    shown = run("catalog", "show", "Pearls").output
    assert "real" in shown
    assert "live time unknown" in shown
    assert "a month" not in shown


def test_an_archive_without_a_ledger_tells_no_live_time(home, model, events):
    archive = create_archive("glitch-archive")
    spans = dict.fromkeys(("H1", "L1"), (START, START + 1e8))  # of files three years apart
    with archive.writing(spans) as journal:
        journal.add(events)
    result = discover("-o", "out", model=model)
    assert result.exit_code == 0, result.output
    assert "p-values are relative to simulated glitches" in result.output
    assert "live time unknown" in result.output
    for said in ("per hour", "a month", "dead time"):
        assert said not in result.output
    summary = read_run(home / "out").summary
    assert summary["live_time"] == "unknown"
    assert summary["live_hours"] == {}
    assert "p-values are relative to simulated glitches" in summary["remarks"][0]


def searched(start, end, *, snr=7.5, ifo="H1"):
    """A row of the ledger: strain that was searched as a whole."""
    own = segmentlist([segment(start, end)])
    return SearchedFile(
        search=Search(ifo=ifo, snr=snr, settings={}, sample_rate=4096.0),
        content=FileContent(path="strain.hdf5"),
        extent=own[0],
        examined=own,
        covered=own,
        searched=own,
    ).row()


def test_the_ledger_tells_live_time_and_known_time(home, model, events):
    archive = create_archive("glitch-archive")
    archive.append(events)
    rows = [searched(START, START + 36000, ifo=ifo) for ifo in ("H1", "L1")]
    add_to_ledger(archive.path, [("searched", table_of("searched", rows))])
    result = discover("-o", "out", model=model)
    assert result.exit_code == 0, result.output
    summary = read_run(home / "out").summary
    assert summary["live_hours"] == {"H1": 10.0, "L1": 10.0}
    assert summary["live_time"] == "the archive's ledger"
    assert "dead time" in result.output
    (flag,) = (home / "out" / "vetoes").glob("candidate-1.h5")
    known = DataQualityFlag.read(flag, "H1:GLITCHVAE-CANDIDATE_1:1").known
    assert segment(START + 1, START + 35999) in known
    (home / "h.txt").write_text(f"{START} {START + 3600}\n")
    overridden = discover("-o", "own", "--live", "H1=h.txt", model=model)
    assert overridden.exit_code == 0, overridden.output
    assert read_run(home / "own").summary["live_hours"] == {"H1": 1.0}


def test_mixed_thresholds_leave_out_what_was_not_looked_for_everywhere(home, model, events):
    archive = create_archive("glitch-archive")
    archive.append(events)
    middle = float(np.median(events.snr))
    rows = [searched(START, START + 9e3, snr=3.0), searched(START, START + 36e3, snr=middle)]
    add_to_ledger(archive.path, [("searched", table_of("searched", rows))])
    result = discover("-o", "out", model=model)
    assert result.exit_code == 0, result.output
    quiet = int((events.snr < np.float32(middle)).sum())
    assert f"{quiet} below SNR" in result.output
    assert read_run(home / "out").summary["live_hours"] == {"H1": 10.0}


def test_a_turned_down_candidate_comes_back_with_a_note(home, model, events):
    events.write("codes.h5")
    assert discover("codes.h5", "-o", "one", model=model).exit_code == 0
    assert run("catalog", "propose", "one", "candidate-1").exit_code == 0
    retired = run("catalog", "retire", "candidate-1", "--reviewer", "bo", "--note", "injections.")
    assert retired.exit_code == 0, retired.output
    result = discover("codes.h5", "-o", "two", model=model)
    assert "candidate-1" in result.output
    assert "retired as candidate-1 by bo" in (home / "two" / "report.html").read_text()


def test_segments_and_a_target_of_ones_own(home, model, events):
    events.write("codes.h5")
    (home / "h.txt").write_text(f"{START} {START + 36000}\n")
    (home / "target.csv").write_text("time,ifo,snr\n" + f"{START},H1,9\n{START + 1},H1,9\n")
    result = discover(
        "codes.h5", "-o", "out", "--live", "H1=h.txt", "--target", "target.csv", model=model
    )
    assert result.exit_code == 0, result.output
    card = read_run(home / "out")
    assert card.summary["live_hours"] == {"H1": 10.0}
    assert card.summary["live_time"] == "H1=h.txt"
    assert card.summary["vetoes_measured_against"] == "target.csv"
    assert "live time unknown for L1" in result.output
    for said in ("episodes per hour: H1", "dead time"):
        assert said in " ".join(result.output.split())
    assert "a month" not in result.output


def test_nothing_is_replaced_unasked(home, model, events):
    events.write("codes.h5")
    (home / "out").mkdir()
    (home / "out" / "thesis.tex").touch()
    result = discover("codes.h5", "-o", "out", model=model)
    assert result.exit_code == 3
    assert "no complete run" in result.output


def with_nan(events):
    mean = events.mean.copy()
    mean[:20] = np.nan
    return dataclasses.replace(events, mean=mean)


def test_codes_with_nan_are_counted_and_left_out(home, model, events):
    with_nan(events).write("codes.h5")
    result = discover("codes.h5", "-o", "out", model=model)
    assert result.exit_code == 0, result.output
    assert "220 glitches, 20 left out" in result.output


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda e: dataclasses.replace(e, mean=np.ones_like(e.mean)), "the same"),
        (
            lambda e: dataclasses.replace(e, model={"name": "gone", "digest": "a" * 64}),
            "another model",
        ),
    ],
)
def test_what_cannot_be_used_is_one_line(home, model, events, change, said):
    change(events).write("codes.h5")
    result = discover("codes.h5", "-o", "out", model=model)
    assert result.exit_code == 3
    assert said in result.output
    assert "Traceback" not in result.output
    assert not (home / "out").exists()


@pytest.mark.parametrize("count", [0, 1, 12])
def test_a_small_archive_has_a_report_without_candidates(home, model, events, count):
    events.take(slice(0, count)).write("codes.h5")
    result = discover("codes.h5", "-o", "out", model=model)
    assert result.exit_code == 0, result.output
    said = " ".join(result.output.split())
    assert f"groups were not looked for: {count} event" in said
    assert "no group" not in said
    assert read_run(home / "out").summary["candidates"] == []
    page = (home / "out" / "report.html").read_text(encoding="utf-8")
    assert "groups were not looked for" in page
    assert page.count('class="events"') == len(set(events.class_name[:count]))


def test_one_detector_alone_is_enough(home, model, events):
    one = dataclasses.replace(events, ifo=np.array(["H1"] * len(events), object))
    one.write("codes.h5")
    result = discover("codes.h5", "-o", "out", "--link", "https://a.org/{gps}", model=model)
    assert result.exit_code == 0, result.output
    assert len(read_run(home / "out").summary["candidates"]) == 1
    assert "https://a.org/12381" in (home / "out" / "report.html").read_text(encoding="utf-8")


def test_a_link_that_is_none_is_refused_first(home, model, events):
    events.write("codes.h5")
    result = discover("codes.h5", "-o", "out", "--link", "file:///{gps}", model=model)
    assert result.exit_code == 3
    assert "the template of a link is not valid" in result.output
    assert not (home / "out").exists()


def test_a_model_that_is_gone_is_named(home, events):
    events.write("codes.h5")
    result = run("discover-new-classes", "codes.h5")
    assert result.exit_code == 3
    assert "the model of these codes, tiny (" in result.output
    assert "--model" in result.output


def test_models_are_not_mixed(home, model, events):
    events.write("one.h5")
    other = dataclasses.replace(events, model={"name": "other", "digest": "b" * 64})
    other.write("two.h5")
    result = discover("one.h5", "two.h5", model=model)
    assert result.exit_code == 3
    assert "tiny (" in result.output
    assert "other (bbbbbbbbbbbb)" in result.output
    archive = create_archive("glitch-archive")
    archive.append(events)
    archive.append(other)
    result = run("discover-new-classes")
    assert result.exit_code == 3
    assert "several models" in result.output


def test_no_archive_and_an_empty_one(home, model, events):
    assert "not an archive" in discover(model=model).output
    create_archive("glitch-archive")
    quiet = discover("glitch-archive", "-o", "quiet", model=model)
    assert quiet.exit_code == 0, quiet.output
    assert "0 glitches, 0 left out" in quiet.output
    assert "0 events with a code, where it takes 20" in quiet.output
    page = (home / "quiet" / "report.html").read_text(encoding="utf-8")
    assert "No glitch has a class." in page
    # Beside an archive with glitches, one without adds nothing and is no reason to stop.
    create_archive("other").append(events)
    both = discover("glitch-archive", "other", "-o", "both", model=model)
    assert both.exit_code == 0, both.output
    assert f"{len(events)} glitches" in both.output


def test_help_names_the_default_method():
    assert f"{DiscoverySettings().method} (default)" in run("discover-new-classes", "--help").output


@pytest.mark.data
def test_real_scattered_light_is_no_new_class(home, real_data):
    strain = real_data / "strain"
    names = ("labelled/*1_GW190514*", "labelled/L-L1_GW190513*", "unlabelled/*-[HL]1_GW191109*")
    files = [path for name in names for path in sorted(strain.glob(f"{name}.hdf5"))]
    assert len(files) == 5
    embedded = run("embed", *files, "--no-uncertainty")
    assert embedded.exit_code == 0, embedded.output
    result = run("discover-new-classes", "-o", "out", "--seed", 2)
    assert result.exit_code == 0, result.output
    assert "live time unknown" not in result.output
    assert read_run(home / "out").summary["candidates"] == []
    assert re.search(r"\d /h", (home / "out" / "report.html").read_text(encoding="utf-8"))


def test_a_bad_option_is_located(home, events):
    events.write("codes.h5")
    result = run("discover-new-classes", "codes.h5", "--method", "magic")
    assert result.exit_code == 3
    assert "method" in result.output


def test_vetoes_fit_80_columns(capsys):
    """With live time, and numbers as wide as they get."""
    score = VetoScore(
        ifo="H1",
        segments=123_456,
        seconds=98_765.4,
        dead_time=1.234e-4,
        glitches=1_000_000,
        vetoed=123_456,
        use_percentage=0.0123,
    )
    _print_vetoes({"candidate-10": (score, score)})
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert max(map(len, lines)) <= 80

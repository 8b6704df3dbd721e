"""The ledger: exactly what was searched, however the strain was cut, given or interrupted."""

import dataclasses
import logging

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from igwn_segments import segment, segmentlist

from glitchvae.archive import Archive, create_archive, fill_from_strain
from glitchvae.archive import ledger as ledgers
from glitchvae.archive.ledger import (
    FileContent,
    Ledger,
    Search,
    SearchedFile,
    add_to_ledger,
    coalesce,
    ledger_files,
    table_of,
)
from glitchvae.checkpoint import load_checkpoint
from glitchvae.embedding import Job
from glitchvae.spectrogram import IMAGING
from glitchvae.strain import Strain, StrainSource, open_strain, write_gwosc
from glitchvae.triggers import at_times, find_triggers, finding, search_cells
from tests.benchmarks.survey_live_time import constant, merged, reference

RATE = 1024.0
START = 1187008842.0  # 18 s before a cell begins


@pytest.fixture(scope="session")
def job(tmp_path_factory, save_untrained):
    """A job with a tiny model."""
    codes = np.random.default_rng(2).normal(size=(60, 4))
    labels = np.array(["Blip", "Whistle", "Tomte"] * 20, dtype=object)
    folder = save_untrained(
        tmp_path_factory.mktemp("models") / "tiny", codes, labels, latent_size=4
    )
    return Job(checkpoint=load_checkpoint(folder), imaging=IMAGING["light"], uncertainty=False)


def noise(rng, duration, bursts=()):
    """White noise with bursts of 100 Hz: (seconds from start, SNR)."""
    values = rng.standard_normal(round(duration * RATE))
    times = np.arange(len(values)) / RATE
    for centre, snr in bursts:
        wave = np.exp(-(((times - centre) / 0.02) ** 2)) * np.sin(
            2 * np.pi * 100 * (times - centre)
        )
        values += snr * wave / np.sqrt(np.sum(wave**2))
    return Strain(values=1e-22 * values, start=START, sample_rate=RATE, ifo="L1")


def cut(strain, folder, *edges):
    """Files of a strain between two seconds after its start each."""
    paths = []
    for first, last in edges:
        paths.append(folder / f"L-L1_CUT-{first}-{last}.hdf5")
        part = strain.crop(strain.start + first, strain.start + last)
        whole = segmentlist([segment(part.start, part.end)])
        write_gwosc(paths[-1], part, dq={"DATA": whole})  # the mask says that all is good
    return paths


def told(archive):
    ledger = archive.ledger()
    return float(abs(ledger.covered()["L1"])), float(abs(ledger.live()["L1"]))


def events_of(archive, **options):
    return archive.embeddings(**options).event_id.tolist()


def equal(one, other):
    """Segments that are the same to a sample."""
    return float(abs(one - other)) + float(abs(other - one)) < 2 / RATE


BURSTS = ((30.0, 20.0), (59.4, 15.0), (78.0, 30.0), (101.0, 40.0), (139.2, 25.0), (160.0, 18.0))


# The rule -----------------------------------------------------------------------------


@st.composite
def bad_runs(draw):
    """Runs of NaN and of one value: first sample, samples, kind."""
    kinds = st.sampled_from(["nan", "constant"])
    runs = st.tuples(st.integers(0, 512 * 100), st.integers(1, 512 * 9), kinds)
    return draw(st.lists(runs, max_size=6))


@settings(max_examples=25, deadline=None)
@given(bad_runs(), st.integers(0, 5 * 512))
def test_covered_and_searched_are_those_of_every_sample(runs, offset):
    """A minute's edge, a gap's and a stretch's may fall together in any way."""
    rate = 512.0
    values = np.random.default_rng(1).standard_normal(100 * 512)
    for first, count, kind in runs:
        values[first : first + count] = np.nan if kind == "nan" else 0.25
    strain = Strain(values=values, start=START + 40 + offset / rate, sample_rate=rate, ifo="L1")
    good = np.isfinite(values) & ~constant(values, 1 / rate)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], good.astype(int), [0]]))).reshape(-1, 2)
    covered = segmentlist(segment(*(strain.start + e / rate)) for e in edges)
    searched = segmentlist(segment(a + 1, b - 1) for a, b in covered if b - a >= 8)
    cells = list(search_cells(StrainSource.of(strain), snr=50.0))
    assert equal(segmentlist([s for c in cells for s in c.covered]).coalesce(), covered)
    assert equal(segmentlist([s for c in cells for s in c.searched]).coalesce(), searched)


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 12)), max_size=20))
def test_stretches_together_hold_every_second_of_each(pairs):
    edges = np.array([(a, a + length) for a, length in pairs], dtype=float).reshape(-1, 2)
    seconds = np.zeros(80, bool)
    for a, length in pairs:
        seconds[a : a + length] = True
    found = coalesce(edges)
    again = np.zeros(80, bool)
    for a, b in found.astype(int):
        again[a:b] = True
    np.testing.assert_array_equal(again, seconds)
    assert (found[1:, 0] > found[:-1, 1]).all()


# Files --------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(4))
def test_blind_sets_of_cut_and_overlapping_files(tmp_path, job, seed):
    rng = np.random.default_rng(seed)
    strain = noise(rng, 200, BURSTS)
    for _ in range(5):
        first, count = rng.integers(0, len(strain)), rng.integers(1, 12 * 1024)
        strain.values[first : first + count] = np.nan
    for length in (0.03, 0.05, 0.08, 0.7):
        first = rng.integers(0, len(strain) - 1024)
        strain.values[first : first + round(length * RATE)] = 0.0
    places = sorted(rng.choice(np.arange(6, 194), 4, replace=False).tolist())
    edges = [
        (first, min(last + int(rng.choice([0, 0, 5])), 200))
        for first, last in zip([0, *places], [*places, 200], strict=True)
    ]
    whole = reference(cut(strain, tmp_path, (0, 200)))["L1"]
    paths = cut(strain, tmp_path, *edges)
    assert reference(paths)["L1"] == pytest.approx(whole, abs=0.1)
    rng.shuffle(paths)
    archive = create_archive(tmp_path / "archive")
    for part in (paths[:2], paths[2:3], paths[3:]):
        fill_from_strain(archive, open_strain(part), None, job)
    assert told(archive) == pytest.approx(whole, abs=0.1)
    ledger = archive.ledger()
    assert not ledger.live()["L1"] - ledger.covered()["L1"]
    assert not list(archive.verify())
    searched = ledger.live()["L1"].protract(1e-3)
    assert all(gps in searched for gps in archive.embeddings().gps)


def test_known_strain_is_not_searched_again(tmp_path, rng, job, monkeypatch):
    (path,) = cut(noise(rng, 170, BURSTS), tmp_path, (0, 170))
    archive = create_archive(tmp_path / "archive")
    first = fill_from_strain(archive, open_strain(path), None, job)
    files = ledger_files(archive.path)
    spans = []
    examine = finding.examine
    monkeypatch.setattr(finding, "examine", lambda *a: spans.append(a[1]) or examine(*a))
    again = fill_from_strain(archive, open_strain(path), None, job)
    assert not spans
    assert again.rows.event_id.tolist() == first.rows.event_id.tolist()
    assert (first.known, again.known) == (0, len(first.rows))
    assert ledger_files(archive.path) == files
    lower = dataclasses.replace(job, snr=6.0)
    fill_from_strain(archive, open_strain(path), None, lower)
    assert spans, "a lower threshold is another search"
    spans.clear()
    higher = fill_from_strain(archive, open_strain(path), None, dataclasses.replace(job, snr=19.0))
    assert not spans
    assert (higher.rows.snr >= 19).all()
    assert 0 < len(higher.rows) < len(first.rows)
    assert archive.ledger().thresholds("L1") == (6.0, 7.5)


def test_another_cut_adds_nothing(tmp_path, rng, job):
    strain = noise(rng, 170, BURSTS)
    (whole,) = cut(strain, tmp_path, (0, 170))
    archive = create_archive(tmp_path / "archive")
    fill_from_strain(archive, open_strain(whole), None, job)
    events, live = events_of(archive), archive.live_time()
    for path in cut(strain, tmp_path, (0, 60), (50, 101), (101, 170), (20, 30)):
        fill_from_strain(archive, open_strain(path), None, job)
    assert events_of(archive) == events
    assert archive.live_time() == live


def test_other_samples_at_the_same_time_are_searched_and_named(tmp_path, rng, job, caplog):
    archive = create_archive(tmp_path / "archive")
    (path,) = cut(noise(rng, 60, BURSTS[:1]), tmp_path, (0, 60))
    fill_from_strain(archive, open_strain(path), None, job)
    (path,) = cut(noise(rng, 60, ((20.0, 25.0),)), tmp_path, (0, 60))
    with caplog.at_level(logging.WARNING):
        filled = fill_from_strain(archive, open_strain(path), None, job)
    assert "other samples" in caplog.text
    assert np.abs(filled.rows.gps - (START + 20)).min() < 0.01


def test_an_edge_grows_when_its_neighbour_comes(tmp_path, rng, job):
    strain = noise(rng, 140, ((30.0, 20.0), (69.6, 30.0), (70.4, 40.0)))
    one, two = cut(strain, tmp_path, (0, 70), (70, 140))
    archive = create_archive(tmp_path / "archive")
    fill_from_strain(archive, open_strain(one), None, job)
    assert archive.live_time()["L1"] == segmentlist([segment(START + 1, START + 69)])
    fill_from_strain(archive, open_strain(two), None, job)
    assert archive.live_time()["L1"] == segmentlist([segment(START + 1, START + 139)])
    both = create_archive(tmp_path / "both")
    fill_from_strain(both, open_strain([one, two]), None, job)
    assert events_of(archive) == events_of(both)
    assert archive.embeddings().usable.all()


@pytest.mark.parametrize("change", ["gone", "other"])
def test_an_edge_stays_unsearched_without_its_neighbour(tmp_path, rng, job, change):
    one, two = cut(noise(rng, 140), tmp_path, (0, 70), (70, 140))
    archive = create_archive(tmp_path / "archive")
    fill_from_strain(archive, open_strain(one), None, job)
    one.unlink() if change == "gone" else write_gwosc(one, noise(rng, 70))
    fill_from_strain(archive, open_strain(two), None, job)
    assert archive.live_time()["L1"] == segmentlist(
        [segment(START + 1, START + 69), segment(START + 71, START + 139)]
    )


def test_what_could_not_be_imaged_stays_open_until_data_come(tmp_path, rng, job):
    one, two = cut(noise(rng, 140, ((68.5, 30.0),)), tmp_path, (0, 70), (70, 140))
    archive = create_archive(tmp_path / "archive")
    filled = fill_from_strain(archive, open_strain(one), None, job)
    assert filled.rows.status.tolist() == ["edge_of_segment"]
    (origin,) = archive.ledger().origins
    left = archive.ledger().open(origin)["L1"]
    assert filled.rows.gps[0] in left
    assert abs(left) < 4.1
    fill_from_strain(archive, open_strain(two), None, job)
    assert archive.embeddings().usable.all()
    assert abs(archive.ledger().open(origin)["L1"]) < 1e-3


def test_another_model_takes_the_triggers_that_were_found(
    tmp_path, rng, job, save_untrained, monkeypatch
):
    (path,) = cut(noise(rng, 100, BURSTS[:3]), tmp_path, (0, 100))
    archive = create_archive(tmp_path / "archive")
    fill_from_strain(archive, open_strain(path), None, job)
    monkeypatch.setattr(finding, "examine", lambda *_: pytest.fail("searched again"))
    other = dataclasses.replace(
        job, checkpoint=load_checkpoint(save_untrained(tmp_path / "other", seed=8))
    )
    filled = fill_from_strain(archive, open_strain(path), None, other)
    assert filled.rows.usable.all()
    digests = [j.checkpoint.digest for j in (job, other)]
    assert events_of(archive, model=digests[0]) == events_of(archive, model=digests[1])
    assert len(archive.ledger().origins) == 2


def test_quiet_strain_leaves_its_trace(tmp_path, rng, job):
    (path,) = cut(noise(rng, 30), tmp_path, (0, 30))
    archive = create_archive(tmp_path / "archive")
    filled = fill_from_strain(archive, open_strain(path), None, job)
    assert filled.rows is None
    assert float(abs(filled.coverage.searched)) == 28
    assert told(archive) == (30, 28)


def test_limits_are_no_good_samples(tmp_path, rng, job):
    (path,) = cut(noise(rng, 100, BURSTS[:3]), tmp_path, (0, 100))
    source = open_strain(path)
    science = segmentlist([segment(START + 10, START + 50), segment(START + 60, START + 66)])
    archive = create_archive(tmp_path / "archive")
    limited = source.limited_to(science, "segments science.txt")
    fill_from_strain(archive, limited, None, job)
    assert equal(archive.ledger().covered()["L1"], science)
    searched = segmentlist([segment(START + 11, START + 49)])
    assert equal(archive.live_time()["L1"], searched)
    fill_from_strain(archive, source, None, job)  # without the limits: another search
    assert equal(archive.live_time()["L1"], segmentlist([segment(START + 1, START + 99)]))
    nothing = source.limited_to(segmentlist(), "segments none.txt")
    assert fill_from_strain(archive, nothing, None, job).rows is None


# Interruptions --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory, job):
    """Strain, its files, its triggers, and the archive of a job that nobody interrupted."""
    folder, rng = tmp_path_factory.mktemp("undisturbed"), np.random.default_rng(20260914)
    strain = noise(rng, 230, [*BURSTS, *((100 + 4.3 * k, 12.0 + k) for k in range(20))])
    paths = cut(strain, folder, (0, 90), (90, 230))
    whole = create_archive(folder / "whole")
    fill_from_strain(whole, open_strain(paths), None, job)
    return paths, find_triggers(strain), whole


@pytest.mark.parametrize("after", [1, 2, 3])
def test_an_interrupted_job_tells_what_it_searched_and_stored(tmp_path, undisturbed, job, after):
    paths, found, whole = undisturbed
    calls = []

    def kill(_):
        calls.append(1)
        if len(calls) == after:
            raise KeyboardInterrupt

    archive = create_archive(tmp_path / "killed")
    with pytest.raises(KeyboardInterrupt):
        fill_from_strain(archive, open_strain(paths), None, job, progress=kill)
    live = archive.ledger().live().get("L1", segmentlist())
    assert not live - whole.live_time()["L1"]
    inside = {e for e, gps in zip(found.event_id, found.gps, strict=True) if gps in live}
    assert inside <= (set(events_of(archive)) if live and inside else set())
    fill_from_strain(archive, open_strain(paths), None, job)
    assert archive.live_time() == whole.live_time()
    assert told(archive) == told(whole)
    one, other = archive.embeddings(), whole.embeddings()
    assert one.event_id.tolist() == other.event_id.tolist()
    np.testing.assert_array_equal(one.mean, other.mean)
    assert not list(archive.verify())


# Triggers of somebody else ----------------------------------------------------------------


def given_triggers(times, snr):
    return dataclasses.replace(at_times(times, "L1"), snr=np.array(snr, dtype=np.float32))


def test_triggers_with_segments_are_a_search_of_them(tmp_path, rng, job):
    (path,) = cut(noise(rng, 100, BURSTS[:3]), tmp_path, (0, 100))
    science = segmentlist([segment(START + 5, START + 60), segment(START + 50, START + 70)])
    source = open_strain(path).limited_to(science, "segments science.txt")
    triggers = given_triggers([START + 30, START + 59.4, START + 78], [20.0, 6.25, 30.0])
    archive = create_archive(tmp_path / "archive")
    filled = fill_from_strain(archive, source, triggers, job)
    ledger = archive.ledger()
    assert ledger.thresholds() == (6.25,)
    assert ledger.live()["L1"] == segmentlist([segment(START + 5, START + 70)])
    assert not ledger.live(6.0)
    assert len(filled.rows) == 3  # one of them outside of the segments, and of the live time


def test_triggers_without_segments_are_no_search(tmp_path, rng, job):
    (path,) = cut(noise(rng, 60, BURSTS[:1]), tmp_path, (0, 60))
    archive = create_archive(tmp_path / "archive")
    fill_from_strain(archive, open_strain(path), given_triggers([START + 30], [20.0]), job)
    assert archive.ledger().is_empty
    assert not archive.live_time()


def test_times_without_an_snr_have_no_threshold(tmp_path, rng, job, caplog):
    (path,) = cut(noise(rng, 60, BURSTS[:1]), tmp_path, (0, 60))
    science = segmentlist([segment(START, START + 60)])
    source = open_strain(path).limited_to(science, "segments science.txt")
    archive = create_archive(tmp_path / "archive")
    fill_from_strain(archive, source, at_times([START + 30], "L1"), job)
    assert "threshold is unknown" in caplog.text
    assert archive.ledger().is_empty


# The files of the ledger --------------------------------------------------------------------


def row(number, *, snr=7.5, ifo="L1", length=10.0):
    """A row of a file that was searched as a whole."""
    start = 1000.0 + 20 * number
    own = segmentlist([segment(start, start + length)])
    return SearchedFile(
        search=Search(ifo=ifo, snr=snr, settings={}, sample_rate=4096.0),
        content=FileContent(path=f"{number}.hdf5"),
        extent=own[0],
        examined=own,
        covered=own,
        searched=own,
    ).row()


def test_live_time_is_a_function_of_the_threshold(tmp_path):
    rows = [row(0, snr=5.0), row(1, snr=7.5), row(2, snr=10.0), row(3, snr=7.5, ifo="H1")]
    add_to_ledger(tmp_path, [("searched", table_of("searched", rows))])
    ledger = Ledger(tmp_path)
    seconds = {snr: float(abs(ledger.live(snr)["L1"])) for snr in (5.0, 6.0, 7.5, 10.0)}
    assert seconds == {5.0: 10, 6.0: 10, 7.5: 20, 10.0: 30}
    assert ledger.live() == ledger.live(10.0)
    assert ledger.live().snr == 10.0
    assert ledger.thresholds("H1") == (7.5,)
    assert "H1" not in ledger.live(5.0)


def test_the_same_rows_again_change_nothing(tmp_path):
    table = table_of("searched", [row(0), row(1)])
    for _ in range(3):
        add_to_ledger(tmp_path, [("searched", table)])
    assert len(ledger_files(tmp_path)) == 1
    assert float(abs(Ledger(tmp_path).live()["L1"])) == 20


def test_many_small_files_become_few(tmp_path):
    for number in range(120):
        add_to_ledger(tmp_path, [("searched", table_of("searched", [row(number)]))])
    assert len(ledger_files(tmp_path)) <= 25
    assert float(abs(Ledger(tmp_path).live()["L1"])) == 1200


def damage(path, kind):
    if kind == "cut":
        path.write_bytes(path.read_bytes()[:-40])
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "newer":
        table = pq.read_table(path)
        metadata = {**table.schema.metadata, b"schema_version": b"9"}
        pq.write_table(table.replace_schema_metadata(metadata), path)
    elif kind == "column":
        pq.write_table(pq.read_table(path).drop_columns(["searched"]), path)
    else:
        table = pq.read_table(path)
        rows = table.to_pylist()
        rows[0]["searched"] = [{"start": 50.0, "end": float("inf")}]
        pq.write_table(table.from_pylist(rows, schema=table.schema), path)


@pytest.mark.parametrize("kind", ["cut", "empty", "newer", "column", "times"])
def test_what_cannot_be_read_is_unknown_named_and_kept(tmp_path, caplog, kind):
    create_archive(tmp_path)
    add_to_ledger(tmp_path, [("searched", table_of("searched", [row(0)]))])
    (bad,) = ledger_files(tmp_path)
    damage(bad, kind)
    content = bad.read_bytes()
    for number in range(1, 60):  # enough for the small files to become one
        add_to_ledger(tmp_path, [("searched", table_of("searched", [row(number)]))])
    archive = Archive(tmp_path)
    assert float(abs(archive.live_time()["L1"])) == 590
    assert str(bad) in caplog.text
    assert bad.read_bytes() == content
    assert any(str(bad) in problem for problem in archive.verify())
    assert archive.info().unread == 1


def test_an_archive_without_a_ledger_knows_no_live_time(tmp_path):
    archive = create_archive(tmp_path / "archive")
    assert archive.ledger().is_empty
    assert not archive.live_time()
    assert archive.ledger().thresholds() == ()
    assert ("searched", "unknown") in archive.info().lines()


def test_years_of_files_are_one_table(tmp_path, monkeypatch):
    """Adjoining files of two years: a row each, live time from all of them."""
    monkeypatch.setattr(ledgers, "_LARGE", 500)
    for first in range(0, 2000, 100):
        rows = [row(n, length=20.0) for n in range(first, first + 100)]
        add_to_ledger(tmp_path, [("searched", table_of("searched", rows))])
    assert Ledger(tmp_path).live()["L1"] == segmentlist([segment(1000, 1000 + 20 * 2000)])


@pytest.mark.data
def test_live_time_of_real_files(real_data, tmp_path, job):
    """Some of the 43 files of the survey, one of them with nothing in its first 20 s."""
    names = ("labelled/*GW190512*", "unlabelled/V-V1_GW190720*", "unlabelled/*GW191204*")
    paths = [path for name in names for path in sorted((real_data / "strain").glob(name))]
    archive = create_archive(tmp_path / "archive")
    for path in paths:
        fill_from_strain(archive, open_strain(path), None, job)
    ledger = archive.ledger()
    live, covered = ledger.live(), ledger.covered()
    found = {ifo: (float(abs(covered[ifo])), float(abs(live[ifo]))) for ifo in live}
    expected = reference(paths)
    assert found.keys() == expected.keys()
    for ifo, pair in expected.items():
        assert found[ifo] == pytest.approx(pair, abs=0.1)


def test_the_reference_joins_what_adjoins():
    assert merged([(0, 1), (1, 2), (3, 4)]) == [[0, 2], [3, 4]]

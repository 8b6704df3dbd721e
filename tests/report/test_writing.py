"""The folder of a run: whole, readable by other programs, reproducible."""

import csv
import tomllib

import numpy as np
import pytest
from gwpy.segments import DataQualityDict

from glitchvae.classes.catalog import read_card
from glitchvae.discovery.runs import read_run
from glitchvae.embedding import read_embeddings
from glitchvae.errors import InputError
from glitchvae.report import score_vetoes, write_report
from glitchvae.strain.segments import read_segments
from glitchvae.triggers import Triggers, at_times, read_triggers


@pytest.fixture
def run(tmp_path, discovery):
    write_report(tmp_path / "run", discovery, vetoes=score_vetoes(discovery), origin={"inputs": {}})
    return tmp_path / "run"


def rows(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_the_candidate_is_in_every_format(run, discovery):
    members = discovery.embeddings.take(discovery.candidates[0].members)
    for suffix in (".h5", ".csv", ".ecsv"):
        back = read_embeddings(run / "candidates" / f"candidate-1{suffix}")
        assert list(back.event_id) == list(members.event_id)
        np.testing.assert_allclose(back.mean, members.mean, rtol=1e-5)
    triggers = read_triggers(run / "candidates" / "candidate-1.xml.gz")
    assert isinstance(triggers, Triggers)
    np.testing.assert_allclose(np.sort(triggers.gps), np.sort(members.gps), atol=1e-6)


def test_its_vetoes_hold_it(run, discovery):
    members = discovery.embeddings.take(discovery.candidates[0].members)
    flags = read_segments(run / "vetoes" / "candidate-1.xml.gz")
    assert flags == read_segments(run / "vetoes" / "candidate-1.h5")
    for ifo, segments in flags.items():
        assert read_segments(run / "vetoes" / f"candidate-1-{ifo}.txt", ifo=ifo)[ifo] == segments
        assert all(time in segments for time in members.gps[members.ifo == ifo])


def test_the_tables_count_everything(run, discovery):
    (line,) = rows(run / "candidates.csv")
    assert int(line["events"]) == len(discovery.candidates[0].members)
    assert line["nearest_class"] == "Blip"
    events = rows(run / "events.csv")
    assert len(events) == len(discovery.embeddings)
    named = sum(event["candidate"] == "candidate-1" for event in events)
    assert named == np.sum(discovery.cluster == 0)
    assert [row["suggested"] for row in rows(run / "labels.csv")] == ["Tomte"]


def test_the_draft_is_a_valid_card(run, discovery):
    path = run / "catalog" / "candidates" / "candidate_1.toml"
    card = read_card(path)
    assert card.status == "candidate"
    assert card.evidence.events == len(discovery.candidates[0].members)
    assert card.detectors == ("H1", "L1")
    assert 8 <= card.snr[0] < card.snr[1] <= 20
    assert tomllib.loads(path.read_text())["runs"] == []


def test_the_card_names_every_file_and_the_counts(run, discovery):
    card = read_run(run)
    assert card.summary["excluded"] == {"gap": 2}
    assert card.summary["settings"] == discovery.settings.model_dump(mode="json")
    assert card.summary["live_hours"]["H1"] == round(2e5 / 3600, 3)
    assert {"report.html", "events.csv", "vetoes/candidate-1.h5"} <= set(card.files)


def test_without_live_time_nothing_is_relative_to_it(tmp_path, make):
    discovery = make(searched=False)
    write_report(tmp_path / "run", discovery, vetoes=score_vetoes(discovery))
    summary = read_run(tmp_path / "run").summary
    assert summary["live_hours"] == {}
    assert "p-values are relative to simulated glitches" in summary["remarks"][0]
    assert "live time unknown" in summary["remarks"][1]
    (line,) = rows(tmp_path / "run" / "candidates.csv")
    assert (line["live_time"], line["expected_per_month"], line["drift"]) == ("unknown", "", "")
    evidence = read_card(tmp_path / "run" / "catalog" / "candidates" / "candidate_1.toml").evidence
    assert evidence.expected_per_month is None
    assert evidence.remarks == discovery.remarks
    flags = DataQualityDict.read(tmp_path / "run" / "vetoes" / "candidate-1.h5", format="hdf5")
    assert [flag.known for flag in flags.values()] == [flag.active for flag in flags.values()]


def test_live_time_is_told_with_what_is_relative_to_it(run, discovery):
    (line,) = rows(run / "candidates.csv")
    assert (line["live_time"], line["expected_per_month"]) == ("H1 55.56 h, L1 55.56 h", "0.01")
    evidence = read_card(run / "catalog" / "candidates" / "candidate_1.toml").evidence
    assert evidence.expected_per_month == 0.01
    flags = DataQualityDict.read(run / "vetoes" / "candidate-1.xml.gz", format="ligolw")
    for flag in flags.values():
        assert discovery.live[flag.ifo] - flag.known == []


def test_events_without_times_have_no_segments(tmp_path, make):
    discovery = make(timed=False)
    assert score_vetoes(discovery) == {"candidate-1": ()}
    write_report(tmp_path / "run", discovery, vetoes=score_vetoes(discovery))
    assert not (tmp_path / "run" / "vetoes").exists()
    assert not (tmp_path / "run" / "candidates" / "candidate-1.xml.gz").exists()


def test_a_target_is_what_vetoes_are_measured_against(discovery):
    ours = {score.ifo: score for score in score_vetoes(discovery)["candidate-1"]}
    assert ours["H1"].use_percentage == 100
    members = discovery.embeddings.take(discovery.candidates[0].members)
    time = members.gps[members.ifo == "H1"][0]
    target = at_times([time, time + 500.0], "H1")
    theirs = {score.ifo: score for score in score_vetoes(discovery, target)["candidate-1"]}
    assert (theirs["H1"].glitches, theirs["H1"].vetoed) == (2, 1)
    assert theirs["H1"].efficiency == 0.5
    assert np.isnan(theirs["L1"].efficiency)


def test_an_earlier_run_is_not_overwritten(run, discovery):
    with pytest.raises(InputError, match="--replace"):
        write_report(run, discovery, vetoes={})

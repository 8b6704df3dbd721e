"""Outcomes as tables."""

import csv
import json
from dataclasses import replace

import numpy as np
import pytest

from glitchvae.probes import methods_for, run_probes, split_events, write_report

HOUR = 3600.0


@pytest.fixture
def report(events, rng, tmp_path):
    """Outcomes of two methods under two splits, and the folder they were written to."""
    methods = {k: m for k, m in methods_for(events).items() if "linear" in k and "codes" in k}
    methods |= {"codes, one-shot": methods_for(events)["codes, one-shot"]}
    splits = split_events(events, rng, block=HOUR)
    chosen = {name: splits[name] for name in ("own", "random")}
    outcomes = list(run_probes(events, chosen, methods, seed=0, block=HOUR))
    write_report(tmp_path / "out", outcomes, events, {"seed": 0})
    return outcomes, tmp_path / "out"


def rows_of(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_numbers_survive_as_csv(report):
    outcomes, folder = report
    rows = rows_of(folder / "scores.csv")
    assert len(rows) == 4 * 3
    first = outcomes[0].scores
    assert float(rows[0]["value"]) == first.accuracy
    assert (float(rows[0]["low"]), float(rows[0]["high"])) == tuple(first.intervals[0])
    classes = [r for r in rows_of(folder / "classes.csv") if r["split"] == "own"]
    assert {r["class"] for r in classes} == {"Blip", "Tomte", "Whistle", "Koi_Fish"}
    assert {r["method"] for r in rows_of(folder / "calibration.csv")} == {"codes, linear probe"}


def test_predictions_name_every_test_event(report, events):
    outcomes, folder = report
    rows = [r for r in rows_of(folder / "predictions.csv") if r["method"] == outcomes[0].method]
    own = [r for r in rows if r["split"] == "own"]
    assert [r["event_id"] for r in own] == list(events.event_id[events.split == "test"])
    assert np.mean([r["label"] == r["predicted"] for r in own]) == outcomes[0].scores.accuracy


def test_test_events_of_one_block_of_time_have_no_interval(events, rng, tmp_path):
    methods = {"probe": methods_for(events)["codes, linear probe"]}
    splits = {"own": split_events(events, rng, block=HOUR)["own"]}
    later = np.where(events.split == "test", 1e5 * HOUR + events.gps % HOUR, events.gps)
    events = replace(events, gps=later)
    outcomes = list(run_probes(events, splits, methods, seed=0, block=HOUR))
    write_report(tmp_path, outcomes, events, {})
    value, low, high = json.loads((tmp_path / "probe.json").read_text())["outcomes"][0]["accuracy"]
    assert value == outcomes[0].scores.accuracy
    assert low is high is None


def test_people_and_programs_get_the_same(report):
    outcomes, folder = report
    lines = [x for x in (folder / "probe.md").read_text().splitlines() if x.startswith("|")]
    assert len(lines) == 2 + len(outcomes)
    assert "1.000 [1.000, 1.000]" in lines[2]
    tree = json.loads((folder / "probe.json").read_text())
    assert tree["seed"] == 0
    first = tree["outcomes"][0]
    assert first["accuracy"][0] == outcomes[0].scores.accuracy
    assert np.array(first["confusion"]).sum() == first["test_events"]
    assert tree["outcomes"][1]["calibration_error"] is None

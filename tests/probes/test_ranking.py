"""Methods with seeds as a table, an order in words, and predictions on disk."""

import csv
from dataclasses import replace

import numpy as np
import pytest

from glitchvae.errors import InputError
from glitchvae.probes import (
    Entry,
    check_order,
    rank,
    ranking_markdown,
    read_predictions,
    score,
    write_predictions,
    write_ranking,
)


@pytest.fixture
def study(rng):
    """300 events; one method is right nine times in ten, one six times, five seeds of each."""
    truth = rng.choice(np.array(["Blip", "Tomte"], dtype=object), 300)
    other = np.where(truth == "Blip", "Tomte", "Blip").astype(object)

    def named(share):
        return np.where(rng.random((5, 300)) < share, truth, other)

    good = Entry(name="good", classes=named(0.9), published=0.8, figures={"rate": 12.5})
    return truth, [good, Entry(name="bad", classes=named(0.6))]


def test_lines_are_means_over_seeds(study, rng):
    truth, entries = study
    good, bad = rank(truth, entries)
    single = [score(truth, row, rng, resamples=10) for row in entries[0].classes]
    assert good.seeds == pytest.approx(tuple(s.accuracy for s in single))
    assert good.accuracy == pytest.approx(np.mean([s.accuracy for s in single]))
    assert good.macro_f1 == pytest.approx(np.mean([s.macro_f1 for s in single]))
    assert good.interval[0] < good.accuracy < good.interval[1]
    assert (bad.published, dict(bad.figures)) == (None, {})


def test_an_order_is_a_table_of_claims(study, rng):
    truth, entries = study
    order = check_order(truth, entries, [("good", "bad"), ("bad", "good")])
    text = ranking_markdown(rank(truth, entries), order)
    lines = text.splitlines()
    assert lines[0] == (
        "| method | accuracy | macro F1 | accuracy by seed | rate | published | verdict |"
    )
    assert lines[2].endswith("| 12.5 | 0.8000 | not consistent |")
    assert lines[3].endswith("|  | not stated |  |")
    first, second = lines[-2:]
    assert first.startswith("| good above bad (points of accuracy) | +")
    assert first.endswith("| confirmed |")
    assert second.startswith("| bad above good (points of accuracy) | -")
    assert second.endswith("| contradicted |")


def test_one_seed_confirms_nothing(study):
    truth, entries = study
    single = [replace(entry, classes=entry.classes[:1]) for entry in entries]
    (claim,) = check_order(truth, single, [("good", "bad")])
    assert claim.found is not None
    assert claim.found.interval[0] > 0
    text = ranking_markdown(rank(truth, single), [claim])
    assert text.endswith("| cannot be judged (1 seed, 5 are needed) |\n")
    assert "| 0.8000 | cannot be judged: 1 seed |" in text
    assert "confirmed" not in text


def test_a_published_accuracy_of_other_events_has_a_rank_alone(study):
    truth, (good, bad) = study
    assert rank(truth, [replace(good, reduced=True)])[0].verdict == "reduced: rank only"
    short = replace(good, shortfalls=("seed 1: collapsed",))
    assert rank(truth, [short])[0].verdict == "cannot be judged: 1 of 5 trainings fell short"
    assert rank(truth, [bad])[0].verdict == ""


def test_a_training_that_fell_short_confirms_nothing(study, tmp_path):
    truth, (good, bad) = study
    failed = [good, replace(bad, shortfalls=("seed 1: the code is not used",))]
    order = check_order(truth, failed, [("good", "bad")])
    text = write_ranking(tmp_path / "table", rank(truth, failed), order)
    assert "- bad fell short: seed 1: the code is not used." in text
    assert text.endswith("| cannot be judged (trainings of bad fell short) |\n")
    with (tmp_path / "table.csv").open(newline="") as file:
        assert [row["shortfalls"] for row in csv.DictReader(file)] == [
            "",
            "seed 1: the code is not used",
        ]


def test_a_claim_of_an_unknown_method_is_refused(study, rng):
    truth, entries = study
    with pytest.raises(InputError, match=r"unknown methods; expected \['bad', 'good'\]"):
        check_order(truth, entries, [("good", "beta")])


def test_the_table_is_written_for_programs_too(study, rng, tmp_path):
    truth, entries = study
    lines = rank(truth, entries)
    text = write_ranking(tmp_path / "table", lines)
    assert (tmp_path / "table.md").read_text() == text
    with (tmp_path / "table.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["method"] for row in rows] == ["good", "bad"]
    assert float(rows[0]["accuracy"]) == lines[0].accuracy
    assert rows[1]["published"] == rows[1]["rate"] == ""


def test_predictions_survive(study, tmp_path):
    truth, (good, _) = study
    paths = [tmp_path / str(seed) / "p.csv" for seed in range(5)]
    for path, row in zip(paths, good.classes, strict=True):
        write_predictions(path, truth, row)
    read_truth, read = read_predictions(paths)
    np.testing.assert_array_equal(read_truth, truth)
    np.testing.assert_array_equal(read, good.classes)


def test_predictions_of_other_events_or_none_are_refused(study, tmp_path):
    truth, (good, _) = study
    write_predictions(tmp_path / "a.csv", truth, good.classes[0])
    write_predictions(tmp_path / "b.csv", truth[:-1], good.classes[0, :-1])
    with pytest.raises(InputError, match=r"b\.csv: the predictions are of other test events"):
        read_predictions([tmp_path / "a.csv", tmp_path / "b.csv"])
    (tmp_path / "c.csv").write_text("x,y\n1,2\n")
    for name in ("c.csv", "none.csv"):
        with pytest.raises(InputError, match=f"{name}: the table is not one of predictions"):
            read_predictions([tmp_path / name])

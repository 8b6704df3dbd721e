"""The study behind Table 2: its rows, cells, tables, claims and figures."""

import csv
from collections import Counter
from dataclasses import replace
from itertools import chain
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from glitchvae_recipe_table2_dsprites import table2
from glitchvae_recipe_table2_dsprites.budget import Cost, measure_cost, within_budget
from glitchvae_recipe_table2_dsprites.study import run_study
from glitchvae_recipe_table2_dsprites.table2 import (
    ROWS,
    Cell,
    Result,
    StudySettings,
    describe,
    done_in,
    groups_of,
    is_done,
)
from glitchvae_recipe_table2_dsprites.verdicts import (
    METRICS,
    above_the_line,
    judge_claims,
    match_by_rate,
    openings,
    order_of_opening,
    over_seeds,
    published_values,
    ranks,
    summarise,
)
from pyarrow import parquet

from glitchvae.checkpoint import read_card
from glitchvae.config import parse, read_toml
from glitchvae.errors import ConfigError, DivergenceError, InputError
from glitchvae.validation.disentanglement import Protocol, Score
from glitchvae.validation.images.factors import FactorData, grid_of

SETTINGS = StudySettings(
    steps=4,
    seeds=1,
    batch_size=4,
    learning_rate=1e-3,
    latent_size=3,
    points=100,
    kept=10,
    objectives=("annealed",),
    partners=True,
    figure2=False,
    protocol=Protocol(train=60, test=40, batch=4, rounds=1, groups=4, refits=0),
)
BY_NAME = {row.name: row for row in ROWS}
NO_ORDERS: dict[Cell, float] = {}


@pytest.fixture(scope="module")
def squares():
    """Bright squares of 3 sizes at 5 x 8 places of 32 x 32 pixels."""
    sizes = (3, 5, 8)
    factors = grid_of(sizes)
    pixels = np.zeros((len(factors), 1, 32, 32), np.uint8)
    for image, (size, x, y) in zip(pixels, factors, strict=True):
        image[0, 2 + 3 * y :, 2 + 5 * x :][: 3 + size, : 3 + size] = 255
    return FactorData(
        name="squares",
        pixels=pixels,
        binary=False,
        factors=factors,
        names=("size", "x", "y"),
        values=tuple(np.arange(float(n)) for n in sizes),
        description="squares",
    )


def test_the_rows_are_those_of_the_paper():
    assert len(ROWS) == len(BY_NAME) == 21
    strengths = {}
    for row in ROWS:
        strengths.setdefault(row.objective, []).append(row.value)
    assert strengths == {
        "beta": [1, 4, 16],
        "annealed": [5, 25, 50],
        "bottleneck": [5, 25, 100],
        "factor": [10, 30, 100],
        "tc": [1, 4, 10],
        "dip-i": [1, 5, 50],
        "dip-ii": [1, 5, 50],
    }


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_every_row_is_a_training_with_its_weights(row):
    config = StudySettings(steps=300_000).config(row, 2, (1, 64, 64))
    settings = config.objective.model_dump()
    assert settings["name"] == row.objective
    assert settings[row.parameter] == row.value
    assert (config.learning_rate, config.learning_rate_schedule) == (1e-4, "constant")
    assert (config.batch_size, config.seed) == (64, 2)
    if row.ramp:
        assert settings["iteration_threshold"] == 100_000
        assert row.settings(3000)["iteration_threshold"] == 1000


@pytest.fixture(scope="module")
def study(squares, tmp_path_factory):
    out = tmp_path_factory.mktemp("study")
    told, updates = [], []
    run_study(SETTINGS, squares, out, report=told.append, progress=updates.append)
    assert sum(updates) == SETTINGS.models * SETTINGS.steps
    return out, told


def test_a_study_writes_tables_codes_and_figures(study):
    out, told = study
    assert len(told) == 6
    assert told[-1].startswith("6 of 6: partner-of-annealed-50, seed 0")
    with (out / "table2.csv").open() as file:
        lines = list(csv.DictReader(file))
    assert {line["row"] for line in lines} == {row.name for row in SETTINGS.rows()}
    of_dimensions = {name for line in lines if (name := line["metric"]).startswith("kl_")}
    assert of_dimensions == {"kl_1", "kl_2", "kl_3"}
    assert {"mig", "elbo", "rate"} <= {line["metric"] for line in lines}
    assert all(line["n"] == "1" for line in lines)
    beside = {(x["row"], x["metric"]): x for x in lines if x["verdict"]}
    assert len(beside) == 3 * 6  # each published value once
    assert {x["verdict"] for x in beside.values()} == {"cannot be judged: 1 seed"}
    assert float(beside["annealed-50", "dci_disentanglement_exact"]["published"]) == 0.397
    with (out / "ranks.csv").open() as file:
        assert [x["metric"] for x in csv.DictReader(file)] == list(METRICS)
    codes = parquet.read_table(out / "codes.parquet")
    assert codes.num_rows == 3 * 10
    assert {"row", "seed", "size", "x", "y", "z_1", "z_2", "z_3"} == set(codes.column_names)
    for name in ("rd", "elbo", "reconstruction", "kl", "traversals-annealed-5"):
        assert (out / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    assert (out / "claims.md").read_text(encoding="utf-8").count("\n") == 2 + 6
    with (out / "shortfalls.csv").open() as file:
        short = {(x["row"], x["shortfall"].split(":")[0]) for x in csv.DictReader(file)}
    assert ("annealed-5", "collapsed") in short or ("annealed-5", "the code is not used") in short
    with (out / "scores.csv").open() as file:
        scored = {line["row"] for line in csv.DictReader(file)}
    assert scored == {row.name for row in SETTINGS.rows()} | {
        f"partner-of-{row.name}" for row in SETTINGS.rows()
    }


def test_a_partner_has_the_rate_of_its_model_as_capacity(study):
    out, _ = study
    cells = list(chain.from_iterable(groups_of(SETTINGS, out)))
    assert [cell.row.partner_of for cell in cells[1::2]] == [c.row.name for c in cells[::2]]
    for model, partner in zip(cells[::2], cells[1::2], strict=True):
        with (model.folder(out) / "scores.csv").open() as file:
            (rate,) = (x["value"] for x in csv.DictReader(file) if x["metric"] == "rate")
        settings = read_card(partner.folder(out)).objective
        assert (settings["name"], settings["capacity"]) == ("bottleneck", float(rate))
        assert partner.seed == model.seed


def test_a_study_goes_on_where_it_was(study, squares):
    out, _ = study
    (first,), *_, (last,) = groups_of(SETTINGS, out)
    kept = (first.folder(out) / "scores.csv").stat().st_mtime_ns
    lost = last.folder(out) / "scores.csv"
    assert done_in(SETTINGS, out) == 6
    before = lost.read_text()
    lost.unlink()
    assert [is_done(cell, out) for cell in (first, last)] == [True, False]
    assert done_in(SETTINGS, out) == 5
    told = []
    run_study(SETTINGS, squares, out, report=told.append)
    assert told == ["6 of 6: partner-of-annealed-50, seed 0; 0 min left"]
    assert (first.folder(out) / "scores.csv").stat().st_mtime_ns == kept
    assert lost.read_text() == before


@pytest.mark.whole
def test_seeds_of_a_row_can_be_trained_together(squares, tmp_path):
    settings = SETTINGS.model_copy(update={"ensembles": True, "seeds": 2})
    told, updates = [], []
    run_study(settings, squares, tmp_path, report=told.append, progress=updates.append)
    assert told[1].startswith("4 of 12: partner-of-annealed-5, seed 0, 1; ")
    assert sum(updates) == settings.models * settings.steps
    groups = list(groups_of(settings, tmp_path))
    assert [[cell.seed for cell in cells] for cells in groups] == [[0, 1]] * 6
    capacities = {cell.row.value for cells in groups[1::2] for cell in cells}
    assert len(capacities) == 6  # each partner has that of its own model
    for row, seed in chain.from_iterable(groups):
        card = read_card(Cell(row, seed).folder(tmp_path))
        assert (card.seed, card.objective[row.parameter]) == (seed, row.value)


@pytest.mark.whole
def test_seeds_that_were_begun_alone_go_on_alone(squares, tmp_path):
    settings = SETTINGS.model_copy(update={"partners": False})
    run_study(settings, squares, tmp_path)
    alone = tmp_path / "cells" / "annealed-5" / "seed-0" / "weights.safetensors"
    before = alone.read_bytes()
    more = settings.model_copy(update={"ensembles": True, "seeds": 2})
    run_study(more, squares, tmp_path)
    assert alone.read_bytes() == before
    assert all(is_done(cell, tmp_path) for cells in groups_of(more, tmp_path) for cell in cells)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("objectives", ["anealed"], "no objective 'anealed' in the table.*'annealed'"),
        ("changes", {"bottlenek": {"gamma": 5}}, "did you mean 'bottleneck'"),
        ("changes", {"bottleneck": {"gama": 5}}, "changes.bottleneck.*did you mean 'gamma'"),
    ],
)
def test_misspelt_objectives_are_refused(key, value, message):
    with pytest.raises(ConfigError, match=message):
        parse(StudySettings, {key: value})


def test_objectives_are_changed_where_the_study_says_so():
    settings = StudySettings(changes={"bottleneck": {"gamma": 5.0}})
    objective = settings.config(BY_NAME["bottleneck-25"], 0, (1, 64, 64)).objective.model_dump()
    assert (objective["gamma"], objective["capacity"]) == (5.0, 25.0)
    assert settings.config(BY_NAME["factor-10"], 0, (1, 64, 64)).objective.gamma == 10


def test_a_budget_takes_steps_and_then_seeds():
    wanted = StudySettings(steps=10_000, seeds=3)
    cost = Cost(update=0.36, scoring=720.0)
    assert within_budget(wanted, cost, cost.hours(wanted)) == wanted
    fewer = within_budget(wanted, cost, 1.8)
    assert (fewer.seeds, fewer.steps) == (3, pytest.approx(4000, abs=1))
    assert cost.hours(fewer) == pytest.approx(1.8, rel=1e-3)
    assert fewer.learning_rate == pytest.approx(1e-4 * (10_000 / fewer.steps) ** 0.5)
    slowest = within_budget(StudySettings(steps=300_000, seeds=1), cost, 0.3)
    assert slowest.learning_rate == pytest.approx(1e-3, rel=0.01)
    assert within_budget(StudySettings(steps=900_000, seeds=1), cost, 0.3).learning_rate == 1e-3
    fast = StudySettings(steps=10_000, seeds=1, learning_rate=5e-3)
    assert within_budget(fast, cost, 0.3).learning_rate == 5e-3
    one = within_budget(wanted, cost, 0.4)
    assert (one.seeds, one.steps) == (1, pytest.approx(2000, abs=1))
    assert within_budget(wanted, cost, 0.21).steps == pytest.approx(100, abs=1)
    with pytest.raises(ConfigError, match=r"too small.*more than 0\.2 h.*found 0\.1 h"):
        within_budget(wanted, cost, 0.1)


def test_the_cost_of_a_study_is_measured(squares):
    cost = measure_cost(SETTINGS, squares)
    assert min(cost) > 0


def test_the_cost_of_a_study_counts_every_model(squares, monkeypatch):
    budget = "glitchvae_recipe_table2_dsprites.budget."
    monkeypatch.setattr(budget + "plan", lambda *_, **__: SimpleNamespace(seconds_per_step=0.5))
    monkeypatch.setattr(budget + "_seconds_of_scoring", lambda *_: 2.0)
    assert SETTINGS.models == 6
    assert measure_cost(SETTINGS, squares) == Cost(update=6 * 0.5, scoring=6 * 2.0)
    alone = SETTINGS.model_copy(update={"partners": False, "seeds": 4})
    assert measure_cost(alone, squares) == Cost(update=3 * 0.5, scoring=3 * 2.0)
    assert "3 rows x 1 seeds (6 models)" in describe(SETTINGS)


def result(name, seed, metric, value, representation="mean"):
    nan = float("nan")
    return Result(Cell(BY_NAME[name], seed), Score(metric, representation, value, nan, nan, 0.5))


def test_a_published_value_is_consistent_where_one_more_training_may_lie():
    results = [result("beta-4", seed, "mig", 0.1 * seed) for seed in range(5)]
    key = ("beta-4", "mig")
    (line,), compared, _ = summarise(results, {key: 0.55})
    assert (line.median, line.lower, line.upper, line.n) == pytest.approx((0.2, 0.1, 0.3, 5))
    # Student's t of 4 degrees of freedom at 95 %: 2.132; s = 0.158.
    reach = 2.13185 * 0.158114 * 1.2**0.5
    assert (line.low, line.high) == pytest.approx((0.2 - reach, 0.2 + reach), abs=1e-5)
    assert (line.noise, line.published, line.verdict) == (0.5, 0.55, "consistent")
    assert list(compared) == [key]

    def verdict(results, published, **settings):
        return summarise(results, {key: published}, **settings).lines[0].verdict

    assert verdict(results, 0.9) == "not consistent"
    assert verdict(results, 0.55, reduced=True) == "reduced: rank only"
    assert verdict(results[:4], 0.55) == "cannot be judged: 4 seeds"
    assert summarise(results).lines[0].verdict == ""


def test_every_published_value_is_beside_ours_or_says_that_it_has_none():
    published = published_values(ROWS)
    assert len(published) == 21 * 6
    results = [result("beta-4", seed, "mig", 0.1 * seed) for seed in range(5)]
    lines, compared, _ = summarise(results, published)
    assert len(lines) == 1
    assert list(compared) == list(published)
    verdicts = Counter(one.verdict for one in compared.values())
    assert verdicts == {"consistent": 1, "cannot be judged: 0 seeds": 125}


def test_dci_is_judged_of_the_learner_of_the_published_column():
    key = ("beta-4", "dci_disentanglement")
    other = [result("beta-4", seed, key[1], 0.1 * seed) for seed in range(5)]
    table = summarise(other, {key: 0.2})
    assert table.other_learner
    assert table.lines[0].verdict == "cannot be judged: DCI of another learner"
    same = [result("beta-4", seed, f"{key[1]}_exact", 0.1 * seed) for seed in range(5)]
    lines = {x.metric: x for x in summarise([*other, *same], {key: 0.2}).lines}
    assert lines[f"{key[1]}_exact"].verdict == "consistent"
    assert (lines[key[1]].verdict, np.isnan(lines[key[1]].published)) == ("", True)


def test_ranks_are_spearmans_over_different_rows_that_trained():
    from scipy.stats import spearmanr

    published = published_values(ROWS)
    ours = {row.name: published[row.name, "mig"] ** 2 for row in ROWS}
    ours["beta-4"], ours["factor-10"] = 0.9, 0.0
    results = [
        result(name, seed, "mig", value + 0.001 * seed)
        for name, value in ours.items()
        for seed in range(5)
    ]
    short = {Cell(BY_NAME["dip-i-5"], 2): ("collapsed",)}
    found = {x.metric: x for x in ranks(summarise(results, published, short).compared)}
    rank = found["mig"]
    kept = [name for name in ours if name not in ("tc-1", "dip-i-5")]  # tc-1 repeats beta-1
    expected = spearmanr([ours[n] for n in kept], [published[n, "mig"] for n in kept])
    assert rank.value == pytest.approx(expected.statistic)
    assert (rank.rows, rank.n, rank.left_out) == (19, 5, "dip-i-5")
    assert rank.verdict == "the same order"
    assert found["sap"].verdict == "cannot be judged: 0 seeds"


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"beta-5": {"mig": 0.1}}, r"no such row.*did you mean 'beta-4'.*beta-5"),
        ({"beta-4": {"migg": 0.1}}, r"beta-4: no such metric.*did you mean 'mig'.*migg"),
    ],
)
def test_published_values_are_of_rows_and_metrics_there_are(table, message, squares, tmp_path):
    with pytest.raises(InputError, match=message):
        published_values(ROWS, table)
    with pytest.raises(InputError, match=message):
        run_study(
            SETTINGS.model_copy(update={"objectives": ()}), squares, tmp_path, published=table
        )
    assert list(tmp_path.iterdir()) == []


def test_values_of_a_settings_file_replace_the_papers():
    values = published_values(ROWS, {"beta-4": {"mig": 0.5}})
    assert (values["beta-4", "mig"], values["beta-4", "sap"]) == (0.5, 0.028)
    assert values["tc-1", "mig"] == values["beta-1", "mig"] == 0.072


def test_a_study_of_other_settings_is_refused(study, squares):
    out, _ = study
    for name, value in (("learning_rate", 1e-2), ("points", 110), ("latent_size", 4)):
        other = SETTINGS.model_copy(update={name: value})
        with pytest.raises(InputError, match=f"with other settings: {name}"):
            run_study(other, squares, out)
    (out / "settings.toml").rename(out / "hidden")  # a study that is older than this file
    try:
        with pytest.raises(InputError, match=r"annealed-5.seed-0: .*other settings: learning_rate"):
            run_study(SETTINGS.model_copy(update={"learning_rate": 1e-2}), squares, out)
    finally:
        (out / "hidden").rename(out / "settings.toml")


@pytest.mark.whole
def test_a_seed_that_fails_is_set_aside_and_named(squares, tmp_path, monkeypatch):
    train = table2.train

    def diverges(data, config, run, **options):
        if config.seed == 1 and "annealed-25" in str(run) and "partner" not in str(run):
            raise DivergenceError("the loss is not finite at step 3", where=run)
        return train(data, config, run, **options)

    monkeypatch.setattr(table2, "train", diverges)
    told = []
    settings = SETTINGS.model_copy(update={"seeds": 2})
    run_study(settings, squares, tmp_path, report=told.append)
    assert sum(x.startswith("set aside: annealed-25, seed 1: ") for x in told) == 1
    with (tmp_path / "failed.csv").open() as file:
        (failed,) = csv.DictReader(file)
    assert (failed["row"], failed["seed"]) == ("annealed-25", "1")
    assert "not finite at step 3" in failed["failure"]
    with (tmp_path / "table2.csv").open() as file:
        counted = {x["row"]: x["n"] for x in csv.DictReader(file)}
    assert counted == {"annealed-5": "2", "annealed-25": "1", "annealed-50": "2"}
    monkeypatch.setattr(table2, "train", None)  # nothing is left to be trained
    run_study(settings, squares, tmp_path)


def test_a_loss_that_is_no_number_is_a_failure_of_its_training(squares, tmp_path):
    settings = SETTINGS.model_copy(
        update={"learning_rate": 1e30, "partners": False, "objectives": ("beta",)}
    )
    told = []
    run_study(settings, squares, tmp_path, report=told.append)
    assert all("the loss is not finite" in x for x in told)
    assert len(told) == 3


def test_what_is_not_as_in_the_reference_study_is_named():
    assert StudySettings(seeds=7, objectives=("beta",), exact_dci=False).reductions() == ()
    reduced = StudySettings(steps=100, protocol=Protocol(rounds=20)).reductions()
    assert reduced == (
        "steps 100 instead of 300000",
        "protocol {'rounds': 20} instead of none",
    )


def models(seeds, advantage, rate=10.0, spread=0.0):
    """Annealed models that reconstruct better than Bottleneck's by `advantage`."""
    for seed in range(seeds):
        for name, gain in (("annealed-25", advantage + spread * seed), ("bottleneck-25", 0.0)):
            yield result(name, seed, "rate", rate + 0.1 * gain, "")
            yield result(name, seed, "reconstruction", 50 + seed - gain, "")
            yield result(name, seed, "elbo", -60 - seed + gain, "")
            yield result(name, seed, "mig", 0.2 + 0.01 * seed)
            yield result(name, seed, "dci_disentanglement", 0.2 + 0.01 * seed)


def verdicts(results):
    rows = [r for r in results if r.cell.row.objective == "bottleneck" or r.score.metric]
    return [c.verdict for c in judge_claims(rows, NO_ORDERS)[:4]]


def test_claims_hold_fail_or_cannot_be_judged():
    unknown = "cannot be judged"
    better = list(models(5, 3.0, spread=0.1))
    assert verdicts(better) == ["confirmed"] * 4
    worse = list(models(5, -3.0, spread=0.1))
    assert verdicts(worse)[:2] == ["contradicted"] * 2
    assert verdicts(list(models(2, 3.0))) == [unknown] * 4
    apart = [r for r in better if r.cell.row.objective == "annealed"]
    apart += [r for r in models(5, 0.0, rate=30.0) if r.cell.row.objective == "bottleneck"]
    assert verdicts(apart) == [unknown] * 4


def test_a_claim_about_a_training_that_fell_short_cannot_be_judged():
    better = list(models(5, 3.0, spread=0.1))
    orders = {cell: 0.9 + 0.01 * cell.seed for cell, _ in better}
    assert [claim.verdict for claim in judge_claims(better, orders)] == ["confirmed"] * 6
    for name, withheld in (("annealed-25", 6), ("bottleneck-25", 5), ("beta-4", 0)):
        short = {Cell(BY_NAME[name], 2): ("collapsed",)}
        found = judge_claims(better, orders, short)
        assert [c.verdict for c in found].count("cannot be judged") == withheld
        assert sum(f"{name} (seed 2)" in c.fell_short for c in found) == withheld


def test_an_annealed_model_that_collapsed_counts_though_it_has_no_partner():
    lost = Cell(BY_NAME["annealed-5"], 0)
    results = [*models(5, 3.0, spread=0.1), result("annealed-5", 0, "rate", 0.0, "")]
    assert judge_claims(results, NO_ORDERS)[0].verdict == "confirmed"
    assert judge_claims(results, NO_ORDERS, {lost: ("collapsed",)})[0].verdict == "cannot be judged"


def test_a_row_with_a_training_that_fell_short_is_not_compared_with_published_values():
    results = [result("beta-4", seed, "mig", 0.1 * seed) for seed in range(5)]
    short = {Cell(BY_NAME["beta-4"], 3): ("collapsed",)}
    (line,) = summarise(results, {("beta-4", "mig"): 0.9}, short).lines
    assert line.verdict == "cannot be judged: 1 of 5 trainings fell short"
    assert line.fell_short == 1


def test_models_of_one_seed_count_once():
    twice = list(models(5, 3.0, spread=0.1))
    twice += [
        Result(Cell(BY_NAME[cell.row.name.replace("25", "5")], cell.seed), score)
        for cell, score in twice
    ]
    once = judge_claims(list(models(5, 3.0, spread=0.1)), NO_ORDERS)[0]
    assert len(twice) == 2 * len(list(models(5, 3.0)))
    assert judge_claims(twice, NO_ORDERS)[0] == once
    assert len(once.found.seeds) == 5


def test_a_partner_is_matched_before_a_model_with_a_nearer_rate():
    partner = replace(BY_NAME["bottleneck-25"], value=9.8, partner_of="annealed-25")
    values = {
        (Cell(BY_NAME["annealed-25"], 0), "rate"): 10.0,
        (Cell(BY_NAME["bottleneck-25"], 0), "rate"): 10.0,
        (Cell(partner, 0), "rate"): 9.8,
    }
    ((_, theirs),) = match_by_rate(values)
    assert theirs.row == partner
    values[Cell(partner, 0), "rate"] = 2.0  # it missed the rate
    ((_, theirs),) = match_by_rate(values)
    assert theirs.row.name == "bottleneck-25"


def test_the_line_of_the_elbo_is_of_the_best_models_of_a_seed():
    values = {
        (Cell(BY_NAME[name], seed), "elbo"): value
        for name, seed, value in (
            ("annealed-5", 0, -45.0),
            ("annealed-50", 0, -40.0),
            ("bottleneck-5", 0, -50.0),
            ("bottleneck-25", 0, -43.0),
            ("annealed-5", 1, -41.0),
            ("bottleneck-5", 1, -40.5),
            ("annealed-5", 2, -41.0),
            ("beta-4", 2, -10.0),
        )
    }
    assert above_the_line(values) == [(0, 3.0), (1, -0.5)]


def test_figure_2_has_a_model_of_its_own_that_is_no_row():
    settings = SETTINGS.model_copy(update={"figure2": True})
    *rows, last = settings.rows()
    assert tuple(rows) == SETTINGS.rows()
    config = settings.config(last, 0, (1, 64, 64)).objective
    assert (config.beta0, config.iteration_threshold) == (100, 1)  # a third of four updates
    assert settings.models == SETTINGS.models + 1  # it has no partner
    assert not any(row.objective == "annealed" for row in StudySettings(objectives=("tc",)).rows())
    results = list(models(5, 3.0, spread=0.1))
    more = [*results, *(Result(Cell(last, c.seed), s._replace(value=9e9)) for c, s in results)]
    assert judge_claims(more, NO_ORDERS) == judge_claims(results, NO_ORDERS)


def test_models_are_matched_by_rate_within_a_seed():
    values = {}
    for name, rate in (("annealed-25", 10.0), ("bottleneck-5", 5.0), ("bottleneck-25", 11.0)):
        values[Cell(BY_NAME[name], 0), "rate"] = rate
    values[Cell(BY_NAME["bottleneck-100"], 1), "rate"] = 10.0
    ((ours, theirs),) = match_by_rate(values)
    assert (ours.row.name, theirs.row.name) == ("annealed-25", "bottleneck-25")


def test_a_difference_has_students_interval(rng):
    from scipy.stats import ttest_1samp

    x = rng.normal(size=12)
    expected = ttest_1samp(x, 0).confidence_interval(0.9)
    found = over_seeds(list(enumerate(x)))
    assert found.interval == pytest.approx((expected.low, expected.high))
    assert found.value == pytest.approx(x.mean())
    assert over_seeds([(0, 1.0)]).interval == (-np.inf, np.inf)
    assert over_seeds([]) is None


def write_log(run, opening, final):
    run.mkdir()
    with (run / "log.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["step", *(f"kl_{d + 1}" for d in range(len(final)))])
        for step in range(100):
            kl = [v * min(max(step - o, 0) / 20, 1) for o, v in zip(opening, final, strict=True)]
            rows.writerow([step, *(kl if step > 2 else [9.0] * len(kl))])  # large at the start
    return run


def test_the_order_of_opening_is_read_from_the_log(tmp_path):
    in_order = write_log(tmp_path / "a", (5, 20, 40, 60), (4, 3, 2, 0.1))
    assert order_of_opening(in_order) == pytest.approx(1)
    steps, final = openings(in_order)
    assert steps == pytest.approx([8, 24, 46, np.nan], nan_ok=True)
    assert final == pytest.approx([4, 3, 2, 0.1])
    reverse = write_log(tmp_path / "b", (5, 20, 40, 60), (2, 3, 4, 0.1))
    assert order_of_opening(reverse) == pytest.approx(-1)
    assert np.isnan(order_of_opening(write_log(tmp_path / "c", (5, 20, 40), (2, 3, 0.1))))
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "log.csv").write_text("step,loss\n1,2\n")
    with pytest.raises(InputError, match="no KL of single dimensions; expected columns kl_1, "):
        order_of_opening(tmp_path / "d")


def test_the_published_results_are_those_of_the_study_beside_them():
    folder = Path(__file__).parents[3] / "docs" / "results" / "table2"
    settings = parse(StudySettings, read_toml(folder / "study.toml")["study"])
    with (folder / "scores.csv").open() as file:
        scores = list(csv.DictReader(file))
    assert {int(x["steps"]) for x in scores} == {settings.steps}
    models = {(x["row"], int(x["seed"])) for x in scores}
    partners = {row for row, _ in models if row.startswith("partner-of-")}
    assert {row for row, _ in models} - partners == set(BY_NAME)
    assert all(seed < settings.seeds for _, seed in models)
    with (folder / "table2.csv").open() as file:
        counted = {x["row"]: int(x["n"]) for x in csv.DictReader(file)}
    assert counted == Counter(row for row, _ in models if row not in partners)
    codes = parquet.read_table(folder / "codes.parquet")
    assert codes.num_rows == settings.kept * sum(counted.values())


def test_the_published_results_have_one_model_under_two_names():
    folder = Path(__file__).parents[3] / "docs" / "results" / "table2"
    with (folder / "scores.csv").open() as file:
        values = {(x["row"], x["seed"], x["metric"]): x["value"] for x in csv.DictReader(file)}
    twice = [(seed, metric) for row, seed, metric in values if row == "tc-1"]
    assert twice
    assert all(values["tc-1", *key] == values["beta-1", *key] for key in twice)

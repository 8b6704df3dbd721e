"""Fine-tuning by fold: rehearsed, resumed, and blind to the fold that is named."""

import csv
import dataclasses
from contextlib import redirect_stderr, redirect_stdout
from importlib import import_module
from io import StringIO
from pathlib import Path

import numpy as np
import pytest

from glitchvae.checkpoint import load_checkpoint
from glitchvae.config import read_toml
from glitchvae.probes import encode_data
from glitchvae.recipes import (
    find_recipe,
    load_main,
    load_recipe,
    read_settings,
    run_recipe,
)
from glitchvae.shapes import VIEWS
from glitchvae.store import digest
from glitchvae.training import Augmentation, changed_config, read_training_data

# A rehearsal has as many classes as half of its events, which scikit-learn finds odd.
pytestmark = pytest.mark.filterwarnings("ignore:The number of unique classes")


def rehearse(folder):
    with redirect_stdout(StringIO()) as told, redirect_stderr(StringIO()) as said:
        run_recipe(find_recipe("real_event_folds"), folder, tiny=True)
    return told.getvalue(), said.getvalue()


@pytest.fixture(scope="module")
def rehearsed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rehearsal")
    return folder, *rehearse(folder)


def rows_of(path):
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.mark.whole
def test_every_event_is_named_once_by_every_method(rehearsed):
    folder, _, _ = rehearsed
    rows = rows_of(folder / "named.csv")
    assert len({row["event_id"] for row in rows}) == len(rows) == 48
    assert {row["fold"] for row in rows} == {"0", "1"}
    methods = [name for name in rows[0] if name.startswith(("codes", "pixels"))]
    assert len(methods) == 4 * 6  # codes and three of pixels; true, zoomed, four views alone
    assert all(row[name] for row in rows for name in methods)


@pytest.mark.whole
def test_bars_are_those_of_the_names(rehearsed):
    folder, _, _ = rehearsed
    rows = rows_of(folder / "named.csv")
    bars = {(row["what"], row["measure"]): row for row in rows_of(folder / "bars.csv")}
    for method in ("codes, true views", "pixels, nearest neighbour, 2 s alone"):
        bar = bars[f"{method}, real.h5", "accuracy"]
        share = np.mean([row[method] == row["label"] for row in rows])
        assert float(bar["value"]) == pytest.approx(share)
        assert float(bar["lowest"]) <= share <= float(bar["highest"])
        assert float(bars[f"{method}, real.h5", "log-loss"]["value"]) > 0
    ahead = float(
        bars["codes against the best pixels, true views, real.h5", "points ahead"]["value"]
    )
    ours = [row["codes, true views"] == row["label"] for row in rows]
    theirs = [
        np.mean([row[f"{method}, true views"] == row["label"] for row in rows])
        for method in (
            "pixels, nearest neighbour",
            "pixels, logistic regression",
            "pixels, 32 components",
        )
    ]
    assert ahead == pytest.approx(100 * (np.mean(ours) - max(theirs)))


@pytest.mark.whole
def test_the_shipped_head_has_a_real_background_and_a_card_of_its_sets(rehearsed):
    folder, _, _ = rehearsed
    shipped = load_checkpoint(folder / "all")
    rows = rows_of(folder / "named.csv")
    assert shipped.prototypes.background_events_real == 48
    distances = sorted(float(row["distance"]) for row in rows)
    np.testing.assert_allclose(shipped.prototypes.known_distances, distances)
    assert shipped.prototypes.slopes.shape == (4, len(shipped.prototypes.names))
    (real,) = shipped.card.real_sets
    assert set(real.ids) == {row["event_id"] for row in rows}
    assert real.digest == digest(folder / "real.h5")
    assert shipped.card.started_from == load_checkpoint(folder / "start").card.weights_digest
    measures = {figure.measure for figure in shipped.card.real_figures}
    assert {"accuracy", "log-loss", "Brier score"} <= measures


@pytest.mark.whole
def test_each_fold_has_a_model_of_its_own_that_did_not_see_it(rehearsed):
    folder, _, said = rehearsed
    cards = {name: load_checkpoint(folder / name).card for name in ("fold-0", "fold-1", "all")}
    assert len({card.weights_digest for card in cards.values()}) == 3
    rows = rows_of(folder / "named.csv")
    taught = {name: cards["all"].data.events - card.data.events for name, card in cards.items()}
    assert taught["fold-0"] == sum(row["fold"] == "0" for row in rows)
    assert taught["fold-1"] == sum(row["fold"] == "1" for row in rows)
    assert said.count("fine-tuning") == 3


@pytest.mark.whole
def test_what_is_there_is_not_trained_again(rehearsed):
    folder, told, _ = rehearsed
    again, said = rehearse(folder)
    assert again == told
    assert "fine-tuning" not in said


@pytest.mark.whole
def test_a_file_without_a_share_is_named_and_teaches_nobody(rehearsed, tmp_path):
    folder, _, _ = rehearsed
    recipe = find_recipe("real_event_folds")
    other = tmp_path / "other.h5"
    other.write_bytes((folder / "real.h5").read_bytes())
    changes = [
        f'model = "{folder / "start"}"',
        f'simulated = ["{folder / "simulated.h5"}"]',
        f'real = [{{events = "{folder / "real.h5"}", share = 0.3}}, {{events = "{other}"}}]',
        "folds = 2",
        "block = 512.0",
        "training.steps = 2",
        "training.batch_size = 8",
    ]
    with redirect_stdout(StringIO()), redirect_stderr(StringIO()):
        run_recipe(recipe, tmp_path / "out", changes=changes)
    rows = rows_of(tmp_path / "out" / "named.csv")
    assert [row["source"] for row in rows] == ["real.h5"] * 48 + ["other.h5"] * 48
    whole = load_checkpoint(folder / "all").card.data.events
    assert load_checkpoint(tmp_path / "out" / "all").card.data.events == whole
    assert {row["fold"] for row in rows[48:]} == {"-1"}
    # They are named by the model of all that teach, and by the head it ships with.
    shipped = load_checkpoint(tmp_path / "out" / "all")
    data = read_training_data([other], shape=(35, 42))
    named = shipped.prototypes.classify(encode_data(shipped, data)).class_name
    assert [row["codes, true views"] for row in rows[48:]] == named.tolist()
    assert shipped.prototypes.background_events_real == 48


@pytest.mark.whole
def test_a_held_out_class_is_seen_by_nobody_and_looked_for_in_every_fold(rehearsed, tmp_path):
    folder, _, _ = rehearsed
    everything = rows_of(folder / "named.csv")
    held = "Blip"
    changes = [
        f'model = "{folder / "start"}"',
        f'simulated = ["{folder / "simulated.h5"}"]',
        f'real = [{{events = "{folder / "real.h5"}", share = 0.3}}]',
        f'without = ["{held}"]',
        "folds = 2",
        "block = 512.0",
        "training.steps = 2",
        "training.batch_size = 8",
    ]
    with redirect_stdout(StringIO()), redirect_stderr(StringIO()):
        run_recipe(find_recipe("real_event_folds"), tmp_path / "out", changes=changes)
    rows = rows_of(tmp_path / "out" / "named.csv")
    own = [row for row in rows if row["label"] == held]
    assert len(own) == sum(row["label"] == held for row in everything) > 0
    assert {row["fold"] for row in own} == {"-1"}
    assert all(row["codes, true views"] != held for row in rows)
    simulated = read_training_data([folder / "simulated.h5"], shape=(35, 42))
    others = simulated.labels[simulated.rows("train", "")] != held
    whole = load_checkpoint(tmp_path / "out" / "all")
    assert whole.card.data.events == others.sum() + len(rows) - len(own)
    assert held not in whole.prototypes.names
    found = rows_of(tmp_path / "out" / "found.csv")
    by_fold = [sum(row["fold"] == str(fold) for row in rows) + len(own) for fold in (0, 1)]
    assert {(row["fold"], row["events"]) for row in found} == {
        (str(fold), str(count)) for fold, count in enumerate(by_fold)
    }


@pytest.mark.parametrize("name", ["without_o3_labels.toml", "locked.toml"])
def test_the_settings_of_the_end_differ_in_the_events_alone(name):
    recipe = find_recipe("real_event_folds")
    usual = read_settings(recipe.config, recipe.place)
    other = read_settings(recipe.place / name, recipe.place)
    assert {key for key in usual if usual[key] != other[key]} == {"real"}
    o3 = [each for each in other["real"] if "o3" in each["events"]]
    assert "share" not in o3[-1]


def test_the_shipped_settings_are_valid():
    recipe = find_recipe("real_event_folds")
    values = read_toml(recipe.config)
    settings = load_main(recipe).__globals__["FoldSettings"].model_validate(values)
    assert sum(each.share for each in settings.real) < 1
    training = changed_config(dict(settings.training), {})
    assert training.augmentation.zoomed_views >= 0.3


@pytest.mark.whole
def test_variations_keep_what_they_name(rehearsed):
    module = import_module(load_recipe(find_recipe("real_event_folds")).__name__ + ".real_events")
    settings = module.RealSettings(events=str(rehearsed[0] / "real.h5"), share=0.3)
    real = module.read_real_events([settings], Path(), folds=2, block=512.0, seed=0)
    found = dict(real.variations())
    true = found["true views"]
    assert list(found) == ["true views", "zoomed views", *(f"{v:g} s alone" for v in VIEWS)]
    for number, view in enumerate(VIEWS):
        alone = found[f"{view:g} s alone"]
        np.testing.assert_array_equal(alone[:, number], true[:, number])
        others = np.delete(alone, number, axis=1)
        np.testing.assert_array_equal(np.isnan(others), np.isnan(np.delete(true, number, axis=1)))
        assert np.nansum(np.abs(others)) == 0
    zoomed = found["zoomed views"]
    np.testing.assert_allclose(zoomed[:, -1], true[:, -1], atol=0.06)


@pytest.mark.whole
def test_few_real_events_of_a_class_name_the_others(rehearsed):
    package = load_recipe(find_recipe("real_event_folds")).__name__
    shots, events, teaching = (
        import_module(f"{package}.{name}") for name in ("shots", "real_events", "teaching")
    )
    folder = rehearsed[0]
    settings = events.RealSettings(events=str(folder / "real.h5"), share=0.3)
    real = events.read_real_events([settings], Path(), folds=2, block=512.0, seed=0)
    # Two made-up classes: one is bright below the middle, the other above it.
    label = np.where(np.arange(48) % 2 == 0, "Blip", "Whistle").astype(object)
    images = np.zeros_like(real.images.images)
    images[label == "Blip", :, :70] = 20.0
    images[label == "Whistle", :, 70:] = 20.0
    real = dataclasses.replace(
        real, images=dataclasses.replace(real.images, images=images, label=label)
    )
    simulated = read_training_data([folder / "simulated.h5"], shape=(35, 42))
    teachers = teaching.choose_teachers(simulated, Augmentation(), count=40, copies=0, seed=0)
    start = load_checkpoint(folder / "start")
    found = list(shots.name_by_shots(start, teachers, real, seed=0, sizes=(2,), draws=3))
    assert [row[1] for row in found] == ["accuracy", "Blip", "Whistle"] * 3
    assert all(row[2:] == (1.0, 1.0, 1.0) for row in found if row[0].startswith("pixels"))

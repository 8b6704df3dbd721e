"""Fine-tuning by fold: rehearsed, resumed, and blind to the fold that is named."""

import csv
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO

import numpy as np
import pytest

from glitchvae.checkpoint import load_checkpoint
from glitchvae.config import read_toml
from glitchvae.recipes import find_recipe, load_main, run_recipe
from glitchvae.training import changed_config


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


def test_every_event_is_named_once_by_every_method(rehearsed):
    folder, _, _ = rehearsed
    rows = rows_of(folder / "named.csv")
    assert len({row["event_id"] for row in rows}) == len(rows) == 48
    assert {row["fold"] for row in rows} == {"0", "1"}
    methods = [name for name in rows[0] if name.startswith(("codes", "pixels"))]
    assert len(methods) == 4
    assert all(row[name] for row in rows for name in methods)


def test_bars_are_those_of_the_names(rehearsed):
    folder, _, _ = rehearsed
    rows = rows_of(folder / "named.csv")
    bars = {(row["what"], row["measure"]): row for row in rows_of(folder / "bars.csv")}
    for method in ("codes", "pixels, nearest neighbour"):
        bar = bars[f"{method}, real.h5", "accuracy"]
        share = np.mean([row[method] == row["label"] for row in rows])
        assert float(bar["value"]) == pytest.approx(share)
        assert float(bar["lowest"]) <= share <= float(bar["highest"])
        assert float(bars[f"{method}, real.h5", "log-loss"]["value"]) > 0


def test_each_fold_has_a_model_of_its_own_that_did_not_see_it(rehearsed):
    folder, _, said = rehearsed
    cards = {name: load_checkpoint(folder / name).card for name in ("fold-0", "fold-1", "all")}
    assert len({card.weights_digest for card in cards.values()}) == 3
    rows = rows_of(folder / "named.csv")
    taught = {name: cards["all"].data.events - card.data.events for name, card in cards.items()}
    assert taught["fold-0"] == sum(row["fold"] == "0" for row in rows)
    assert taught["fold-1"] == sum(row["fold"] == "1" for row in rows)
    assert said.count("fine-tuning") == 3


def test_what_is_there_is_not_trained_again(rehearsed):
    folder, told, _ = rehearsed
    again, said = rehearse(folder)
    assert again == told
    assert "fine-tuning" not in said


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
    # The same picture in both files is in one fold: its neighbour may not give it away.
    right = [row["pixels, nearest neighbour"] == row["label"] for row in rows]
    assert right[:48] == right[48:]


def test_the_shipped_settings_are_valid():
    recipe = find_recipe("real_event_folds")
    values = read_toml(recipe.config)
    settings = load_main(recipe).__globals__["FoldSettings"].model_validate(values)
    assert sum(each.share for each in settings.real) < 1
    training = changed_config(dict(settings.training), {})
    assert training.augmentation.zoomed_views >= 0.3

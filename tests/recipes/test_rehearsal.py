"""A rehearsal is told from results: by its folder, and by a mark on every table and figure."""

import csv
import json

import numpy as np
import pytest
from PIL import Image

from glitchvae.discovery.runs import read_run, writing_run
from glitchvae.errors import ConfigError, InputError
from glitchvae.recipes import find_recipe, run_recipe
from glitchvae.recipes.rehearsal import COLUMN, NOTE, mark
from glitchvae.store import digest, write_rows
from glitchvae.training.log import read_log

PROGRAM = '''"""Write a table, a page and a figure, as any recipe may."""

from matplotlib.figure import Figure

from glitchvae.errors import ConfigError
from glitchvae.store import write_rows


def main(config, out, *, tiny):
    write_rows(out / "runs" / "table.csv", ("claim", "verdict"), [("it works", "confirmed")])
    (out / "claims.md").write_text("| claim |\\n|---|\\n| it works |\\n")
    (out / "report.html").write_text("<html><body class='x'><h1>Report</h1></body></html>")
    figure = Figure(figsize=(3, 2))
    figure.subplots().plot([0, 1])
    figure.savefig(out / "figure.png", dpi=80)
    if "fail" in config.read_text():
        raise ConfigError("a problem")
'''


@pytest.fixture
def recipe(tmp_path):
    (tmp_path / "mine.py").write_text(PROGRAM, encoding="utf-8")
    (tmp_path / "mine.toml").write_text("a = 1", encoding="utf-8")
    return find_recipe("mine", tmp_path)


def marks(folder):
    with (folder / "runs" / "table.csv").open(newline="") as file:
        table = list(csv.DictReader(file))
    with Image.open(folder / "figure.png") as picture:
        height = picture.height
    return {
        "csv": [row.get(COLUMN) for row in table],
        "md": NOTE in (folder / "claims.md").read_text(),
        "html": NOTE in (folder / "report.html").read_text(),
        "png": height > 160,
    }


UNMARKED = {"csv": [None], "md": False, "html": False, "png": False}
MARKED = {"csv": ["1"], "md": True, "html": True, "png": True}


def test_every_table_and_figure_of_a_rehearsal_is_marked(recipe, tmp_path, capsys):
    run_recipe(recipe, tmp_path / "real")
    assert marks(tmp_path / "real") == UNMARKED
    assert NOTE not in capsys.readouterr().err
    run_recipe(recipe, tmp_path / "tiny", tiny=True)
    assert marks(tmp_path / "tiny") == MARKED
    assert capsys.readouterr().err.startswith(NOTE)
    page = (tmp_path / "tiny" / "report.html").read_text()
    assert page.index("<body class='x'>") < page.index(NOTE) < page.index("<h1>")


def test_a_rehearsal_that_fails_leaves_marks_too(recipe, tmp_path):
    recipe.config.write_text("fail = true", encoding="utf-8")
    with pytest.raises(ConfigError, match="a problem"):
        run_recipe(recipe, tmp_path / "tiny", tiny=True)
    assert marks(tmp_path / "tiny") == MARKED


def test_marks_are_set_once(recipe, tmp_path):
    out = tmp_path / "tiny"
    run_recipe(recipe, out, tiny=True)
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    mark(out)
    assert {path: path.read_bytes() for path in before} == before
    run_recipe(recipe, out, tiny=True)
    assert marks(out) == MARKED


def test_rehearsals_and_results_are_not_mixed(recipe, tmp_path):
    run_recipe(recipe, tmp_path / "tiny", tiny=True)
    with pytest.raises(
        InputError, match=r"tiny: the folder holds a rehearsal, which a real run must"
    ):
        run_recipe(recipe, tmp_path / "tiny", changes=("b = 2",))
    run_recipe(recipe, tmp_path / "real")
    before = (tmp_path / "real" / "claims.md").read_bytes()
    with pytest.raises(
        InputError,
        match=r"real: the folder holds files that are not those of a rehearsal.*claims.md",
    ):
        run_recipe(recipe, tmp_path / "real", changes=("b = 2",), tiny=True)
    assert (tmp_path / "real" / "claims.md").read_bytes() == before
    assert not (tmp_path / "real" / "mine.toml").exists()


def test_the_picture_stays_below_its_strip(tmp_path, rng):
    pixels = rng.integers(0, 255, (40, 300, 3)).astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png", dpi=(110, 110))
    mark(tmp_path)
    with Image.open(tmp_path / "a.png") as picture:
        found = np.asarray(picture)
        assert picture.info["dpi"] == pytest.approx((110, 110), abs=0.1)
    strip = len(found) - 40
    assert 10 <= strip <= 40
    np.testing.assert_array_equal(found[strip:], pixels)
    letters = (found[:strip] == 255).all(axis=2)
    assert letters.any()
    assert not letters[:, -3:].any(), "the note does not fit"


def test_a_transparent_figure_is_marked_on_white(tmp_path):
    Image.new("RGBA", (300, 40), (0, 0, 0, 0)).save(tmp_path / "a.png")
    mark(tmp_path)
    with Image.open(tmp_path / "a.png") as picture:
        assert picture.getpixel((2, picture.height - 3)) == (255, 255, 255)


def test_a_marked_log_is_still_a_log(tmp_path):
    write_rows(tmp_path / "log.csv", ("step", "loss"), [(1, 2.5), (2, 1.5)])
    mark(tmp_path)
    assert read_log(tmp_path)[COLUMN].tolist() == [1, 1]


def test_a_run_in_a_rehearsal_keeps_true_digests_and_an_archive_is_left_alone(tmp_path):
    with writing_run(tmp_path / "run", {}) as aside:
        write_rows(aside / "candidates.csv", ("name",), [("candidate-1",)])
    archive = tmp_path / "archive"
    archive.mkdir()
    (archive / "archive.json").write_text(json.dumps({}))
    write_rows(archive / "labels.csv", ("event_id", "label"), [("a", "Blip")])
    before = (archive / "labels.csv").read_bytes()
    mark(tmp_path)
    assert COLUMN in (tmp_path / "run" / "candidates.csv").read_text()
    card = read_run(tmp_path / "run")
    assert card.files == {"candidates.csv": digest(tmp_path / "run" / "candidates.csv")}
    assert (archive / "labels.csv").read_bytes() == before


def test_an_empty_table_is_marked(tmp_path):
    (tmp_path / "a.csv").write_text("")
    write_rows(tmp_path / "b.csv", ("x", "y"), [])
    mark(tmp_path)
    assert (tmp_path / "a.csv").read_text().split() == [COLUMN]
    assert (tmp_path / "b.csv").read_text().split() == [f"x,y,{COLUMN}"]

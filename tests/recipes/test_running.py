"""Recipes are found, copied and run; what is wrong with one is said."""

import shutil
import tomllib

import pytest

from glitchvae.config import read_toml
from glitchvae.errors import ConfigError, InputError
from glitchvae.recipes import copy_recipe, find_recipe, list_recipes, read_settings, run_recipe
from glitchvae.resources import shipped

PROGRAM = '''"""Write what it was given.

More words.
"""


def main(config, out, *, tiny):
    out.mkdir(parents=True, exist_ok=True)
    (out / "result.txt").write_text(f"{config.read_text()} {tiny}")
'''


@pytest.fixture
def folder(tmp_path):
    """A folder with one good recipe and a program without settings."""
    (tmp_path / "echo.py").write_text(PROGRAM, encoding="utf-8")
    (tmp_path / "echo.toml").write_text("a = 1", encoding="utf-8")
    (tmp_path / "stray.py").write_text("raise SystemExit", encoding="utf-8")
    return tmp_path


def test_a_recipe_is_a_program_and_its_settings(folder):
    (recipe,) = list_recipes(folder)
    assert (recipe.name, recipe.summary) == ("echo", "Write what it was given.")


@pytest.mark.parametrize("tiny", [True, False])
def test_main_gets_settings_folder_and_mode(folder, tmp_path, tiny):
    run_recipe(find_recipe("echo", folder), tmp_path / "out", tiny=tiny)
    assert (tmp_path / "out" / "result.txt").read_text() == f"a = 1 {tiny}"


def test_other_settings_can_be_given(folder, tmp_path):
    (tmp_path / "mine.toml").write_text("a = 2", encoding="utf-8")
    run_recipe(find_recipe("echo", folder), tmp_path / "out", config=tmp_path / "mine.toml")
    assert (tmp_path / "out" / "result.txt").read_text() == "a = 2 False"


def test_settings_can_be_changed_one_by_one(folder, tmp_path):
    before = "a = 1\n\n[study]\nsteps = 5\nseeds = 3\n"
    (folder / "echo.toml").write_text(before, encoding="utf-8")
    changes = ("a=2.5", 'study.name = "x"', "study.seeds=1", "study.data=../sets/v1d1.h5")
    run_recipe(find_recipe("echo", folder), tmp_path / "out", changes=changes)
    held = read_toml(tmp_path / "out" / "echo.toml")
    assert held == {
        "a": 2.5,
        "study": {"steps": 5, "seeds": 1, "name": "x", "data": "../sets/v1d1.h5"},
    }
    assert (folder / "echo.toml").read_text() == before
    given = (tmp_path / "out" / "result.txt").read_text().removesuffix(" False")
    assert tomllib.loads(given) == held


@pytest.mark.parametrize("change", ["budget", "budget=1 2", "a b=cpu", "=3"])
def test_a_change_that_cannot_be_read_is_refused(folder, tmp_path, change):
    with pytest.raises(ConfigError, match=f"^{change}: cannot be read; expected KEY=VALUE"):
        run_recipe(find_recipe("echo", folder), tmp_path / "out", changes=(change,))
    assert not (tmp_path / "out").exists()


def test_a_copy_is_the_same_and_runs_by_its_path(folder, tmp_path):
    copy = copy_recipe(find_recipe("echo", folder), tmp_path / "mine")
    assert copy.place.read_text() == PROGRAM
    run_recipe(find_recipe(str(tmp_path / "mine" / "echo.py")), tmp_path / "out")
    assert (tmp_path / "out" / "result.txt").exists()


def test_a_copy_overwrites_nothing(folder):
    (folder / "mine").mkdir()
    (folder / "mine" / "echo.toml").write_text("precious", encoding="utf-8")
    with pytest.raises(InputError, match=r"echo\.toml: the folder exists already"):
        copy_recipe(find_recipe("echo", folder), folder / "mine")
    assert [p.name for p in (folder / "mine").iterdir()] == ["echo.toml"]


def test_an_unknown_recipe_names_the_nearest(folder):
    with pytest.raises(InputError, match="did you mean 'echo'"):
        find_recipe("ecco", folder)
    with pytest.raises(InputError, match=r"stray\.toml: no such file"):
        find_recipe(str(folder / "stray.py"))


def test_a_program_without_main_is_refused(folder, tmp_path):
    (folder / "echo.py").write_text("main = 3", encoding="utf-8")
    with pytest.raises(InputError, match="the program has no function main"):
        run_recipe(find_recipe("echo", folder), tmp_path / "out")


@pytest.fixture
def study(tmp_path):
    """A folder with one study: two modules that import each other, results and a cache."""
    place = tmp_path / "shelf" / "sums"
    (place / "__pycache__").mkdir(parents=True)
    (place / "__init__.py").write_text('"""Add up.\n\nMore words.\n"""\n', encoding="utf-8")
    (place / "adding.py").write_text("TOTAL = 1 + 1\n", encoding="utf-8")
    (place / "main.py").write_text(
        "from .adding import TOTAL\n\n\ndef main(config, out, *, tiny):\n"
        "    out.mkdir()\n    (out / 'sum.txt').write_text(str(TOTAL))\n",
        encoding="utf-8",
    )
    (place / "sums.toml").write_text("", encoding="utf-8")
    (place / "results.csv").write_text("1", encoding="utf-8")
    (place / "__pycache__" / "main.pyc").write_text("", encoding="utf-8")
    return place


def test_a_study_is_a_folder_of_modules_that_import_each_other(study, tmp_path):
    (recipe,) = list_recipes(study.parent)
    assert (recipe.name, recipe.summary) == ("sums", "Add up.")
    run_recipe(recipe, tmp_path / "out")
    assert (tmp_path / "out" / "sum.txt").read_text() == "2"


def test_a_copied_study_is_whole_and_takes_the_place_of_the_first(study, tmp_path):
    run_recipe(find_recipe("sums", study.parent), tmp_path / "first")
    copy = copy_recipe(find_recipe("sums", study.parent), tmp_path / "mine")
    names = {p.name for p in copy.place.iterdir()}
    assert names == {"__init__.py", "main.py", "adding.py", "sums.toml"}
    (copy.place / "adding.py").write_text("TOTAL = 40 + 2\n", encoding="utf-8")
    for number, path in enumerate((copy.place, copy.place / "main.py")):
        run_recipe(find_recipe(str(path)), tmp_path / f"out{number}")
        assert (tmp_path / f"out{number}" / "sum.txt").read_text() == "42"


def test_two_studies_may_have_modules_of_one_name(study, tmp_path):
    other = study.parent / "more"
    shutil.copytree(study, other)
    (other / "sums.toml").rename(other / "more.toml")
    (other / "adding.py").write_text("TOTAL = 7\n", encoding="utf-8")
    for name, total in (("sums", "2"), ("more", "7")):
        run_recipe(find_recipe(name, study.parent), tmp_path / name)
        assert (tmp_path / name / "sum.txt").read_text() == total


def test_a_folder_that_is_no_study_is_refused(study):
    (study / "main.py").unlink()
    with pytest.raises(InputError, match=r"main\.py: no such file; expected a study"):
        find_recipe(str(study))


def test_every_shipped_recipe_describes_itself_and_uses_public_imports():
    recipes = list_recipes()
    assert {"discover", "table2_dsprites"} <= {recipe.name for recipe in recipes}
    programs = {p.stem for p in shipped("pipelines").glob("*.py")}
    assert {r.name for r in recipes if not r.is_study} == programs
    for recipe in recipes:
        assert recipe.summary, recipe.name
        for path in recipe.files:
            lines = path.read_text(encoding="utf-8").splitlines()
            imports = [line for line in lines if "import" in line.split()[:3:2]]
            imports = [line for line in imports if "__future__" not in line]
            assert not [line for line in imports if "._" in line or " _" in line], path


def test_settings_are_laid_over_those_they_are_like(tmp_path):
    (tmp_path / "first.toml").write_text('count = 1\n[training]\nsteps = 5\nname = "a"\n')
    (tmp_path / "second.toml").write_text('like = "first.toml"\n[training]\nsteps = 7\n')
    (tmp_path / "third.toml").write_text('like = "second.toml"\ncount = 3\n')
    found = read_settings(tmp_path / "third.toml", tmp_path)
    assert found == {"count": 3, "training": {"steps": 7}}
    with pytest.raises(ConfigError, match=r"gone\.toml"):
        (tmp_path / "lost.toml").write_text('like = "gone.toml"\n')
        read_settings(tmp_path / "lost.toml", tmp_path)


def test_settings_are_a_file_or_a_name_that_the_recipe_ships(tmp_path):
    recipe, own = find_recipe("train_default_model"), tmp_path / "own.toml"
    own.write_text("", encoding="utf-8")
    assert recipe.find_settings(own) == own
    assert recipe.find_settings("annealed.toml") == recipe.place / "annealed.toml"
    with pytest.raises(ConfigError, match=r"other\.toml.*annealed\.toml"):
        recipe.find_settings("other.toml")

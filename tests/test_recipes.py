"""Recipes are found, copied and run; what is wrong with one is said."""

import tomllib

import pytest

from glitchvae.config import read_toml
from glitchvae.errors import ConfigError, InputError
from glitchvae.recipes import copy_recipe, find_recipe, list_recipes, run_recipe
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
    changes = ("a=2.5", 'study.name = "x"', "study.seeds=1")
    run_recipe(find_recipe("echo", folder), tmp_path / "out", changes=changes)
    held = read_toml(tmp_path / "out" / "echo.toml")
    assert held == {"a": 2.5, "study": {"steps": 5, "seeds": 1, "name": "x"}}
    assert (folder / "echo.toml").read_text() == before
    given = (tmp_path / "out" / "result.txt").read_text().removesuffix(" False")
    assert tomllib.loads(given) == held


@pytest.mark.parametrize("change", ["budget", "device=cpu", "=3"])
def test_a_change_that_cannot_be_read_is_refused(folder, tmp_path, change):
    with pytest.raises(ConfigError, match=f"^{change}: cannot be read; expected KEY=VALUE"):
        run_recipe(find_recipe("echo", folder), tmp_path / "out", changes=(change,))
    assert not (tmp_path / "out").exists()


def test_a_copy_is_the_same_and_runs_by_its_path(folder, tmp_path):
    copy = copy_recipe(find_recipe("echo", folder), tmp_path / "mine")
    assert copy.script.read_text() == PROGRAM
    run_recipe(find_recipe(str(tmp_path / "mine" / "echo.py")), tmp_path / "out")
    assert (tmp_path / "out" / "result.txt").exists()


def test_a_copy_overwrites_nothing(folder):
    (folder / "mine").mkdir()
    (folder / "mine" / "echo.toml").write_text("precious", encoding="utf-8")
    with pytest.raises(InputError, match=r"echo\.toml: already exists"):
        copy_recipe(find_recipe("echo", folder), folder / "mine")
    assert [p.name for p in (folder / "mine").iterdir()] == ["echo.toml"]


def test_an_unknown_recipe_names_the_nearest(folder):
    with pytest.raises(InputError, match="did you mean 'echo'"):
        find_recipe("ecco", folder)
    with pytest.raises(InputError, match=r"stray\.toml: no such file"):
        find_recipe(str(folder / "stray.py"))


def test_a_program_without_main_is_refused(folder, tmp_path):
    (folder / "echo.py").write_text("main = 3", encoding="utf-8")
    with pytest.raises(InputError, match="has no function main"):
        run_recipe(find_recipe("echo", folder), tmp_path / "out")


def test_shipped_recipes_are_short_and_use_public_imports():
    recipes = list_recipes()
    assert "census" in {recipe.name for recipe in recipes}
    assert {p.stem for p in shipped("pipelines").glob("*.py")} == {r.name for r in recipes}
    for recipe in recipes:
        lines = recipe.script.read_text(encoding="utf-8").splitlines()
        assert len(lines) <= 150, recipe.name
        assert recipe.summary, recipe.name
        imports = [line for line in lines if "import" in line.split()[:3:2]]
        assert not [line for line in imports if "._" in line or " _" in line], recipe.name

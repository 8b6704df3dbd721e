"""What a user adds by name: modules that are imported, classes in them, entry points."""

import sys
from importlib.metadata import EntryPoint

import pytest

from glitchvae import plugins
from glitchvae.errors import ConfigError
from glitchvae.objectives import Beta, describe_objective, find_objective, read_objective

OBJECTIVE = """
from typing import Literal
from glitchvae.objectives import Beta

class {kind}(Beta):
    name: Literal["{name}"] = "{name}"
    extra: float = 0.5
"""


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Writes a module here, which is forgotten afterwards."""
    before = set(sys.modules)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [p for p in sys.path if p])

    def write(name, text):
        (tmp_path / f"{name}.py").write_text(text)
        return name

    yield write
    for name in set(sys.modules) - before:
        if (tmp_path / f"{name}.py").exists():
            del sys.modules[name]


def register(monkeypatch, group, name, value):
    point = EntryPoint(name, value, f"glitchvae.{group}")
    known = lambda group: [point] if group == point.group else []  # noqa: E731
    monkeypatch.setattr(plugins, "entry_points", known)


def test_an_objective_is_found_by_its_name_and_by_its_path(module):
    plugins.import_modules([module("gv_one", OBJECTIVE.format(kind="One", name="gv-one"))])
    kind = sys.modules["gv_one"].One
    assert find_objective("gv-one") is find_objective("gv_one:One") is kind
    objective = read_objective({"name": "gv-one", "beta": 2, "extra": 3})
    table = describe_objective(objective)
    assert table == {"name": "gv-one", "class": "gv_one:One", "beta": 2, "extra": 3}
    assert read_objective(table) == objective
    assert "class" not in describe_objective(Beta())


def test_a_card_imports_nothing(module):
    name = module("gv_two", "raise SystemExit('it ran')\n")
    with pytest.raises(ConfigError, match=r"not been imported.*--import gv_two"):
        read_objective({"class": f"{name}:Two"})
    assert name not in sys.modules


def test_two_objectives_of_one_name_are_told_apart(module):
    for name in ("gv_three", "gv_four"):
        plugins.import_modules([module(name, OBJECTIVE.format(kind="Both", name="gv-both"))])
    with pytest.raises(ConfigError, match=r"two objectives.*gv_three:Both"):
        find_objective("gv-both")
    assert find_objective("gv_four:Both") is sys.modules["gv_four"].Both


def test_an_installed_objective_is_found_by_the_name_of_its_entry_point(module, monkeypatch):
    module("gv_five", OBJECTIVE.format(kind="Five", name="gv-five"))
    monkeypatch.syspath_prepend(".")
    register(monkeypatch, "objectives", "five", "gv_five:Five")
    assert "gv_five" not in sys.modules
    assert find_objective("five").__name__ == "Five"
    assert read_objective({"class": "gv_five:Five"}).extra == 0.5


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, r"gv_bad: there is no such module; expected gv_bad.py here"),
        ("import nowhere_at_all\n", r"fails on import.*nowhere_at_all"),
        ("x = 1 / 0\n", "ZeroDivisionError"),
        ("x = (\n", "SyntaxError"),
    ],
)
def test_a_module_that_cannot_be_imported_is_told(module, text, message):
    if text is not None:
        module("gv_bad", text)
    with pytest.raises(ConfigError, match=message):
        plugins.import_modules(["gv_bad"])


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("gv_six:Sixx", r"has no 'Sixx'.*Six"),
        ("gv_six:Beta", None),
        ("gv_six:Literal", "no objective"),
        ("gv-sxi", "unknown objective.*--import MODULE"),
    ],
)
def test_a_class_that_is_no_objective_is_told(module, name, message):
    plugins.import_modules([module("gv_six", OBJECTIVE.format(kind="Six", name="gv-six"))])
    if message is None:
        assert find_objective(name) is Beta
        return
    with pytest.raises(ConfigError, match=message):
        find_objective(name)

"""The pages with Python run as they stand; one of them has every public name."""

import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

import glitchvae

PAGE = Path(__file__).parents[2] / "docs" / "python.md"
UNNAMED = {"__version__", "Events", "GlitchArchive", "Images", "Model"}
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page: Path = PAGE) -> list[str]:
    return BLOCK.findall(page.read_text(encoding="utf-8"))


def test_the_page_on_extending_runs_as_a_module_of_ones_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    module = ModuleType("gv_extending_page")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    found = blocks(PAGE.with_name("extending.md"))
    assert len(found) == 5
    for number, block in enumerate(found, start=1):
        exec(compile(block, f"extending.md, block {number}", "exec"), vars(module))  # noqa: S102


def test_an_objective_of_ones_own_takes_at_most_twenty_lines():
    block = blocks(PAGE.with_name("extending.md"))[0]
    assert len([line for line in block.splitlines() if line.strip()]) <= 20


@pytest.mark.whole
def test_every_block_runs_in_order_in_an_empty_folder(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names: dict = {"__name__": "page"}
    assert len(blocks()) > 10
    for number, block in enumerate(blocks(), start=1):
        exec(compile(block, f"{PAGE.name}, block {number}", "exec"), names)  # noqa: S102
    printed = capsys.readouterr().out
    for word in ("factor_vae", "dci_disentanglement", "penalty weight", "codes, linear probe"):
        assert word in printed


def test_pictures_to_an_attack_take_at_most_fifteen_lines():
    (block,) = [b for b in blocks() if "gv.train" in b and "gv.attack" in b]
    assert len([line for line in block.splitlines() if line.strip()]) <= 15


@pytest.mark.parametrize("name", sorted(set(glitchvae.__all__) - UNNAMED))
def test_every_public_name_is_on_the_page(name):
    assert f"gv.{name}" in PAGE.read_text(encoding="utf-8")

"""The page on Python runs as it stands, and has every public name."""

import re
from pathlib import Path

import pytest

import glitchvae

PAGE = Path(__file__).parents[2] / "docs" / "python.md"
UNNAMED = {"__version__", "Events", "GlitchArchive", "Images", "Model"}
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks() -> list[str]:
    return BLOCK.findall(PAGE.read_text(encoding="utf-8"))


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

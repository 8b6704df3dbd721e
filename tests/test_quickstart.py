"""The quickstart: what its commands ask of the archive that they make."""

import re
import shlex
from pathlib import Path

from click.testing import CliRunner
from igwn_segments import segment, segmentlist

from glitchvae.cli import main
from glitchvae.strain import open_strain
from glitchvae.triggers import Triggers, search_cells

PAGE = Path(__file__).parents[1] / "docs" / "quickstart.md"


def commands():
    """Every command of the page, without its remark."""
    text = PAGE.read_text(encoding="utf-8")
    return [
        shlex.split(line, comments=True)[1:]
        for block in re.findall(r"```\n(.*?)```", text, re.DOTALL)
        for line in block.splitlines()
        if line.startswith("glitchvae ")
    ]


def test_the_glitch_looked_for_is_in_the_archive_just_made(tmp_path, monkeypatch):
    """The time given to `similar` is that of a glitch which `embed` finds in the strain."""
    monkeypatch.chdir(tmp_path)
    (simulate,) = [words for words in commands() if words[:2] == ["simulate", "strain"]]
    (similar,) = [words for words in commands() if words[0] == "similar"]
    assert CliRunner().invoke(main, simulate).exit_code == 0
    gps = float(similar[similar.index("--gps") + 1])
    source = open_strain(simulate[simulate.index("-o") + 1])
    minute = segmentlist([segment(gps - 1, gps + 1)])
    found = Triggers.join([cell.triggers for cell in search_cells(source, within=minute)])
    assert min(abs(found.gps - gps)) < 0.05

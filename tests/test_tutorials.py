"""The tutorials: every block of each runs, in order, in an empty folder."""

import sys
from pathlib import Path
from types import ModuleType

import pytest

from tests import test_docs_tasks
from tests.test_docs_tasks import run_page

TUTORIALS = sorted((Path(__file__).parents[1] / "docs" / "tutorials").glob("*.md"))


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("page", TUTORIALS, ids=lambda page: page.stem)
def test_every_block_runs_in_order(page, tmp_path, monkeypatch):
    monkeypatch.setattr(test_docs_tasks, "SMALL", {"train": {"--steps": "2"}})
    monkeypatch.setenv("STEPS", "3")
    for name in ("GLITCHVAE_ARCHIVE", "GLITCHVAE_CATALOG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    module = ModuleType("tutorial")  # what a page defines is found again, as in a session
    monkeypatch.setitem(sys.modules, "tutorial", module)
    run_page(page, vars(module))


@pytest.mark.parametrize("page", TUTORIALS, ids=lambda page: page.stem)
def test_a_tutorial_is_not_too_long(page):
    assert len(page.read_text(encoding="utf-8").splitlines()) <= 120

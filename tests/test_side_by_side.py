"""The documentation says how to get the page of real events where it cannot draw it."""

import runpy
from pathlib import Path

import pytest

CONF = Path(__file__).parents[1] / "docs" / "conf.py"


@pytest.fixture
def show(tmp_path):
    """The build's hook, writing into a folder of its own."""
    hook = runpy.run_path(str(CONF))["show_side_by_side"]
    hook.__globals__["GENERATED"] = tmp_path / "generated"
    return hook


def test_without_the_data_the_page_says_what_to_set(show, tmp_path, monkeypatch):
    monkeypatch.delenv("GLITCHVAE_TEST_DATA", raising=False)
    show(None)
    page = (tmp_path / "generated" / "side_by_side.md").read_text(encoding="utf-8")
    assert "Set\n`GLITCHVAE_TEST_DATA`" in page
    assert "side_by_side.png" not in page


def test_with_the_data_a_picture_that_is_there_is_shown(show, tmp_path, monkeypatch):
    monkeypatch.setenv("GLITCHVAE_TEST_DATA", str(tmp_path))
    for path in ("gravityspy/real_events.h5", "generated/side_by_side.png"):
        (tmp_path / path).parent.mkdir()
        (tmp_path / path).touch()
    show(None)
    page = (tmp_path / "generated" / "side_by_side.md").read_text(encoding="utf-8")
    assert page.startswith("![")
    assert "side_by_side.png" in page

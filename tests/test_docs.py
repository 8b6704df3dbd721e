"""The documentation: what it names of the package is there."""

import importlib
import re
from pathlib import Path

import pytest

from glitchvae import plugins
from glitchvae.embedding import Embeddings
from glitchvae.spectrogram import SpectrogramSet

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("catalog/*.md")])
GROUPS = {f"glitchvae.{group}" for group in plugins.GROUPS}
SCHEMAS = {Embeddings.schema, SpectrogramSet.schema, *GROUPS}


def names_in(text):
    """Dotted names, and what lines such as `from glitchvae.simulate import Truth` import."""
    for module, names in re.findall(r"from (glitchvae[\w.]*) import ([\w, ]+)", text):
        yield from (f"{module}.{name.strip()}" for name in names.split(","))
    yield from re.findall(r"\bglitchvae(?:\.[A-Za-z_]\w*)+", text)


def is_there(name):
    """Whether a module, or something in one, has this name."""
    module, _, attribute = name.rpartition(".")
    try:
        if hasattr(importlib.import_module(module), attribute):
            return True
        importlib.import_module(name)
    except ImportError:
        return False
    return True


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_a_page_names_can_be_imported(page):
    names = set(names_in(page.read_text(encoding="utf-8"))) - SCHEMAS
    assert sorted(name for name in names if not is_there(name)) == []


def test_names_are_found_in_text():
    assert len({name for page in PAGES for name in names_in(page.read_text())}) > 30
    assert not is_there("glitchvae.training.Trainer")
    assert not is_there("glitchvae.errors.Nowhere")

"""The documentation: what it names, links to and commands is there; every command is on it."""

import ast
import importlib
import os
import re
import runpy
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest

from glitchvae import plugins
from glitchvae.cli import main
from glitchvae.embedding import Embeddings
from glitchvae.spectrogram import SpectrogramSet

ROOT = Path(__file__).parents[1]
TASKS = sorted(ROOT.glob("docs/tasks/*.md"))
FOLDERS = ("", "docs/", "docs/tasks/", "docs/tutorials/", "docs/results/", "catalog/")
PAGES = sorted(page for folder in FOLDERS for page in ROOT.glob(f"{folder}*.md"))
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
    assert len({name for page in PAGES for name in names_in(page.read_text())}) > 15
    assert not is_there("glitchvae.training.Trainer")
    assert not is_there("glitchvae.errors.Nowhere")


FENCE = re.compile(r"^```[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?:|mailto:)([^)\s]*)\)")


def leaves(command, context):
    """Every command that does something, with its name: "archive info"."""
    if not isinstance(command, click.Group):
        yield context.command_path.removeprefix("glitchvae "), command
        return
    for name in command.list_commands(context):
        found = command.get_command(context, name)
        yield from leaves(found, click.Context(found, info_name=name, parent=context))


COMMANDS = dict(leaves(main, click.Context(main, info_name="glitchvae")))
COMMAND_GROUPS = {name.split()[0] for name in COMMANDS if " " in name}


def options_of(command):
    shown = [p for p in command.params if not getattr(p, "hidden", False)]
    return {option for p in shown for option in (*p.opts, *p.secondary_opts)}


def slugs_of(page):
    """Anchors of a page's headings, as GitHub and MyST make them."""
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    for heading in re.findall(r"^#+ (.*)$", text, re.MULTILINE):
        yield re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page):
    text = re.sub(r"`[^`\n]*`", "", FENCE.sub("", page.read_text(encoding="utf-8")))
    lost = []
    for target in LINK.findall(text):
        name, _, anchor = target.partition("#")
        path = page if not name else page.parent / name
        if not path.exists() or (anchor and anchor not in slugs_of(path)):
            lost.append(target)
    assert lost == []


@pytest.mark.parametrize("page", [p for p in PAGES if p.stem != "CHANGELOG"], ids=lambda p: p.name)
def test_every_command_of_a_page_is_there_with_its_options(page):
    text = page.read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [line for body in FENCE.findall(text) for line in body.splitlines()]
    lines += re.findall(r"`(glitchvae [^`]*)`", text)
    for line in lines:
        if not line.startswith("glitchvae ") or "|" in line.split("#")[0].split(" -")[0]:
            continue
        words = shlex.split(line.replace("…", ""), comments=True)[1:]
        name = next((" ".join(words[:n]) for n in (2, 1) if " ".join(words[:n]) in COMMANDS), None)
        if name is None:
            assert words[0].startswith(("-", "_")) or words[0] in COMMAND_GROUPS, line
            continue
        given = {word.split("=")[0] for word in words if re.match(r"--?[a-zA-Z]", word)}
        assert given <= options_of(COMMANDS[name]) | {"--help", "-h"}, line


@pytest.mark.parametrize("page", TASKS, ids=lambda page: page.stem)
def test_a_task_page_is_short_and_opens_with_what_one_will_have(page):
    lines = page.read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 120
    assert lines[0].startswith("# ")
    assert lines[2].startswith("At the end ")
    assert "## When it fails" in lines
    assert sum(line == "```sh" for line in lines) == 1


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_a_task_page(name):
    text = "\n".join(page.read_text(encoding="utf-8") for page in TASKS)
    assert re.search(rf"(glitchvae |`){name}\b", text)


@pytest.mark.parametrize("name", sorted({name.split()[0] for name in COMMANDS}))
def test_every_command_is_in_the_readme(name):
    assert f"| `glitchvae {name} " in (ROOT / "README.md").read_text(encoding="utf-8")


def test_background_is_a_short_page():
    assert len((ROOT / "docs" / "background.md").read_text("utf-8").splitlines()) <= 150


def test_every_command_and_option_is_on_the_generated_page(tmp_path):
    pytest.importorskip("sphinx_click")
    source = tmp_path / "source"
    source.mkdir()
    (source / "conf.py").write_text("extensions = ['myst_parser', 'sphinx_click']\n")
    page = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    (source / "index.md").write_text(page[page.index("```{eval-rst}") :])
    made = subprocess.run(
        [sys.executable, "-m", "sphinx", "-q", "-b", "text", source, tmp_path / "out"],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert made.returncode == 0, made.stderr
    text = (tmp_path / "out" / "index.txt").read_text(encoding="utf-8")
    usages = re.split(r"^\s*glitchvae (?=[a-z])", text, flags=re.MULTILINE)[1:]
    shown = {name: part for part in usages for name in COMMANDS if part.startswith(f"{name} ")}
    assert sorted(shown) == sorted(COMMANDS)
    for name, command in COMMANDS.items():
        lost = [o for o in options_of(command) if o.startswith("-") and o not in shown[name]]
        assert lost == [], name


def test_every_name_of_the_reference_has_a_line():
    page = runpy.run_path(str(ROOT / "docs" / "render_reference.py"))["render"]()
    rows = re.findall(r"^\| `(\w+)` \| (.*) \|$", page, re.MULTILINE)
    assert {"embed", "whiten", "Catalog", "GlitchvaeError"} <= {name for name, _ in rows}
    assert [name for name, summary in rows if not summary.strip()] == []


MODULES = sorted((ROOT / "glitchvae").rglob("*.py"))


def texts_of(path):
    """Docstrings and texts below assignments, with their lines."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        value = node.value if isinstance(node, ast.Expr) else None
        if isinstance(value, ast.Constant) and isinstance(value.value, str):
            yield node.lineno, value.value


def test_docstrings_begin_with_a_statement():
    """What a thing is or does, not "what it is": the first line is all that a listing shows."""
    riddles = [
        f"{path.relative_to(ROOT)}:{line}: {text.splitlines()[0]}"
        for path in MODULES
        for line, text in texts_of(path)
        if re.match(r"\s*(what|which|how)\b", text, re.IGNORECASE)
    ]
    assert len(MODULES) > 300
    assert riddles == []

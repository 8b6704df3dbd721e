"""Imports go only to rows above; modules of one row do not import each other."""

import ast
from pathlib import Path

import pytest

import glitchvae

PACKAGE = Path(glitchvae.__file__).parent
ROWS = (
    {"errors", "shapes", "status"},
    {"guard", "allocation"},
    {"store", "config", "resources", "threads", "progress", "precision", "statistics"},
    {"classes", "plugins"},
    {"strain", "qtransform"},
    {"triggers", "simulate"},
    {"spectrogram"},
    {"dataset", "models"},
    {"objectives", "checkpoint"},
    {"training", "embedding"},
    {"archive", "probes", "testing"},
    {"discovery", "validation"},
    {"plots", "report", "recipes", "adapting", "census"},
    {"api"},
    {"cli"},
    {"__main__"},
)
ROW_OF = {module: row for row, modules in enumerate(ROWS) for module in modules}


def modules() -> list[Path]:
    return [p for p in sorted(PACKAGE.rglob("*.py")) if "_shipped" not in p.parts]


def top_level(path: Path) -> str:
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def imported(path: Path) -> set[str]:
    """Top-level glitchvae modules that a file imports, wherever in the file."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    parts = (name.split(".") for name in names if name.startswith("glitchvae."))
    return {p[1] for p in parts if p[1] in ROW_OF}


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_only_rows_above(path):
    module = top_level(path)
    if module == "__init__":
        return
    assert module in ROW_OF, f"{module} stands in no row; give it one here and in docs/design.md"
    wrong = {n for n in imported(path) - {module} if ROW_OF[n] >= ROW_OF[module]}
    assert not wrong


def test_the_rows_are_those_of_the_design_page():
    page = (PACKAGE.parent / "docs" / "design.md").read_text(encoding="utf-8")
    assert all(
        f"`{module}`" in page or f"`{module}/`" in page
        for module in ROW_OF
        if (PACKAGE / f"{module}.py").exists() or (PACKAGE / module).is_dir()
    )

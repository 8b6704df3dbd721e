"""Sphinx configuration."""

import os
import runpy
import subprocess
import sys
from pathlib import Path

from glitchvae import __version__

project = "glitchvae"
author = "The glitchvae developers"
release = version = __version__
extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinx_click",
]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build", "results/*/*", "results/*/*/*"]
html_theme = "furo"
html_title = "glitchvae"
myst_enable_extensions = ["dollarmath", "deflist"]
myst_heading_anchors = 3
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
napoleon_google_docstring = True
suppress_warnings = ["myst.xref_missing"]
napoleon_attr_annotations = False

HERE = Path(__file__).parent
GENERATED = HERE / "_build" / "generated"
PICTURE = "![Real and simulated examples](_build/generated/side_by_side.png)\n"
NO_PICTURE = """*This copy of the documentation was built without the real events. Set
`GLITCHVAE_TEST_DATA` to the folder that holds `gravityspy/real_events.h5` and build it again.*
"""


def show_side_by_side(_app):
    """Draw real beside simulated events where the real ones are; they are not ours to ship."""
    folder, picture = os.environ.get("GLITCHVAE_TEST_DATA"), GENERATED / "side_by_side.png"
    there = bool(folder) and (Path(folder) / "gravityspy" / "real_events.h5").exists()
    GENERATED.mkdir(parents=True, exist_ok=True)
    if there and not picture.exists():
        script = HERE / "render_side_by_side.py"
        subprocess.run([sys.executable, script, "-o", picture], check=True)
    text = PICTURE if there else NO_PICTURE
    (GENERATED / "side_by_side.md").write_text(text, encoding="utf-8")


def write_modules(_app):
    """The reference of all modules, from their docstrings."""
    GENERATED.mkdir(parents=True, exist_ok=True)
    render = runpy.run_path(str(HERE / "render_reference.py"))["render"]
    (GENERATED / "modules.md").write_text(render(), encoding="utf-8")


def setup(app):
    app.connect("builder-inited", show_side_by_side)
    app.connect("builder-inited", write_modules)

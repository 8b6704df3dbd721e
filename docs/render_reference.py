"""The modules of the reference: a table of one line a name, then each in full.

`conf.py` writes the text to `_build/generated/modules.md` when the documentation is built.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterator
from types import ModuleType

FRONT_DOOR = "glitchvae"
MODULES = (
    "strain",
    "qtransform",
    "qtransform.whitening",
    "triggers",
    "spectrogram",
    "dataset",
    "simulate",
    "objectives",
    "models",
    "plugins",
    "testing",
    "checkpoint",
    "training",
    "adapting",
    "embedding",
    "archive",
    "archive.neighbours",
    "census",
    "probes",
    "classes.catalog",
    "classes.novelty",
    "discovery",
    "discovery.clustering",
    "discovery.vetoes",
    "discovery.runs",
    "discovery.decisions",
    "report",
    "validation.images.factors",
    "validation.robustness.attacks",
    "validation.robustness.noise",
    "validation.robustness.measuring",
    "validation.robustness.whitened_events",
    "validation.robustness.strain_events",
    "validation.robustness.strain_attacks",
    "validation.robustness.strain_corruptions",
    "validation.robustness.corruption_test",
    "validation.robustness.boundaries",
    "status",
    "store",
    "errors",
)


def summary_of(thing: object) -> str:
    """First line of the docstring; of a value, whose docstring is its type's, that type."""
    if not (inspect.isclass(thing) or inspect.isroutine(thing)):
        return f"a value of type `{type(thing).__name__}`"
    return (inspect.getdoc(thing) or "").partition("\n")[0].replace("|", "\\|")


def public_names(module: ModuleType) -> Iterator[str]:
    """`__all__`, or the classes and functions that the module itself defines."""
    if hasattr(module, "__all__"):
        yield from sorted(module.__all__, key=str.lower)
        return
    for name, thing in vars(module).items():
        own = getattr(thing, "__module__", None) == module.__name__
        if own and not name.startswith("_") and callable(thing):
            yield name


def table_of(module: ModuleType) -> str:
    """One line for each public name."""
    rows = [f"| `{name}` | {summary_of(getattr(module, name))} |" for name in public_names(module)]
    return "\n".join(["| name | |", "|---|---|", *rows])


def render() -> str:
    """Markdown of all modules."""
    front = table_of(importlib.import_module(FRONT_DOOR))
    parts = [
        f"## {FRONT_DOOR}\n\nThe [front door](python.md): `import glitchvae as gv`.\n\n{front}"
    ]
    for name in (f"{FRONT_DOOR}.{part}" for part in MODULES):
        module = importlib.import_module(name)
        full = f"```{{eval-rst}}\n.. automodule:: {name}\n   :members:\n   :no-index:\n```"
        parts.append(f"## {name}\n\n{table_of(module)}\n\n{full}")
    return "\n\n".join(parts) + "\n"

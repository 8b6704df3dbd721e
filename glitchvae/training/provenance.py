"""Provenance of a model: versions, command line, sources."""

from __future__ import annotations

import hashlib
import inspect
import platform
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch

from glitchvae.errors import GlitchvaeError
from glitchvae.models import UserVAESettings
from glitchvae.objectives import is_own
from glitchvae.plugins import find
from glitchvae.training.config import TrainingConfig

_SOURCES = Path(__file__).parents[1]


def provenance_of(config: TrainingConfig) -> dict[str, Any]:
    """Entries of a card with everything needed to repeat the training.

    Returns:
        `python`, `torch` and `numpy` versions, `command`, `commit` of the sources and whether they
        were `changed` since (where they are a git checkout), and SHA-256 of the `modules` of the
        user's own that objective and network are from.
    """
    made: dict[str, Any] = {
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "numpy": np.__version__,
        "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
    }
    commit = _git("rev-parse", "HEAD")
    if commit and _git("ls-files", "--", "__init__.py"):
        made |= {"commit": commit, "changed": bool(_git("status", "--porcelain", "--", "."))}
    if modules := _own_modules(config):
        made["modules"] = modules
    return made


def _git(*arguments: str) -> str:
    """Output of a git command on the sources; "" without git or checkout."""
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=_SOURCES, capture_output=True, text=True, timeout=10
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def _own_modules(config: TrainingConfig) -> dict[str, str]:
    """SHA-256 of the files of the user's own classes, by module name."""
    kinds = [type(config.objective)] if is_own(config.objective) else []
    if isinstance(config.model, UserVAESettings):
        with suppress(GlitchvaeError):  # of a notebook or a function: no file to speak of
            kinds.append(find("models", config.model.network))
    found = {}
    for kind in kinds:
        try:
            source = inspect.getsourcefile(kind)
        except (OSError, TypeError):
            source = None
        if source is not None and Path(source).is_file():
            found[kind.__module__] = hashlib.sha256(Path(source).read_bytes()).hexdigest()
    return found

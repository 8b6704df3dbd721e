"""What is imported is declared, and what is declared is imported."""

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
OPTIONAL = {
    "pandas",  # where it is missing, a sentence says so
    "pydantic-core",  # part of pydantic, which pins it
}
DISTRIBUTION_OF = {
    "htcondor2": "htcondor",  # not installed where these tests run
}
NOT_IMPORTED_HERE = {
    "lalsuite",  # gwpy reads frames with it
    "onnx",  # torch writes for it
    "onnxscript",  # torch writes with it
    "tensorboard",  # torch writes for it
}
NOT_OF_USERS = {"dev", "docs"}


def normal(name):
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.fixture(scope="module")
def declared():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    lines = [*project["dependencies"]]
    lines += [line for name, more in extras.items() if name not in NOT_OF_USERS for line in more]
    return {normal(re.match(r"[\w.-]+", line)[0]) for line in lines}


@pytest.fixture(scope="module")
def imported():
    """Distributions that the package and the recipes import, each with a place."""
    distributions, found = packages_distributions(), {}
    for path in sorted((*ROOT.glob("glitchvae/**/*.py"), *ROOT.glob("pipelines/**/*.py"))):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            for module in modules_of(node):
                if module not in sys.stdlib_module_names and not (ROOT / module).is_dir():
                    for name in distributions.get(module, [DISTRIBUTION_OF.get(module, module)]):
                        found[normal(name)] = path.relative_to(ROOT)
    return found


def modules_of(node):
    if isinstance(node, ast.Import):
        return [alias.name.partition(".")[0] for alias in node.names]
    if isinstance(node, ast.ImportFrom) and not node.level:
        return [node.module.partition(".")[0]]
    return []


def test_what_is_imported_is_declared(declared, imported):
    missing = {name: str(path) for name, path in imported.items() if name not in declared}
    assert missing.keys() <= OPTIONAL, missing


def test_what_is_declared_is_imported(declared, imported):
    assert declared - imported.keys() == NOT_IMPORTED_HERE

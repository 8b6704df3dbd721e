"""Writes `docs/dependencies.md`: what glitchvae needs, as installed here, with licences.

python docs/write_dependencies.py
"""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[1]
EXTRAS = ("gwf", "triggers", "cluster", "track")
HEAD = """# Dependencies

At the end of this page you know every package that glitchvae installs, with its licence.

The table lists the packages that glitchvae requires, their own requirements, and the extras gwf,
triggers, cluster and track. It gives the version that the tests run with, and the licence that the
package states. glitchvae declares the packages in bold. `python docs/write_dependencies.py` writes
this page.

Two extras are not installed for the tests. `onnx` needs onnx (Apache-2.0) and onnxscript (MIT), and
`condor` needs htcondor (Apache-2.0). A test of the extra `onnx` runs where onnxruntime (MIT) is
installed too.

| package | version | licence |
|---|---|---|
"""


def main() -> None:
    """Write the page."""
    found: dict[str, Distribution] = {}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    direct = needed([*project["dependencies"], *(line for e in EXTRAS for line in extras[e])])
    waiting = set(direct)
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        try:
            found[name] = distribution(name)
        except PackageNotFoundError:  # of another system
            continue
        waiting |= needed(found[name].requires or [])
    rows = [
        f"| {f'**{name}**' if name in direct else name} | {each.version} | {licence(each)} |"
        for name, each in sorted(found.items())
    ]
    page = ROOT / "docs" / "dependencies.md"
    page.write_text(HEAD + "\n".join(rows) + "\n", encoding="utf-8")


def needed(requirements: list[str]) -> set[str]:
    """Names of what is required on this system, without what is optional."""
    names = set()
    for wanted in map(Requirement, requirements):
        if wanted.marker is None or wanted.marker.evaluate({"extra": ""}):
            names.add(re.sub(r"[-_.]+", "-", wanted.name).lower())
    return names


def licence(package: Distribution) -> str:
    """As the metadata state it: an expression, classifiers, or the first line of a text."""
    told = package.metadata
    if expression := told.get("License-Expression"):
        return expression
    classifiers = [
        line.rpartition(" :: ")[2]
        for line in told.get_all("Classifier") or []
        if line.startswith("License :: ") and not line.endswith("OSI Approved")
    ]
    lines = (told.get("License") or "").strip().splitlines()
    return ", ".join(classifiers) or (lines[0][:60] if lines else "not stated")


if __name__ == "__main__":
    main()

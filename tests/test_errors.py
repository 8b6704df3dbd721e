"""An error is a sentence that names place, expectation, finding and remedy."""

import tomllib
from pathlib import Path

import pytest

from glitchvae import errors

ROOT = Path(__file__).parents[1]


def test_the_parts_stand_in_order():
    error = errors.InputError(
        "no dataset", where="a.h5", expected="strain/Strain", found=["x"], remedy="Check the file."
    )
    assert str(error) == "a.h5: no dataset; expected strain/Strain; found ['x']. Check the file."


def test_missing_parts_leave_no_trace():
    assert str(errors.ConfigError("bad")) == "bad"


@pytest.mark.parametrize("name", [n for n in vars(errors) if n.endswith("Error")])
def test_one_base_for_all(name):
    assert issubclass(getattr(errors, name), errors.GlitchvaeError)


def test_an_extra_is_installed_from_the_sources():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"][
        "optional-dependencies"
    ]
    assert "gwf" in extras
    assert 'pip install ".[gwf]"' in errors.how_to_install("gwf")


def test_no_text_names_a_package_that_no_index_has():
    patterns = (
        "glitchvae/**/*.py",
        "pipelines/**/*.py",
        "pipelines/**/*.toml",
        "docs/*.md",
        "*.md",
    )
    texts = [path for pattern in patterns for path in ROOT.glob(pattern)]
    assert len(texts) > 100
    assert [str(path) for path in texts if "glitchvae[" in path.read_text(encoding="utf-8")] == []

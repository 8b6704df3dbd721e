"""An error is a sentence that names place, expectation, finding and remedy."""

import errno
import importlib
import sys
import tomllib
from pathlib import Path

import pytest

from glitchvae import errors
from glitchvae.errors import InputError, StorageError, reading

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


@pytest.mark.parametrize("package", ["lal", "unheard_of"])
def test_a_missing_package_is_no_damage_of_the_file(monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(InputError) as caught, reading("table.xml.gz", "cannot be read as a table"):
        importlib.import_module(package)
    assert caught.value.problem == f"cannot be read as a table without {package}"
    assert caught.value.where == "table.xml.gz"
    assert "nstall" in caught.value.remedy
    assert "damaged" not in str(caught.value)


def test_a_full_disk_is_not_the_fault_of_the_file_that_is_read():
    with pytest.raises(StorageError) as caught, reading("strain.h5"):
        raise OSError(errno.ENOSPC, "No space left on device", "/scratch/part")
    assert caught.value.where == "/scratch/part"
    assert "strain.h5" in caught.value.found

"""glitchvae catalog: what it prints and how it fails."""

import shutil

import pytest
from click.testing import CliRunner

from glitchvae.cli import main
from glitchvae.resources import shipped


def run(*arguments):
    return CliRunner().invoke(main, ["catalog", *map(str, arguments)])


def test_list_has_a_row_for_every_class():
    result = run("list")
    assert result.exit_code == 0, result.output
    for name in ("Blip", "Fast_Scattering", "None_of_the_Above", "Pizzicato"):
        assert name in result.output


@pytest.mark.parametrize("name", ["tomte", "Tomte", "TMT"])
def test_show_tells_what_is_known(name):
    result = run("show", name)
    assert result.exit_code == 0, result.output
    assert "hat" in result.output
    assert "arXiv:1611.04596" in result.output


def test_show_of_an_unknown_class_is_one_line():
    result = run("show", "Tomtee")
    assert result.exit_code == 3
    assert "did you mean" in result.output
    assert "Traceback" not in result.output


def test_validate(tmp_path):
    assert "27 class cards are valid" in run("validate").output
    folder = shutil.copytree(shipped("catalog"), tmp_path / "catalog")
    (folder / "classes" / "blip.toml").write_text("key = 1", encoding="utf-8")
    result = run("validate", "--folder", folder)
    assert result.exit_code == 3
    assert "blip.toml" in result.output

"""glitchvae recipe: list, copy, run."""

import re

from click.testing import CliRunner

from glitchvae.cli import main


def run(*arguments):
    return CliRunner(env={"COLUMNS": "300"}).invoke(main, ["recipe", *map(str, arguments)])


def test_list_has_a_line_for_each_recipe():
    result = run("list")
    assert result.exit_code == 0, result.output
    assert re.search(r"^discover +From strain to a report", result.output, re.MULTILINE)


def test_copy_then_run_the_copy(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = run("copy", "discover", "-o", tmp_path)
    assert result.output.split() == [str(tmp_path / "discover.py"), str(tmp_path / "discover.toml")]
    program = '"""Say so."""\n\n\ndef main(config, out, *, tiny):\n    print(config, out, tiny)\n'
    (tmp_path / "discover.py").write_text(program, encoding="utf-8")
    result = run("run", tmp_path / "discover.py", "-o", "results", "--tiny")
    assert result.stdout.splitlines() == [f"{tmp_path / 'discover.toml'} results True"]
    assert result.stderr.startswith("Rehearsal (--tiny)")
    again = run("copy", "discover", "-o", tmp_path)
    assert again.exit_code == 3
    assert "the folder exists already" in again.output


def test_settings_are_changed_on_the_command_line(tmp_path):
    result = run("run", "discover", "--set", "fils=[]", "-o", tmp_path / "out", "--tiny")
    assert result.exit_code == 3
    assert f"{tmp_path / 'out' / 'discover.toml'}: unknown key 'fils'" in result.output


def test_unknown_recipe_names_the_nearest():
    result = run("run", "discovr")
    assert result.exit_code == 3
    assert "did you mean 'discover'" in result.output


def test_a_problem_of_the_recipe_is_told_without_a_traceback(tmp_path):
    (tmp_path / "discover.toml").write_text("fils = []", encoding="utf-8")
    result = run("run", "discover", "--config", tmp_path / "discover.toml", "-o", tmp_path / "out")
    assert result.exit_code == 3
    assert "did you mean 'files'" in result.output


def test_settings_that_are_nowhere_are_told_beside_those_that_are_shipped(tmp_path):
    result = run("run", "train_default_model", "--config", "anealed.toml", "-o", tmp_path)
    assert result.exit_code == 3
    assert "annealed.toml" in result.output
    assert "Traceback" not in result.output

"""A wrong configuration names file, key and the nearest valid name."""

import pytest
from pydantic import ValidationError, model_validator

from glitchvae.config import Settings, parse, read_config, read_toml, with_changes
from glitchvae.errors import ConfigError


class Run(Settings):
    steps: int = 10
    beta: float = 1.0

    @model_validator(mode="after")
    def _agree(self):
        if self.beta > self.steps:
            raise ValueError("beta must not exceed steps")
        return self


def test_reads_values(tmp_path):
    (tmp_path / "r.toml").write_text("steps = 3\n")
    assert read_config(Run, tmp_path / "r.toml") == Run(steps=3)


def test_unknown_key_suggests_the_nearest():
    with pytest.raises(ConfigError, match=r"unknown key 'step' \(did you mean 'steps'\?\)"):
        parse(Run, {"step": 3})


def test_an_endless_key_is_cut():
    with pytest.raises(ConfigError, match="unknown key 'aaa") as caught:
        parse(Run, {5000 * "a": 3})
    assert len(str(caught.value)) < 1200


def test_all_problems_are_listed_at_once():
    with pytest.raises(ConfigError) as caught:
        parse(Run, {"steps": "many", "gamma": 1}, where="r.toml")
    assert "r.toml" in str(caught.value)
    assert "steps" in str(caught.value)
    assert "gamma" in str(caught.value)


def test_entries_that_do_not_go_together_are_told_in_the_settings_own_words():
    with pytest.raises(ConfigError, match=r"^r\.toml: beta must not exceed steps \(found \{"):
        parse(Run, {"steps": 1, "beta": 2.0}, where="r.toml")


def test_broken_toml_names_file_and_line(tmp_path):
    (tmp_path / "b.toml").write_text("a = 1\nb = \n")
    with pytest.raises(ConfigError, match=r"b\.toml: not valid TOML.*line 2"):
        read_toml(tmp_path / "b.toml")


def test_missing_file(tmp_path):
    with pytest.raises(ConfigError, match="no such file"):
        read_toml(tmp_path / "none.toml")


def test_settings_do_not_change():
    with pytest.raises(ValidationError):
        Run().steps = 5  # type: ignore[misc]


class Study(Settings):
    run: Run = Run()
    runs: tuple[Run, ...] = ()
    maybe: Run | None = None


@pytest.mark.parametrize(
    ("values", "key"),
    [
        ({"run": {"stepz": 1}}, r"run\.stepz"),
        ({"runs": [{}, {"stepz": 1}]}, r"runs\.1\.stepz"),
        ({"maybe": {"stepz": 1}}, r"maybe\.stepz"),
    ],
)
def test_unknown_keys_of_tables_suggest_the_nearest_of_that_table(values, key):
    with pytest.raises(ConfigError, match=rf"unknown key '{key}' \(did you mean 'steps'\?\)"):
        parse(Study, values)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("a=2", {"a": 2, "table": {"x": 1, "y": 2}}),
        ("table.x=5", {"a": 1, "table": {"x": 5, "y": 2}}),
        ("table={z=1}", {"a": 1, "table": {"x": 1, "y": 2, "z": 1}}),
        ("a=my_module:Net", {"a": "my_module:Net", "table": {"x": 1, "y": 2}}),
        ("a=runs/x*.h5", {"a": "runs/x*.h5", "table": {"x": 1, "y": 2}}),
    ],
)
def test_lines_of_toml_are_laid_over_a_table(change, expected):
    before = {"a": 1, "table": {"x": 1, "y": 2}}
    assert with_changes(before, [change]) == expected
    assert before == {"a": 1, "table": {"x": 1, "y": 2}}


def test_a_change_that_is_no_toml_is_told():
    with pytest.raises(ConfigError, match=r"a 2: cannot be read; expected KEY=VALUE"):
        with_changes({}, ["a 2"])

"""A folder belongs to the study that was begun there."""

import pytest
from pydantic import Field

from glitchvae.config import Settings
from glitchvae.errors import ConfigError, InputError
from glitchvae.recipes.settings import SETTINGS, enter, settings_in


class Study(Settings):
    steps: int = 3
    seeds: tuple[int, ...] = (0, 1)
    path: str | None = None
    training: dict[str, float] = Field(default_factory=dict)


def test_settings_are_written_once_and_read_again(tmp_path):
    out = tmp_path / "new"
    assert settings_in(out, Study) is None
    given = Study(steps=5, training={"rate": 1e-3})
    enter(out, given)
    assert settings_in(out, Study) == given
    written = (out / SETTINGS).stat().st_mtime_ns
    enter(out, given)
    assert (out / SETTINGS).stat().st_mtime_ns == written


def test_other_settings_are_refused_and_named_but_for_those_that_are_free(tmp_path):
    enter(tmp_path, Study())
    message = (
        r"settings\.toml: the folder holds a study with other settings: steps;"
        r" expected .*7.*found .*3"
    )
    with pytest.raises(InputError, match=message):
        enter(tmp_path, Study(steps=7), free=("seeds",))
    more = Study(seeds=(0, 1, 2))
    with pytest.raises(InputError, match="other settings: seeds"):
        enter(tmp_path, more)
    assert settings_in(tmp_path, Study) == Study()
    enter(tmp_path, more, free=("seeds",))
    assert settings_in(tmp_path, Study) == more


def test_a_damaged_file_is_named(tmp_path):
    (tmp_path / SETTINGS).write_text("steps = ")
    with pytest.raises(ConfigError, match=r"not valid TOML"):
        enter(tmp_path, Study())
    (tmp_path / SETTINGS).write_text("stepz = 1")
    with pytest.raises(ConfigError, match=r"unknown key 'stepz'.*did you mean 'steps'"):
        enter(tmp_path, Study())

"""The page on objectives names every objective with its keys and defaults."""

from pathlib import Path

import pytest

from glitchvae.objectives import OBJECTIVES

PAGE = Path(__file__).parents[2] / "docs" / "objectives.md"


@pytest.mark.parametrize("name", OBJECTIVES)
def test_the_page_has_all_keys_with_their_defaults(name):
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    (row,) = [line for line in lines if line.startswith(f"| `{name}` |")]
    written = row.split("|")[-2].strip()
    fields = {k: v.default for k, v in OBJECTIVES[name].model_fields.items() if k != "name"}
    expected = {f"`{key}` = {default}" for key, default in fields.items()}
    assert set(written.replace("(0.5, 0.9)", "(0.5; 0.9)").split(", ")) == {
        entry.replace("(0.5, 0.9)", "(0.5; 0.9)") for entry in expected
    }

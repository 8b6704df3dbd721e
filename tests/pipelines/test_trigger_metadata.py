"""The recipe of trigger metadata: rehearsed end to end."""

import csv
from contextlib import redirect_stdout
from io import StringIO

import pytest

from glitchvae.recipes import find_recipe, run_recipe


@pytest.mark.whole
@pytest.mark.filterwarnings("ignore:The number of unique classes")
@pytest.mark.filterwarnings("ignore:The least populated class")
def test_a_rehearsal_compares_and_scores(tmp_path):
    with redirect_stdout(StringIO()) as told:
        run_recipe(find_recipe("trigger_metadata"), tmp_path, tiny=True)
    with (tmp_path / "scores.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert {row["what"] for row in rows} == {"metadata, official split", "metadata, days held out"}
    for row in rows:
        assert 0 <= float(row["lowest"]) <= float(row["highest"]) <= 1
        assert row["what"] in told.getvalue()
    with (tmp_path / "marginals.csv").open(encoding="utf-8") as file:
        assert all(0 <= float(row["ks"]) <= 1 for row in csv.DictReader(file))
    assert (tmp_path / "marginals.png").read_bytes().startswith(b"\x89PNG")

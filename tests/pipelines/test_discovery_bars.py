"""The recipe that measures discovery, rehearsed end to end with an untrained little model."""

import csv
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO

import pytest

from glitchvae.checkpoint import save_checkpoint
from glitchvae.models import GlitchVAE, GlitchVAESettings
from glitchvae.recipes import find_recipe, run_recipe
from tests.cards import blank_card


@pytest.mark.slow
def test_a_rehearsal_writes_every_table(tmp_path):
    card = blank_card(data="0" * 64)
    model = GlitchVAE(GlitchVAESettings(widths=(4,), hidden=8, latent_size=3))
    save_checkpoint(tmp_path / "model", model, card)
    recipe = find_recipe("discovery_bars")
    text = recipe.config.read_text(encoding="utf-8")
    config = tmp_path / "bars.toml"
    config.write_text(text.replace('"default"', f'"{tmp_path / "model"}"'), encoding="utf-8")
    with redirect_stdout(StringIO()), redirect_stderr(StringIO()):
        run_recipe(recipe, tmp_path / "out", config=config, tiny=True)
    found = {}
    for name in ("leave_one_out", "leave_two_out", "null", "novelty", "clustering"):
        with (tmp_path / "out" / f"{name}.csv").open(encoding="utf-8") as file:
            found[name] = list(csv.DictReader(file))
    assert len(found["leave_two_out"]) == 2
    assert len(found["leave_one_out"]) >= 2
    assert {row["codes"] for row in found["clustering"]} == {
        "codes",
        "trigger columns",
        "pixels, PCA",
    }
    assert all(0 <= float(row["purity"]) <= 1 for row in found["clustering"])
    assert found["null"][0]["what"] == "false candidates a run"

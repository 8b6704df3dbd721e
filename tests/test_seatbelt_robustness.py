"""The recipe of the robustness study runs through, and a second run trains nothing again."""

import csv

import pytest

from glitchvae.errors import ConfigError
from glitchvae.recipes import find_recipe, run_recipe

FIGURES = (
    "adversaries", "attacks", "elbo", "layers", "noise", "resistance", "samples", "traversals",
)  # fmt: skip


@pytest.mark.slow
def test_a_rehearsal_leaves_models_tables_figures_and_claims(tmp_path):
    recipe = find_recipe("seatbelt_robustness")
    run_recipe(recipe, tmp_path, tiny=True)
    with (tmp_path / "models.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [row["kind"] for row in rows] == [*["tc"] * 2, *["tc-dlgm"] * 2, *["seatbelt"] * 2]
    for name in ("norms", "mig"):
        assert len((tmp_path / f"{name}.csv").read_text().splitlines()) == 1 + 6
    for name in FIGURES:
        assert (tmp_path / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    claims = (tmp_path / "claims.md").read_text()
    assert "beta-TCVAE" in claims
    assert "Least KL of a layer" in claims
    weights = tmp_path / "runs" / "tc-L1-beta1-seed0" / "weights.safetensors"
    written = weights.stat().st_mtime_ns
    run_recipe(recipe, tmp_path, tiny=True)
    assert weights.stat().st_mtime_ns == written


def test_a_study_without_the_plain_vae_is_refused(tmp_path):
    recipe = find_recipe("seatbelt_robustness")
    changed = recipe.config.read_text().replace("betas = [1.0,", "betas = [2.0,")
    (tmp_path / "mine.toml").write_text(changed)
    with pytest.raises(ConfigError, match="the lowest has to be 1"):
        run_recipe(recipe, tmp_path, config=tmp_path / "mine.toml")

"""The recipe of the robustness study runs through, and a second run trains nothing again."""

import csv

import pytest

from glitchvae.recipes import find_recipe, run_recipe


@pytest.mark.slow
def test_a_rehearsal_leaves_models_figures_and_claims(tmp_path):
    recipe = find_recipe("seatbelt_robustness")
    run_recipe(recipe, tmp_path, tiny=True)
    with (tmp_path / "models.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [row["kind"] for row in rows] == ["beta", *["tc"] * 2, *["tc-dlgm"] * 2,
                                             *["seatbelt"] * 2]  # fmt: skip
    for name in ("attacks.png", "noise.png"):
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")
    assert "beta-TCVAE" in (tmp_path / "claims.md").read_text()
    weights = tmp_path / "runs" / "beta-L1-beta1-seed0" / "weights.safetensors"
    written = weights.stat().st_mtime_ns
    run_recipe(recipe, tmp_path, tiny=True)
    assert weights.stat().st_mtime_ns == written

"""The recipe of the robustness study runs through, and a second run trains nothing again."""

import csv
from itertools import product
from pathlib import Path

import pytest

from glitchvae.checkpoint import read_card
from glitchvae.errors import GlitchvaeError
from glitchvae.recipes import find_recipe, run_recipe

PUBLISHED = Path(__file__).parents[3] / "docs" / "results" / "seatbelt" / "dsprites" / "models.csv"
FIGURES = (
    "adversaries",
    "attacks",
    "elbo",
    "heat-seatbelt",
    "heat-tc-dlgm",
    "layers",
    "noise",
    "noise-histograms",
    "units",
    "mean_relative_divergence",
    "samples",
    "traversals",
)


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
    page = (tmp_path / "page.md").read_text()
    assert page.count("| Table J.2 | ") == 36
    assert "heat-seatbelt.png" in page
    done, stopped = (tmp_path / "runs" / f"tc-L1-beta{beta}-seed0" for beta in (1, 4))
    written = (done / "weights.safetensors").stat().st_mtime_ns
    card = (stopped / "card.toml").read_text()
    (stopped / "card.toml").write_text(card.replace("\nsteps = 4", "\nsteps = 1"))
    run_recipe(recipe, tmp_path, tiny=True)
    assert (done / "weights.safetensors").stat().st_mtime_ns == written
    assert read_card(stopped).steps == 4


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("betas", "[2.0, 4.0]", "the lowest has to be 1"),
        ("layers", "[2, 7]", "less than or equal to 5"),
        ("kinds", '["seatbeld"]', "'seatbelt'"),
        ("data", '"sprites"', "'dsprites', 'chairs', 'faces', 'celeba' or 'glitches'"),
        ("path", '"absent.npz"', "no such file"),
        ("data", '"faces"', "no path to the published faces"),
        ("network", '"chan"', "'chen'"),
        ("evaluationss", "3", "unknown key 'evaluationss'"),
    ],
)
def test_settings_that_make_no_study_are_refused_before_it(tmp_path, key, value, message):
    recipe = find_recipe("seatbelt_robustness")
    lines = recipe.config.read_text().splitlines()
    kept = [line for line in lines if not line.startswith(f"{key} =")]
    changed = [f"{key} = {value}", *kept]
    (tmp_path / "mine.toml").write_text("\n".join(changed))
    with pytest.raises(GlitchvaeError, match=message):
        run_recipe(recipe, tmp_path, config=tmp_path / "mine.toml")


def test_the_published_study_has_living_layers_and_an_elbo_that_beta_hardly_lowers():
    with PUBLISHED.open() as stream:
        rows = list(csv.DictReader(stream))
    deep = [row for row in rows if row["kind"] == "seatbelt"]
    assert min(float(rate) for row in deep for rate in row["rates"].split()) > 0.9
    for layers, seed in product("24", "012"):
        assert fall(rows, "seatbelt", layers, seed) < fall(rows, "tc", "1", seed) - 4


def fall(rows, kind, layers, seed):
    """How far the ELBO falls from beta 1 to 10."""
    elbo = {
        float(row["beta"]): float(row["elbo"])
        for row in rows
        if (row["kind"], row["layers"], row["seed"]) == (kind, layers, seed)
    }
    return elbo[1] - elbo[10]

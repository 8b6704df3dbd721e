"""The recipe that measures discovery, rehearsed end to end with an untrained little model."""

import csv
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO

import numpy as np
import pytest

from glitchvae.checkpoint import save_checkpoint
from glitchvae.classes.prototypes import Prototypes
from glitchvae.models import GlitchVAE, GlitchVAESettings
from glitchvae.recipes import find_recipe, run_recipe
from glitchvae.recipes.running import load_recipe
from tests.cards import blank_card


def test_the_ceiling_is_high_where_a_line_parts_the_classes(rng):
    names = np.repeat(np.array(["apart", "like", "alike"], dtype=object), 120)
    middles = np.repeat([[8.0, 0.0], [0.0, 0.0], [0.0, 0.0]], 120, axis=0)
    codes = [rng.normal(middles) for _ in range(2)]
    known, archive = (SimpleEvents(c, names) for c in codes)
    ceilings = load_recipe(find_recipe("discovery_bars")).ceilings
    prototypes = Prototypes.fit(codes[0], names)
    rows = ceilings(archive, names, known, prototypes, ["apart", "like"])
    apart, like = rows
    assert apart[1] >= 0.9
    assert apart[2] >= 0.99
    assert apart[3]
    assert not like[3]  # nothing tells it from the other


class SimpleEvents:
    """Codes and labels."""

    def __init__(self, codes, names):
        self.mean, self.label, self.class_name = codes, names, names

    def __len__(self):
        return len(self.mean)


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
    for name in ("leave_one_out", "leave_two_out", "ceiling", "null", "novelty", "clustering"):
        with (tmp_path / "out" / f"{name}.csv").open(encoding="utf-8") as file:
            found[name] = list(csv.DictReader(file))
    assert len(found["leave_two_out"]) == 2
    assert len(found["leave_one_out"]) >= 2
    assert len(found["ceiling"]) == len(found["leave_one_out"])
    assert {row["codes"] for row in found["clustering"]} == {
        "codes",
        "trigger columns",
        "pixels, PCA",
    }
    assert all(0 <= float(row["purity"]) <= 1 for row in found["clustering"])
    assert found["null"][0]["what"] == "false candidates a run"

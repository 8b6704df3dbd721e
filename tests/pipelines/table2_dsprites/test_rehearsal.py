"""The recipe of Table 2: rehearsed end to end, one of its objectives."""

from contextlib import redirect_stderr, redirect_stdout
from io import StringIO

import pytest

from glitchvae.recipes import find_recipe, run_recipe


@pytest.mark.whole
def test_a_rehearsal_trains_scores_and_judges(tmp_path):
    config = tmp_path / "few.toml"
    config.write_text('[study]\nobjectives = ["annealed"]\n')
    with redirect_stdout(StringIO()) as told, redirect_stderr(StringIO()) as progress:
        run_recipe(find_recipe("table2_dsprites"), tmp_path / "out", config=config, tiny=True)
    assert "4 of 4" in progress.getvalue()  # three rows, and the model of figure 2
    assert told.getvalue().count("| cannot be judged") == 6
    page = (tmp_path / "out" / "page.md").read_text(encoding="utf-8")
    assert page.count("| cannot be judged: 1 seed |") == 3 * 6
    assert "figure2.png" in page
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert {
        "table2.csv",
        "claims.md",
        "scores.csv",
        "codes.parquet",
        "kl.png",
        "figure2.png",
    } <= names

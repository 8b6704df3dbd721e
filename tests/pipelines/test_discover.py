"""The recipe `discover`: rehearsed end to end on simulated strain with a little model."""

from contextlib import redirect_stderr, redirect_stdout
from io import StringIO

import numpy as np
import pytest

from glitchvae.archive import Archive
from glitchvae.discovery.runs import read_run
from glitchvae.errors import GlitchvaeError
from glitchvae.recipes import find_recipe, run_recipe


@pytest.fixture(scope="module")
def settings(tmp_path_factory, save_untrained):
    folder = tmp_path_factory.mktemp("discover")
    codes = np.random.default_rng(1).normal(size=(200, 3))
    labels = np.array(["Blip", "Tomte"] * 100, dtype=object)
    model = save_untrained(folder / "model", codes, labels)
    config = folder / "discover.toml"
    config.write_text(f'files = []\nmodel = "{model}"\n', encoding="utf-8")
    return config


@pytest.mark.whole
def test_a_rehearsal_ends_with_a_report(settings, tmp_path):
    with redirect_stdout(StringIO()) as told, redirect_stderr(StringIO()):
        run_recipe(find_recipe("discover"), tmp_path, config=settings, tiny=True)
    events = Archive(tmp_path / "archive").embeddings()
    assert set(events.ifo) == {"H1", "L1"}
    card = read_run(tmp_path / "run")
    assert card.summary["events"] == len(events)
    assert card.summary["live_hours"] == {}
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert page.count("data:image/webp") >= len(events)
    assert f"{len(events)} glitches" in told.getvalue()
    assert "p-values are relative to simulated glitches" in told.getvalue()
    assert "live time unknown" in told.getvalue()


def test_nothing_but_damaged_files_is_an_error(settings, tmp_path):
    (tmp_path / "a.hdf5").write_bytes(b"damaged")
    config = tmp_path / "discover.toml"
    text = settings.read_text().replace("[]", f'["{tmp_path}/*.hdf5"]')
    config.write_text(text, encoding="utf-8")
    with (
        redirect_stderr(StringIO()),
        pytest.raises(GlitchvaeError, match="none of the 1 files could be used"),
    ):
        run_recipe(find_recipe("discover"), tmp_path / "out", config=config)

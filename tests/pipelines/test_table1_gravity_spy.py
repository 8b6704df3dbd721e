"""The recipe of Table 1: rehearsed with two objectives, resumed, and its shipped settings."""

import csv
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO

import pytest
import tomli_w

from glitchvae.config import read_toml
from glitchvae.errors import GlitchvaeError, InputError
from glitchvae.models import build
from glitchvae.recipes import find_recipe, load_main, run_recipe
from glitchvae.training import changed_config


@pytest.fixture(scope="module")
def settings():
    return read_toml(find_recipe("table1_gravity_spy").config)


def rehearse(out, config):
    with redirect_stdout(StringIO()) as told, redirect_stderr(StringIO()) as said:
        run_recipe(find_recipe("table1_gravity_spy"), out, config=config, tiny=True)
    return told.getvalue(), said.getvalue()


@pytest.mark.whole
def test_a_rehearsal_ends_with_a_table_and_repeats_nothing(tmp_path, settings):
    chosen = [o for o in settings["objectives"] if o["name"] in ("beta-VAE", "Seatbelt-VAE")]
    few = {**settings, "objectives": chosen, "claims": [["Seatbelt-VAE", "beta-VAE"]]}
    (tmp_path / "few.toml").write_text(tomli_w.dumps(few))
    told, said = rehearse(tmp_path / "out", tmp_path / "few.toml")
    assert "| Seatbelt-VAE above beta-VAE (points of accuracy) | " in told
    runs = [line for line in said.splitlines() if line.endswith(("-0", "-1"))]
    assert runs == ["beta-VAE-0", "Seatbelt-VAE-0", "beta-VAE-1", "Seatbelt-VAE-1"]
    with (tmp_path / "out" / "table1.csv").open(newline="") as file:
        rows = {row["method"]: row for row in csv.DictReader(file)}
    assert set(rows) == {"beta-VAE", "Seatbelt-VAE", "pixels, PCA"}
    assert float(rows["beta-VAE"]["published"]) == 0.6126
    assert float(rows["Seatbelt-VAE"]["distortion"]) > 0
    assert (tmp_path / "out" / "table1.png").read_bytes().startswith(b"\x89PNG")

    (tmp_path / "out" / "beta-VAE-1" / "predictions.csv").unlink()
    again, said = rehearse(tmp_path / "out", tmp_path / "few.toml")
    assert "beta-VAE-1" in said.splitlines()
    assert not {"simulating", "beta-VAE-0", "Seatbelt-VAE-1"} & set(said.split())
    assert again == told


def test_the_shipped_protocol_is_the_same_for_all(settings):
    """Every objective fits its model, and all models have the same size of code."""
    main = load_main(find_recipe("table1_gravity_spy"))
    assert callable(main)
    sizes = set()
    for line in settings["objectives"]:
        table = {**settings["training"], "objective": line["objective"]}
        table |= {"model": line["model"]} if "model" in line else {}
        run = changed_config(table, {})
        values = run.model_dump()["model"]
        model = build(values.pop("architecture"), values)
        run.objective.check(model)
        sizes.add(sum(model.layers))
        assert getattr(run.objective, "iteration_threshold", 1) <= run.steps or (
            getattr(run.objective, "shape", "linear") == "constant"
        )
    assert sizes == {32}
    names = {line["name"] for line in settings["objectives"]}
    assert {name for claim in settings["claims"] for name in claim} <= names


@pytest.mark.whole
def test_the_page_says_what_is_published_and_of_how_many_seeds(tmp_path, settings):
    chosen = [o for o in settings["objectives"] if o["name"] in ("beta-VAE", "VAE")]
    few = {**settings, "objectives": chosen, "claims": [["beta-VAE", "VAE"]]}
    (tmp_path / "few.toml").write_text(tomli_w.dumps(few))
    rehearse(tmp_path / "out", tmp_path / "few.toml")
    page = (tmp_path / "out" / "page.md").read_text(encoding="utf-8")
    (line,) = [x for x in page.splitlines() if x.startswith("| beta-VAE |")]
    assert line.endswith("| 0.6126 | cannot be judged: 2 seeds |")
    assert "Not as in the paper: simulated events" in page
    other = {**few, "block": 100.0}
    (tmp_path / "other.toml").write_text(tomli_w.dumps(other))
    with pytest.raises(InputError, match="other settings: block"):
        rehearse(tmp_path / "out", tmp_path / "other.toml")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"objectives": [{"name": "x", "objective": {"name": "seatbelt"}, "model": "FLAT"}]},
            "seatbelt",
        ),
        ({"objectives": [{"name": "x", "objective": {"name": "betta"}}]}, "betta"),
        ({"claims": [["VAE", "no such"]]}, "a claim of no objective.*no such"),
        ({"poool": 2}, "unknown key 'poool'.*'pool'"),
        ({"training": {"stepss": 2}}, "unknown key 'stepss'.*'steps'"),
    ],
)
def test_what_makes_no_study_is_refused_before_it(tmp_path, settings, changes, message):
    for line in changes.get("objectives", []):
        if line.get("model") == "FLAT":
            line["model"] = settings["training"]["model"]
    given = {**settings, "claims": [], **changes}
    (tmp_path / "mine.toml").write_text(tomli_w.dumps(given))
    with pytest.raises(GlitchvaeError, match=message):
        run_recipe(
            find_recipe("table1_gravity_spy"), tmp_path / "out", config=tmp_path / "mine.toml"
        )
    assert not (tmp_path / "out" / "set.h5").exists()

"""The recipe that measures how robust a model's classes are, rehearsed."""

import csv
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO

import pytest
import tomli_w

from glitchvae.config import read_toml
from glitchvae.recipes import find_recipe, run_recipe
from glitchvae.simulate import FAMILIES
from glitchvae.strain import write_gwosc
from glitchvae.validation.robustness import strain_attacks
from glitchvae.validation.robustness.strain_events import simulate_class


def rows(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def quicken(monkeypatch):
    defaults = strain_attacks.attack_strain.__kwdefaults__
    short = {**defaults, "rounds": 1, "steps": 10}
    monkeypatch.setattr(strain_attacks.attack_strain, "__kwdefaults__", short)
    monkeypatch.setattr(strain_attacks, "SIZES", (8.0,))


@pytest.mark.whole
def test_a_rehearsal_attacks_changes_and_sums_up(tmp_path, monkeypatch):
    quicken(monkeypatch)
    with redirect_stdout(StringIO()) as told, redirect_stderr(StringIO()):
        run_recipe(find_recipe("glitch_robustness"), tmp_path, tiny=True)
    (attacked,) = rows(tmp_path / "attacks.csv")
    assert (attacked["class"], attacked["target"]) == ("Blip", "Koi_Fish")
    assert 10 < float(attacked["event_snr"]) < 35
    assert "| simulated | Blip to Koi_Fish |" in told.getvalue()
    assert "| simulated | time shift |" in told.getvalue()
    corruptions = rows(tmp_path / "corruptions.csv")
    assert {row["origin"] for row in corruptions} == {"simulated"}
    assert {row["events"] for row in corruptions} == {"2"}
    assert (tmp_path / "corruptions.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.whole
def test_events_of_tables_are_attacked_too(tmp_path, monkeypatch):
    quicken(monkeypatch)
    strain, truth = simulate_class("Blip", 2, spacing=20.0, margin=18.0, sample_rate=1024.0, seed=3)
    write_gwosc(tmp_path / "blips.hdf5", strain)
    lines = [f"blips.hdf5,{gps},Blip" for gps in (*truth.gps, strain.start + 0.5)]
    (tmp_path / "labels.csv").write_text("\n".join(["file,gps,label", *lines]))
    recipe = find_recipe("glitch_robustness")
    values = read_toml(recipe.config)
    changed = {
        **values,
        "events": [str(tmp_path / "labels.csv")],
        "attacks": [],
        "classes": ["Tomte"],
        "per_class": 1,
        "sample_rate": 1024.0,
    }
    (tmp_path / "mine.toml").write_text(tomli_w.dumps(changed))
    with redirect_stdout(StringIO()), redirect_stderr(StringIO()):
        run_recipe(recipe, tmp_path / "out", config=tmp_path / "mine.toml")
    corruptions = rows(tmp_path / "out" / "corruptions.csv")
    # The third event has no room for an image.
    tables = {row["events"] for row in corruptions if row["origin"] == "tables"}
    assert tables <= {"1", "2"}
    assert "2" in tables
    assert {row["events"] for row in rows(tmp_path / "out" / "attacks.csv")} <= {"tables"}


def test_the_shipped_settings_name_classes():
    values = read_toml(find_recipe("glitch_robustness").config)
    for attack in values["attacks"]:
        assert {attack["label"], attack["target"]} <= set(FAMILIES)

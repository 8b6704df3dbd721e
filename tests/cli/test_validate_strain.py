"""`glitchvae validate strain` on simulated strain."""

import numpy as np
import pytest
from click.testing import CliRunner

from glitchvae.checkpoint import load_checkpoint, save_checkpoint
from glitchvae.cli import main
from glitchvae.simulate import simulate_strain
from glitchvae.validation.robustness import strain_attacks, strain_corruptions
from glitchvae.validation.robustness.corruption_test import CorruptionTest
from glitchvae.validation.robustness.strain_attacks import StrainAttacks


@pytest.fixture(scope="module")
def glitch(simulated_files):
    """A file and the time of a glitch in it."""
    _, truth = simulate_strain(48.0, "H1", 3, glitches=4)
    return simulated_files[0], float(truth.gps[1])


def validate(*arguments):
    return CliRunner().invoke(main, ["validate", "strain", *map(str, arguments)])


@pytest.fixture
def short(monkeypatch):
    """A few steps of attacks, one corruption."""

    def preset(function, **values):
        defaults = {**function.__kwdefaults__, **values}
        monkeypatch.setattr(function, "__kwdefaults__", defaults)

    preset(strain_attacks.attack_strain, rounds=1, steps=5)
    preset(strain_attacks.noise_limit, draws=1)
    preset(
        strain_corruptions.corrupt_strain,
        corruptions=(strain_corruptions.Shift(strengths=(1.0, 20.0)),),
    )
    monkeypatch.setattr(strain_attacks, "SIZES", (8.0,))
    monkeypatch.setattr(strain_attacks, "SHARES", (1.0, 1.5))


@pytest.mark.usefixtures("short")
def test_an_attack_prints_a_line_an_event(glitch, tmp_path):
    path, gps = glitch
    out = tmp_path / "attacks.h5"
    result = validate(path, "--gps", gps, "--gps", gps, "--to", "Blip", "-o", out)
    assert result.exit_code == 0, result.output
    assert result.stdout.count("-> Blip") == 2
    (both,) = StrainAttacks.read(out).events()
    assert len(both) == 4
    least = both.smallest
    assert (f"{least:.2f}" if np.isfinite(least) else "not reached") in result.stdout


@pytest.mark.usefixtures("short")
def test_changes_print_a_table_and_draw_curves(glitch, tmp_path):
    path, gps = glitch
    result = validate(path, "--gps", gps, "--corruptions", "-o", tmp_path / "corruptions.h5")
    assert result.exit_code == 0, result.output
    assert "time shift" in result.stdout
    assert "keep their class  of" in result.stdout
    assert "have another class from" in result.stdout
    np.testing.assert_array_equal(
        CorruptionTest.read(tmp_path / "corruptions.h5").strength, [1.0, 20.0]
    )
    assert (tmp_path / "corruptions.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ((), 2, "--to CLASS or --corruptions"),
        (("--corruptions", "--to", "Blip"), 2, "--to CLASS or --corruptions"),
        (("--to", "Blib"), 3, "did you mean 'Blip'"),
        (("--to", "Blip", "--gps", 5.0), 3, "outside_data"),
        (("--corruptions", "--gps", 5.0), 3, "outside_data"),
        (("--corruptions", "--imaging", "dark"), 3, "no imaging settings"),
    ],
)
def test_bad_questions_are_answered_in_one_line(arguments, code, message, glitch):
    path, gps = glitch
    result = validate(path, "--gps", gps, *arguments)
    assert result.exit_code == code
    assert message in result.output
    assert "Traceback" not in result.output


def test_a_model_without_classes_is_refused(glitch, tmp_path):
    path, gps = glitch
    default = load_checkpoint("default")
    save_checkpoint(tmp_path / "bare", default.model, default.card)
    for question in (("--corruptions",), ("--to", "Blip")):
        result = validate(path, "--gps", gps, "--model", tmp_path / "bare", *question)
        assert result.exit_code == 3
        assert "without class prototypes" in result.output

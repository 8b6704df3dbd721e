"""`glitchvae train`: settings from file and options, plan, resume, stop."""

import re

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from glitchvae.checkpoint import load_checkpoint
from glitchvae.cli import main
from glitchvae.models import prepare
from glitchvae.spectrogram import SpectrogramSet

SETTINGS = """
steps = 3
batch_size = 4
[model]
widths = [2, 2, 2, 2]
hidden = 8
latent_size = 2
"""


@pytest.fixture
def files(tmp_path, rng):
    count = 8
    numbers = dict.fromkeys(
        ("gps", "snr", "peak_frequency", "q", "duration", "bandwidth", "f_max", "block_duration"),
        np.ones(count),
    )
    SpectrogramSet(
        images=rng.exponential(1.0, (count, 4, 140, 170)).astype(np.float16),
        event_id=np.array([f"e{i}" for i in range(count)]),
        ifo=np.array(["H1"] * count),
        status=np.array(["ok"] * (count - 1) + ["gap"]),
        label=np.array(["Blip", "Tomte"] * 4),
        imaging={"name": "light"},
        **numbers,
    ).write(tmp_path / "set.h5")
    (tmp_path / "run.toml").write_text(SETTINGS)
    return tmp_path


def run(files, *arguments):
    """Invoke the command on the set, with the settings file."""
    paths = [str(files / "set.h5"), "--config", str(files / "run.toml"), "--device", "cpu"]
    return CliRunner().invoke(main, ["train", *paths, *arguments])


def unboxed(text):
    """The words of a message that was wrapped into a box."""
    return " ".join(re.sub(r"[│╭╮╰╯─]", " ", text).split())


def test_the_encoder_is_exported_on_request(files):
    result = run(files, "--objective", "beta", "--export", "pt2", "-o", str(files / "run"))
    assert result.exit_code == 0, result.output
    encode = torch.export.load(files / "run" / "encoder.pt2").module()
    energies = torch.rand(2, 4, 140, 170)
    with torch.no_grad():
        expected = load_checkpoint(files / "run").model.encode(prepare(energies)[0]).mean
        torch.testing.assert_close(encode(energies)[0], expected, rtol=0, atol=1e-5)


def test_a_set_becomes_a_checkpoint(files):
    result = run(files, "--objective", "beta", "--seed", "5", "-o", str(files / "run"))
    assert result.exit_code == 0, result.output
    assert result.stdout.strip() == str(files / "run")
    assert "7 training events" in result.stderr
    opened = load_checkpoint(files / "run")
    assert opened.card.objective == {"name": "beta", "beta": 1.0}
    assert opened.card.seed == 5
    assert opened.card.imaging == ({"name": "light"},)
    assert opened.card.data.description == "set.h5"


def test_a_plan_writes_nothing(files):
    result = run(files, "--plan")
    assert result.exit_code == 0, result.output
    assert "M parameters, 2 latent dimensions, objective annealed; 7 training" in result.stderr
    assert "3 steps of 4" in result.stderr
    assert sorted(p.name for p in files.iterdir()) == ["run.toml", "set.h5"]


@pytest.mark.parametrize(
    ("objective", "on"), [("dlgm", "first"), ("tc-dlgm", "first"), ("seatbelt", "all")]
)
def test_an_objective_for_hierarchies_trains_one(files, objective, on):
    (files / "run.toml").write_text(
        "steps = 2\nbatch_size = 4\n[model.glitch]\nwidths = [2, 2]\nhidden = 8\n"
    )
    result = run(files, "--objective", objective, "-o", str(files / "run"))
    assert result.exit_code == 0, result.output
    assert "48, 24, 12, 6 latent dimensions from layer to layer" in result.stderr
    card = load_checkpoint(files / "run").card
    assert card.objective["name"] == objective
    assert (card.architecture, card.latent_size) == ("hierarchy", 48 + 24 + 12 + 6)
    assert card.model["latent_sizes"] == [48, 24, 12, 6]
    assert card.model["likelihood_on"] == on


def test_one_layer_is_not_trained_under_the_name_of_a_hierarchy(files):
    (files / "run.toml").write_text(SETTINGS.replace("[model]", '[model]\narchitecture = "glitch"'))
    result = run(files, "--objective", "seatbelt", "-o", str(files / "run"))
    assert result.exit_code == 3
    assert "With one layer the objective is tc" in unboxed(result.stderr)
    assert not (files / "run").exists()


def test_a_plan_says_what_a_step_takes(files):
    text = run(files, "--plan", "--ensemble", "seeds=3").stderr
    assert re.search(r"[\d.]+ GFLOP and \d+ MB: about [\d.]+ min, 3 members", text)


def test_an_ensemble_becomes_a_folder_of_checkpoints(files):
    axes = ["--ensemble", "seeds=2", "--ensemble", "beta0=2,8", "--strategy", "loop"]
    result = run(files, *axes, "-o", str(files / "runs"))
    assert result.exit_code == 0, result.output
    folders = [f"seed-{seed}-beta0-{beta0}" for seed in (0, 1) for beta0 in (2, 8)]
    assert result.stdout.split() == [str(files / "runs" / folder) for folder in folders]
    assert "strategy loop: as asked for" in result.stderr
    arguments = [str(files / "set.h5"), "--resume", "--steps", "4", "--device", "cpu"]
    again = CliRunner().invoke(main, ["train", *arguments, "-o", str(files / "runs")])
    assert again.exit_code == 0, again.output
    cards = [load_checkpoint(files / "runs" / folder).card for folder in folders]
    assert [card.steps for card in cards] == [4] * 4
    assert [card.objective["beta0"] for card in cards] == [2, 8, 2, 8]


def test_changed_data_are_taken_when_asked_for(files, rng):
    out = str(files / "run")
    assert run(files, "-o", out).exit_code == 0
    whole = SpectrogramSet.read(files / "set.h5")
    whole.take(slice(0, 6)).write(files / "set.h5")
    refused = run(files, "--resume", "--steps", "5", "-o", out)
    assert refused.exit_code == 3
    assert "--changed-data" in unboxed(refused.stderr)
    assert run(files, "--resume", "--steps", "5", "--changed-data", "-o", out).exit_code == 0


def test_a_run_is_resumed_with_its_own_settings(files):
    out = str(files / "run")
    assert run(files, "-o", out).exit_code == 0
    arguments = [str(files / "set.h5"), "--resume", "--steps", "5", "--device", "cpu", "-o", out]
    result = CliRunner().invoke(main, ["train", *arguments])
    assert result.exit_code == 0, result.output
    assert load_checkpoint(files / "run").card.steps == 5
    assert load_checkpoint(files / "run").card.latent_size == 2


def test_shares_of_sets_are_taken_and_checked(files):
    both = [str(files / "set.h5"), "--share", "3", "--share", "1"]
    result = run(files, *both, "-o", str(files / "run"))
    assert result.exit_code == 0, result.output
    refused = run(files, *both[:3], "-o", str(files / "other"))
    assert refused.exit_code == 3
    assert "2 shares, in the order of the sets, or none; found 1" in unboxed(refused.output)


def test_an_earlier_run_is_kept(files):
    out = str(files / "run")
    assert run(files, "-o", out).exit_code == 0
    again = run(files, "-o", out)
    assert again.exit_code == 3
    assert "holds a run already" in unboxed(again.stderr)


def test_a_stop_exits_with_130(files, monkeypatch):
    def stopped(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("glitchvae.training.train", stopped)
    assert run(files, "-o", str(files / "run")).exit_code == 130


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--objective", "anneald"], "did you mean 'annealed'"),
        (["--device", "tpu"], "the device 'tpu' is not available"),
        (["--ensemble", "beto0=1,2"], "did you mean 'beta0'"),
        ([], "Missing option '-o'"),
    ],
)
def test_bad_options_are_one_line(files, arguments, message):
    out = ["-o", str(files / "run")] if arguments else []
    result = run(files, *arguments, *out)
    assert result.exit_code in (2, 3)
    assert message in unboxed(result.stderr)
    assert "Traceback" not in result.output


def test_a_file_that_holds_no_images_is_named(files):
    result = CliRunner().invoke(main, ["train", str(files / "run.toml"), "-o", str(files / "r")])
    assert result.exit_code == 3
    assert "run.toml" in unboxed(result.stderr)

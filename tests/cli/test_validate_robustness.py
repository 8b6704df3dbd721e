"""`glitchvae validate attacks|noise|strain` on a tiny model of glitches."""

import shutil

import numpy as np
import pytest
from click.testing import CliRunner

from glitchvae.cli import main
from glitchvae.spectrogram import SpectrogramSet
from glitchvae.validation.disentanglement.scoring import train_on
from glitchvae.validation.images.chairs import AZIMUTHS, ELEVATIONS, draw_chairs
from glitchvae.validation.robustness.attacks import Attacks
from glitchvae.validation.robustness.noise import NoiseCurve


@pytest.fixture
def images(rng, tmp_path):
    names = ("snr", "peak_frequency", "q", "duration", "bandwidth", "block_duration")
    made = SpectrogramSet(
        images=rng.uniform(0, 20, (4, 4, 140, 170)),
        event_id=list("abcd"),
        gps=1000.0 + np.arange(4),
        ifo=["H1"] * 4,
        f_max=np.full(4, 2048.0),
        status=["ok"] * 4,
        **{name: np.full(4, 10.0) for name in names},
    )
    made.write(tmp_path / "images.h5")
    return tmp_path / "images.h5"


def validate(*arguments):
    return CliRunner().invoke(main, ["validate", *map(str, arguments)])


def test_attacks_print_a_table_and_write_every_row(tiny_model, images, tmp_path):
    out = tmp_path / "attacks.h5"
    result = validate(
        "attacks",
        "--model",
        tiny_model,
        "--images",
        images,
        "--pairs",
        1,
        "--penalties",
        2,
        "-o",
        out,
    )
    assert result.exit_code == 0, result.output
    assert "divergence left" in result.stdout
    assert len(Attacks.read(out)) == 2


def test_noise_prints_likelihood_evidence_and_norms(tiny_model, images, tmp_path):
    out = tmp_path / "noise.h5"
    result = validate(
        "noise",
        "--model",
        tiny_model,
        "--images",
        images,
        "--scale",
        0,
        "--scale",
        0.3,
        "-o",
        out,
    )
    assert result.exit_code == 0, result.output
    assert "ELBO" in result.stdout
    assert "decoder" in result.stdout
    np.testing.assert_array_equal(NoiseCurve.read(out).scale, [0, 0.3])


@pytest.fixture(scope="module")
def few_chairs():
    return draw_chairs(AZIMUTHS[::8], ELEVATIONS).sample(60, np.random.default_rng(0)).reduced(2)


@pytest.fixture(scope="module")
def chairs_run(few_chairs, tmp_path_factory):
    """A model trained for two steps on a few drawn chairs."""
    folder = tmp_path_factory.mktemp("chairs") / "run"
    return train_on(few_chairs, folder, objective="beta", steps=2)


@pytest.fixture
def chairs_model(chairs_run, few_chairs, tmp_path, monkeypatch):
    """A copy of that model; the chairs are drawn already, and sprites are out of reach."""
    monkeypatch.setattr(
        "glitchvae.validation.images.picture_sets.draw_chairs", lambda *_: few_chairs
    )

    def refuse(*_):
        raise AssertionError("sprites were drawn for a model of chairs")

    monkeypatch.setattr("glitchvae.validation.images.picture_sets.draw_dsprites", refuse)
    return shutil.copytree(chairs_run, tmp_path / "run")


@pytest.mark.parametrize("command", [("attacks", "--pairs", 1, "--penalties", 2), ("noise",)])
def test_a_model_of_chairs_meets_chairs(chairs_model, command):
    result = validate(*command, "--model", chairs_model)
    assert result.exit_code == 0, result.output
    assert "parametric chairs, drawn, 1/2 size" in result.stderr


@pytest.mark.parametrize("command", ["attacks", "noise"])
def test_a_model_of_unknown_pictures_is_refused(chairs_model, images, command):
    card = chairs_model / "card.toml"
    card.write_text(card.read_text().replace("parametric chairs, drawn, 1/2 size", "my pictures"))
    result = validate(command, "--model", chairs_model)
    assert result.exit_code == 3
    assert "the card does not tell which pictures the model was trained on" in result.stderr
    assert "found my pictures" in result.stderr
    result = validate(command, "--model", chairs_model, "--images", images)
    assert result.exit_code == 3
    assert "this is a model of pictures, not of glitches" in result.stderr


@pytest.mark.parametrize("option", [("--data", "x.npz"), ("--set", "chairs")])
def test_pictures_for_a_model_of_glitches_are_refused(tiny_model, images, option):
    result = validate("noise", "--model", tiny_model, "--images", images, *option)
    assert result.exit_code == 3
    assert (
        "this is a model of glitches; expected images of glitches; found pictures" in result.stderr
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("attacks",), "--images"),
        (("attacks", "--pairs", 3), "too few images"),
        (("attacks", "--pairs", 1, "--layer", 2), "the latent layer does not exist"),
        (("noise", "--model", "absent"), "absent"),
    ],
)
def test_bad_questions_are_answered_in_one_line(arguments, message, tiny_model, images):
    given = arguments if "--model" in arguments else (*arguments, "--model", tiny_model)
    result = validate(*given, *(() if message == "--images" else ("--images", images)))
    assert result.exit_code == 3
    assert message in result.output
    assert "Traceback" not in result.output

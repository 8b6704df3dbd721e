"""`glitchvae validate attacks|noise|strain` on a tiny model of glitches."""

import numpy as np
import pytest
from click.testing import CliRunner

from glitchvae.cli import main
from glitchvae.spectrogram import SpectrogramSet
from glitchvae.validation.robustness.attacks import Attacks
from glitchvae.validation.robustness.noise import NoiseCurve


@pytest.fixture
def images(rng, tmp_path):
    names = ("snr", "peak_frequency", "q", "duration", "bandwidth", "block_duration")
    made = SpectrogramSet(
        images=rng.uniform(0, 20, (4, 4, 140, 170)), event_id=list("abcd"),
        gps=1000.0 + np.arange(4), ifo=["H1"] * 4, f_max=np.full(4, 2048.0), status=["ok"] * 4,
        **{name: np.full(4, 10.0) for name in names},
    )  # fmt: skip
    made.write(tmp_path / "images.h5")
    return tmp_path / "images.h5"


def validate(*arguments):
    return CliRunner().invoke(main, ["validate", *map(str, arguments)])


def test_attacks_print_a_table_and_write_every_row(tiny_model, images, tmp_path):
    out = tmp_path / "attacks.h5"
    result = validate(
        "attacks", "--checkpoint", tiny_model, "--images", images, "--pairs", 1,
        "--prices", 2, "-o", out,
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "divergence left" in result.stdout
    assert len(Attacks.read(out)) == 2


def test_noise_prints_likelihood_evidence_and_norms(tiny_model, images, tmp_path):
    out = tmp_path / "noise.h5"
    result = validate(
        "noise", "--checkpoint", tiny_model, "--images", images, "--scale", 0, "--scale", 0.3,
        "-o", out,
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "ELBO" in result.stdout
    assert "decoder" in result.stdout
    np.testing.assert_array_equal(NoiseCurve.read(out).scale, [0, 0.3])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("attacks",), "--images"),
        (("attacks", "--pairs", 3), "too few images"),
        (("attacks", "--pairs", 1, "--layer", 2), "no such latent layer"),
        (("noise", "--checkpoint", "absent"), "absent"),
    ],
)
def test_bad_questions_are_answered_in_one_line(arguments, message, tiny_model, images):
    given = arguments if "--checkpoint" in arguments else (*arguments, "--checkpoint", tiny_model)
    result = validate(*given, *(() if message == "--images" else ("--images", images)))
    assert result.exit_code == 1
    assert message in result.output
    assert "Traceback" not in result.output

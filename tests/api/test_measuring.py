"""Measurements of anybody's codes and encoders are those of the rooms below."""

import sys

import numpy as np
import pytest
import torch
from torch import nn
from torch.distributions import Normal

import glitchvae as gv
from glitchvae.errors import ConfigError, InputError, ModelError
from glitchvae.probes import ProbeSet, methods_for, run_probes, split_events
from glitchvae.validation.disentanglement import Protocol, measure
from glitchvae.validation.disentanglement.scoring import score_checkpoint
from glitchvae.validation.images.dsprites import draw_dsprites
from glitchvae.validation.robustness.attacks import attack

FEW = Protocol(rounds=3, refits=2, groups=5)
GRID = [1e-4, 1e-1, 1e2]


class Encoder(nn.Module):
    """Encodes by `forward`; in training mode it forgets half of the image."""

    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(256, 3))

    def forward(self, x):
        return self.net(x)


@pytest.fixture
def encoder() -> Encoder:
    torch.manual_seed(2)
    return Encoder()


def test_probes_are_those_of_the_command(default, glitches):
    codes = default.encode(glitches)
    found = gv.probe(codes, glitches, block=8, seed=3)
    events = ProbeSet.of_codes(codes, glitches.labels, split=glitches.split, gps=glitches.gps)
    splits = split_events(events, np.random.default_rng(3), block=8)
    expected = list(run_probes(events, splits, methods_for(events), seed=3, block=8))
    assert {o.split for o in found.outcomes} == {"own", "time blocks", "random"}
    for one, other in zip(found.outcomes, expected, strict=True):
        np.testing.assert_array_equal(one.classes, other.classes)
        assert one.scores.accuracy == other.scores.accuracy


def test_codes_that_hold_the_class_are_probed(rng):
    labels = np.repeat(["a", "b", "c"], 60)
    codes = rng.normal(size=(180, 4)) + 4 * np.eye(3, 4)[np.repeat([0, 1, 2], 60)]
    split = np.where(np.arange(180) % 3, "train", "test")
    found = gv.probe(codes, labels, split)
    assert found["codes, linear probe"].scores.accuracy > 0.9
    assert found["own", "majority class"].scores.accuracy == pytest.approx(1 / 3)
    table = found.to_pandas().set_index(["split", "method"])
    row = table.loc[("own", "codes, linear probe")]
    assert row.accuracy_low <= row.accuracy <= row.accuracy_high
    assert row.test_events == 60
    assert "codes, linear probe" in repr(found)
    noise = gv.probe(rng.normal(size=(180, 4)), labels, split)
    assert noise["codes, linear probe"].scores.accuracy < 0.5
    with pytest.raises(InputError, match="no outcome 'forest'; expected own, majority class"):
        found["forest"]


def test_rows_without_label_or_code_are_left_out(rng):
    codes, labels = rng.normal(size=(60, 3)), np.array(["a", "b", None] * 20, dtype=object)
    codes[0] = np.nan
    found = gv.probe(torch.from_numpy(codes), labels)
    assert found.left_out == 21
    assert sum(found.outcomes[0].scores.confusion.sum(axis=1)) == len(found.outcomes[0].test)


def test_metrics_of_codes_are_those_of_the_room_below(data, model):
    codes = model.encode(data)
    found = gv.disentanglement(codes, data, protocol=FEW, seed=4)
    expected = measure(codes, data.factors, data.factor_names, protocol=FEW.scaled_to(240), seed=4)
    assert found.scores == expected
    assert found.points == 240
    columns = {"x": data.factors[:, 0], "y": data.factors[:, 1], "size": data.factors[:, 2]}
    for factors in (columns, data.factors):
        assert gv.disentanglement(codes, factors, protocol=FEW, seed=4)["mig"] == found["mig"]
    assert list(found.to_pandas()["metric"])[:3] == ["beta_vae", "factor_vae", "mig"]
    assert "shuffled" in repr(found)
    with pytest.raises(InputError, match=r"no metric 'migg' \(did you mean 'mig'"):
        found["migg"]


def test_metrics_of_a_model_are_those_of_validate(tmp_path, monkeypatch):
    drawn = draw_dsprites()
    few = (drawn.factors[:, 2:] % (13, 15, 15) == 0).all(axis=1)
    sprites = drawn.take(np.flatnonzero(few))
    made = gv.Dataset(
        sprites.images(), factors=dict(zip(sprites.names, sprites.factors.T, strict=True))
    )
    run = gv.train(made, "beta", 2, output=tmp_path / "run", device="cpu", latent_size=4)
    chosen = sprites.sample(150, np.random.default_rng(1))
    monkeypatch.setattr("glitchvae.validation.disentanglement.scoring.Protocol", lambda: FEW)
    for sampled in (False, True):
        expected = score_checkpoint(tmp_path / "run", chosen, sampled=sampled, seed=1)
        found = gv.disentanglement(run, made, points=150, seed=1, sampled=sampled, protocol=FEW)
        assert found.scores == expected


@pytest.mark.parametrize(
    "returned",
    [
        lambda code: code,
        lambda code: code.numpy(force=True),
        lambda code: (code, torch.zeros_like(code)),
        lambda code: Normal(code, torch.ones_like(code)),
    ],
)
def test_anything_that_encodes_is_measured(returned, data, encoder):
    with torch.inference_mode():
        codes = encoder.eval()(data.inputs()).numpy()
    expected = gv.disentanglement(codes, data, protocol=FEW)["mig"].value
    found = gv.disentanglement(lambda x: returned(encoder(x)), data, protocol=FEW)
    assert found["mig"].value == pytest.approx(expected, abs=1e-6)


def test_modules_are_measured_in_evaluation_mode_and_double_precision(data, encoder):
    expected = gv.disentanglement(encoder, data, protocol=FEW)["mig"].value
    assert encoder.training
    assert gv.disentanglement(encoder.double(), data, protocol=FEW)["mig"].value == pytest.approx(
        expected, abs=0.02
    )


def test_models_methods_and_modules_have_the_same_codes(data, model):
    values = {
        gv.disentanglement(each, data, protocol=FEW)["mig"].value
        for each in (model, model.encode, model.module)
    }
    assert len({round(value, 6) for value in values}) == 1


def test_glitches_have_metrics(default, glitches):
    found = gv.disentanglement(default, glitches, protocol=FEW, sampled=True)
    assert {score.representation for score in found.scores} == {"mean", "sampled"}


def test_attacks_on_a_model_are_those_of_the_room_below(data, model):
    x = data.inputs()
    for images in (data, data.images, x):
        found = gv.attack(model, images[:2], images[-2:], penalty_weights=GRID, evaluations=20)
        expected = attack(model.module, x[:2], x[-2:], GRID, evaluations=20, keep=True)
        np.testing.assert_allclose(found.attacks.objective, expected.objective, rtol=1e-5)
    np.testing.assert_allclose(found.penalty_weights, GRID, rtol=1e-6)
    assert found.relative_divergence.shape == found.perturbation_norm.shape == (2, 3)
    assert found.perturbation.shape == (2, 3, 1, 16, 16)
    norm = np.linalg.norm(found.perturbation.reshape(2, 3, -1), axis=2)
    np.testing.assert_allclose(norm, found.perturbation_norm, rtol=1e-4, atol=1e-6)
    assert found.mean_relative_divergence.shape == found.half_divergence_norm.shape == (2,)
    table = found.to_pandas()
    assert list(table.columns[:3]) == ["pair", "penalty_weight", "perturbation_norm"]
    assert len(table) == 6
    assert repr(found).startswith("2 pairs, goal latent\npenalty weight  divergence left")


@pytest.mark.parametrize("goal", ["latent", "mean", "output"])
def test_a_vae_of_ones_own_is_attacked_and_left_as_it_was(goal, own_vae, data):
    own_vae.train()
    before = {name: value.clone() for name, value in own_vae.state_dict().items()}
    found = gv.attack(own_vae, data[:2], data[-2:], goal, penalty_weights=GRID, evaluations=40)
    assert found.relative_divergence[:, 0].max() < {"output": 1.0}.get(goal, 0.2)
    assert np.isfinite(found.attacks.target_distortion).all()
    assert own_vae.training
    assert all(torch.equal(value, before[name]) for name, value in own_vae.state_dict().items())
    assert all(parameter.grad is None for parameter in own_vae.parameters())


@pytest.mark.parametrize("goal", ["latent", "mean"])
def test_a_classifier_is_attacked(goal, encoder, data):
    found = gv.attack(encoder, data[:2], data[-2:], goal, penalty_weights=GRID)
    assert found.relative_divergence[:, 0].max() < 0.1
    assert np.isnan(found.attacks.target_distortion).all()
    assert "log p" not in repr(found)
    x = data[:2].inputs() + torch.from_numpy(found.perturbation[:, 0])
    assert 0 <= x.min() <= x.max() <= 1 + 1e-6
    with torch.inference_mode():
        reached, wanted = (encoder.eval()(each) for each in (x, data[-2:].inputs()))
        start = encoder(data[:2].inputs())
    left = (reached - wanted).square().sum(1) / (start - wanted).square().sum(1)
    np.testing.assert_allclose(left, found.relative_divergence[:, 0], atol=1e-4)


def test_glitches_are_attacked_in_their_views_alone(default, glitches):
    encoder = nn.Sequential(nn.AvgPool2d(10), nn.Flatten(), nn.Linear(5 * 14 * 17, 3))
    sizes = {default: (140, 85), encoder: (140, 170), default.module.encode: (140, 170)}
    for model, size in sizes.items():  # a model of ours is attacked at its own size
        found = gv.attack(model, glitches[:1], glitches[1:2], penalty_weights=[1e-3], evaluations=3)
        assert found.perturbation.shape == (1, 1, 4, *size)


def test_other_ranges_of_pixels_go_to_the_network_as_they_are(encoder, rng):
    images = rng.normal(size=(4, 1, 16, 16)).clip(-3, 3)
    found = gv.attack(encoder, images[:2], images[2:], penalty_weights=[1e-4], data_range=(-3, 3))
    moved = images[:2] + found.perturbation[:, 0]
    assert -3 - 1e-5 <= moved.min() < 0
    assert found.relative_divergence.max() < 0.1


def test_perturbations_need_not_be_kept(model, data):
    found = gv.attack(model, data[:1], data[-1:], penalty_weights=[1.0], evaluations=2, keep=False)
    with pytest.raises(InputError, match="not kept"):
        _ = found.perturbation


CODES = np.arange(120.0).reshape(40, 3) % 7
LABELS = ["a", "b"] * 20
FACTORS = {"x": np.arange(40) % 4, "y": np.arange(40) % 5}
PICTURES = np.random.default_rng(0).random((40, 8, 8))
KNOWN = gv.Dataset(PICTURES, factors=FACTORS)


def flat(x):
    return x.flatten(1)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: gv.probe(CODES, ["a"] * 40), InputError, "too few events.*1 classes to learn"),
        (
            lambda: gv.probe(CODES, ["a"]),
            InputError,
            r"labels: the number of values differs.*\(40,\).*\(1,\)",
        ),
        (lambda: gv.probe(CODES, [None] * 40), InputError, "no labelled event.*0 with a label"),
        (lambda: gv.probe(CODES / 0, LABELS), InputError, "row 0: codes are not finite"),
        (lambda: gv.probe(CODES[:, 0], LABELS), InputError, r"no codes; expected \(N, Z\)"),
        (lambda: gv.probe("codes.h5", LABELS), InputError, "codes: the values are not numbers"),
        (lambda: gv.probe(CODES, LABELS, ["tain"] * 40), InputError, r"did you mean 'train'\?"),
        (lambda: gv.probe(CODES, LABELS, ["train"] * 40), InputError, "split 'own': too few"),
        (lambda: gv.probe(CODES, LABELS, gps=[1.0]), InputError, "times have the wrong shape"),
        (lambda: gv.probe(CODES, LABELS, block=0), ConfigError, "block.*greater than 0"),
        (lambda: gv.disentanglement(CODES, gv.Dataset(PICTURES)), InputError, "have no known fac"),
        (lambda: gv.disentanglement(CODES[:5], KNOWN), InputError, "the arrays differ in length"),
        (lambda: gv.disentanglement(CODES, {"x": FACTORS["x"]}), InputError, "two factors"),
        (lambda: gv.disentanglement(CODES, FACTORS | {"z": [1] * 40}), InputError, "z: a factor"),
        (lambda: gv.disentanglement(CODES * np.nan, KNOWN), InputError, "row 0: codes are not fin"),
        (lambda: gv.disentanglement(CODES, np.ones((40, 2))), InputError, "not whole numbers"),
        (
            lambda: gv.disentanglement(CODES, None),
            InputError,
            "factors: the values are not numbers",
        ),
        (lambda: gv.disentanglement(flat, FACTORS), InputError, "an encoder needs images.*dict"),
        (lambda: gv.disentanglement("default", KNOWN), ModelError, "nothing that encodes.*str"),
        (lambda: gv.disentanglement(lambda x: x, KNOWN), ModelError, "is no code"),
        (lambda: gv.disentanglement(nn.Linear(3, 3), KNOWN), ModelError, "fails on a batch"),
        (lambda: gv.disentanglement(Encoder, KNOWN), ModelError, "the class Encoder"),
        (lambda: gv.disentanglement(flat, KNOWN, sampled=True), ModelError, "have no variances"),
        (lambda: gv.disentanglement(CODES, KNOWN, sampled=True), InputError, "have no variances"),
        (lambda: gv.disentanglement(flat, KNOWN, points=1), ConfigError, "points"),
        (lambda: gv.attack(flat, PICTURES[:2], PICTURES[2:4], "l"), ConfigError, "unknown goal"),
        (
            lambda: gv.attack(flat, PICTURES[:2], PICTURES[2:4], method="x"),
            ConfigError,
            "unknown method 'x'",
        ),
        (lambda: gv.attack(flat, PICTURES[:2], PICTURES[2:5]), InputError, "do not form pairs"),
        (lambda: gv.attack(flat, PICTURES[:2], PICTURES[:2]), InputError, "pair 0.*same image"),
        (lambda: gv.attack(flat, PICTURES[:0], PICTURES[:0]), InputError, "no pictures"),
        (lambda: gv.attack(flat, 9 * PICTURES[:2], PICTURES[2:4]), InputError, "range in row 0"),
        (lambda: gv.attack("default", PICTURES[:2], PICTURES[2:4]), ModelError, "nothing that en"),
        (lambda: gv.attack(Encoder, PICTURES[:2], PICTURES[2:4]), ModelError, "Encoder"),
        (
            lambda: gv.attack(flat, PICTURES[:2], PICTURES[2:4], "output"),
            ModelError,
            "an encoder without a decoder makes no images",
        ),
        (lambda: gv.attack(nn.Identity(), PICTURES[:2], PICTURES[2:4]), ModelError, "is no code"),
        (
            lambda: gv.attack(lambda x: flat(x).detach(), PICTURES[:2], PICTURES[2:4]),
            ModelError,
            "codes have no gradient",
        ),
        (
            lambda: gv.attack(lambda x: flat(x) + torch.rand(1), PICTURES[:2], PICTURES[2:4]),
            ModelError,
            "another code for the same images",
        ),
        (
            lambda: gv.attack(flat, PICTURES[:2], PICTURES[2:4], penalty_weights=[2, 1]),
            InputError,
            "out of order",
        ),
        (
            lambda: gv.attack(flat, PICTURES[:2], PICTURES[2:4], penalty_weights="all"),
            InputError,
            "not a list of numbers",
        ),
        (
            lambda: gv.attack(flat, PICTURES[:2], PICTURES[2:4], layers=[2]),
            InputError,
            "the latent layer does not exist",
        ),
        (lambda: gv.attack(flat, PICTURES[:2], PICTURES[2:4], layers=1), ConfigError, "layers"),
        (
            lambda: gv.attack(flat, PICTURES[:2], PICTURES[2:4], channels=2),
            InputError,
            "the channels do not exist",
        ),
        (
            lambda: gv.attack(flat, PICTURES[:2], PICTURES[2:4], evaluations=0),
            ConfigError,
            "evaluations",
        ),
        (
            lambda: gv.attack(flat, PICTURES[:2], PICTURES[2:4], data_range=(-1, 1)),
            InputError,
            r"dimensions; expected \(P, C, H, W\)",
        ),
    ],
)
@pytest.mark.filterwarnings("ignore:divide by zero", "ignore:invalid value")
def test_bad_input_is_named(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_a_model_of_other_images_is_not_attacked(model, default, data):
    with pytest.raises(ModelError, match="another kind than those of the model"):
        gv.attack(default, data[:2], data[2:4])
    with pytest.raises(ModelError, match="another shape than those of the model"):
        gv.attack(model, np.zeros((2, 9, 9)), np.ones((2, 9, 9)))


def test_a_table_without_pandas_says_so(model, data, monkeypatch):
    found = gv.attack(model, data[:1], data[-1:], penalty_weights=[1.0], evaluations=2)
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(InputError, match=r"a DataFrame needs pandas.*pip install pandas"):
        found.to_pandas()

"""Attacks reach what an independent optimiser reaches, keep the pixels' range, and say so."""

import dataclasses

import numpy as np
import pytest
import torch
from torch.distributions import kl_divergence

from glitchvae.errors import InputError, ModelError
from glitchvae.models import (
    GlitchVAE,
    GlitchVAESettings,
    UserEncoder,
    build,
    prepare,
    wrap_encoder,
    wrap_vae,
)
from glitchvae.models.image_vae import ImageVAE, ImageVAESettings
from glitchvae.validation.robustness.attacks import (
    GOALS,
    NOT_FINITE,
    OK,
    Attacks,
    Pairs,
    attack,
)

GRID = 2.0 ** np.arange(-8.0, 9.0, 4.0)
FEW = 50


@pytest.fixture(scope="module")
def model() -> ImageVAE:
    """A network whose codes depend on its input, as those of a trained one do."""
    torch.manual_seed(0)
    made = ImageVAE(ImageVAESettings(network="reference", image_shape=(1, 16, 16), latent_size=3))
    with torch.no_grad():
        made.encoder[-1].weight.mul_(4.0)
    return made.eval()


@pytest.fixture(scope="module")
def hierarchy():
    torch.manual_seed(1)
    settings = {
        "network": "reference",
        "image_shape": (1, 16, 16),
        "latent_sizes": (4, 2),
        "glitch": None,
        "hidden_widths": (8,),
        "likelihood_on": "all",
    }
    return build("hierarchy", settings).eval()


@pytest.fixture
def images() -> torch.Tensor:
    generator = torch.Generator().manual_seed(2)
    return torch.rand(4, 1, 16, 16, generator=generator)


def objective_by_pair(found: Attacks, pairs: int) -> np.ndarray:
    return found.objective.reshape(pairs, -1)


@pytest.mark.parametrize("goal", GOALS)
def test_one_row_for_each_pair_and_strength(model, images, goal):
    found = attack(model, images[:2], images[2:], GRID, goal=goal, evaluations=5, keep=True)
    assert len(found) == 2 * len(GRID)
    np.testing.assert_array_equal(found.pair, np.repeat([0, 1], len(GRID)))
    np.testing.assert_allclose(found.strength, np.tile(GRID, 2))
    assert found.perturbation.shape == (2 * len(GRID), 1, 16, 16)
    assert set(found.status) == {OK}
    assert (found.goal, found.layers, found.method) == (goal, [1], "batch")
    assert (found.evaluations <= 5).all()


@pytest.mark.parametrize("goal", GOALS)
def test_columns_are_what_the_perturbation_does(model, images, goal):
    found = attack(model, images[:2], images[2:], GRID, goal=goal, evaluations=FEW, keep=True)
    inputs, targets = images[:2][found.pair], images[2:][found.pair]
    perturbed = inputs + torch.from_numpy(found.perturbation)
    assert perturbed.min() >= 0
    assert perturbed.max() <= 1
    with torch.no_grad():
        posterior, aim = model.encode(perturbed), model.encode(targets)
        drawn = model.decode(posterior.mean)
        distortion = -drawn.log_prob(targets).flatten(1).sum(1)
        expected = {
            "latent": kl_divergence(posterior, aim).sum(1),
            "mean": (posterior.mean - aim.mean).square().sum(1),
            "output": distortion
            + kl_divergence(posterior, torch.distributions.Normal(0.0, 1.0)).sum(1),
        }[goal]
    np.testing.assert_allclose(found.divergence, expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found.target_distortion, distortion, rtol=1e-5)
    size = np.linalg.norm(found.perturbation.reshape(len(found), -1), axis=1)
    np.testing.assert_allclose(found.distance, size, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(
        found.objective, found.divergence + found.strength * found.distance, rtol=1e-5
    )


@pytest.mark.parametrize("goal", GOALS)
def test_gradients_of_goals_are_those_of_finite_differences(model, goal, images):
    double = ImageVAE(model.settings).double().eval()
    double.load_state_dict(model.state_dict())
    pairs = Pairs.of(double, images[:1].double(), images[1:2].double())
    aim, first = GOALS[goal](double, pairs), torch.zeros(1, dtype=torch.long)
    x = pairs.inputs.clone().requires_grad_(True)
    (gradient,) = torch.autograd.grad(aim(x, first).sum(), x)
    for place in gradient.abs().flatten().topk(3).indices.tolist():
        shift = torch.zeros(256, dtype=torch.float64)
        shift[place] = 1e-5
        shift = shift.view_as(x)
        with torch.no_grad():
            difference = (aim(x + shift, first) - aim(x - shift, first)) / 2e-5
        assert float(gradient.flatten()[place]) == pytest.approx(float(difference), rel=1e-4)


@pytest.mark.parametrize("goal", ["latent", "output"])
def test_the_batch_is_no_worse_than_the_papers_optimiser(model, images, goal):
    batch = attack(model, images[:2], images[2:], GRID, goal=goal)
    alone = attack(
        model, images[:2], images[2:], GRID, goal=goal, method="l-bfgs-b", evaluations=1000
    )
    worse = batch.objective - alone.objective > 1e-3 * np.abs(alone.objective) + 1e-6
    assert not worse.any()
    assert (alone.evaluations >= 1).all()


def test_the_best_objective_never_falls_along_lambda(model, images):
    found = attack(model, images[:2], images[2:], GRID, evaluations=FEW)
    objective = objective_by_pair(found, 2)
    assert (np.diff(objective, axis=1) >= -1e-6 * objective[:, 1:]).all()
    assert (np.diff(found.distance.reshape(2, -1), axis=1) <= 1e-6).all()


def test_an_attack_succeeds_at_lambda_zero_and_does_nothing_at_a_huge_one(model, images):
    found = attack(model, images[:2], images[2:], [1e-9, 1e9], evaluations=140)
    relative = found.relative_divergence.reshape(2, 2)
    assert (relative[:, 0] < 0.05).all()
    np.testing.assert_array_equal(relative[:, 1], 1.0)
    np.testing.assert_array_equal(found.distance.reshape(2, 2)[:, 1], 0.0)


def test_a_constant_encoder_cannot_be_attacked(images):
    torch.manual_seed(0)
    model = ImageVAE(ImageVAESettings(network="reference", image_shape=(1, 16, 16))).eval()
    with torch.no_grad():
        model.encoder[-1].weight.zero_()
    found = attack(model, images[:2], images[2:], GRID, evaluations=FEW)
    np.testing.assert_array_equal(found.divergence, found.clean_divergence)
    np.testing.assert_array_equal(found.distance, 0.0)


@pytest.mark.parametrize("layers", [(1,), (2,), None])
def test_single_layers_of_a_hierarchy_are_attacked(hierarchy, images, layers):
    found = attack(
        hierarchy, images[:2], images[2:], [1e-6], layers=layers, evaluations=FEW, keep=True
    )
    with torch.no_grad():
        perturbed = images[:2] + torch.from_numpy(found.perturbation)
        now, aim = (hierarchy.infer(x, sample=False).posteriors for x in (perturbed, images[2:]))
        parts = [kl_divergence(a, b).sum(1) for a, b in zip(now, aim, strict=True)]
    attacked = layers or (1, 2)
    expected = sum(parts[layer - 1] for layer in attacked)
    np.testing.assert_allclose(found.divergence, expected, rtol=1e-4, atol=1e-5)
    assert found.layers == list(attacked)
    assert (found.relative_divergence < 1).all()


@pytest.mark.parametrize(("likelihood_on", "expected"), [("first", [1]), ("all", [1, 2])])
def test_unless_told_the_layers_that_draw_are_attacked(images, likelihood_on, expected):
    """Of DLGM and beta-TCDLGM z1 (equation 14), of Seatbelt-VAE all layers (equation 15)."""
    sizes = {"latent_sizes": (4, 2), "hidden_widths": (8,), "likelihood_on": likelihood_on}
    settings = {"network": "reference", "image_shape": (1, 16, 16), **sizes}
    model = build("hierarchy", settings).eval()
    assert attack(model, images[:2], images[2:], [1.0], evaluations=2).layers == expected
    both = attack(model, images[:2], images[2:], [1.0], layers=(1, 2), evaluations=2)
    assert both.layers == [1, 2]


def test_pixels_that_were_never_computed_are_left_alone():
    torch.manual_seed(0)
    model = GlitchVAE(GlitchVAESettings(image_shape=(20, 24), widths=(4, 8), hidden=16)).eval()
    energies = 20 * torch.rand(2, 4, 20, 24, generator=torch.Generator().manual_seed(1))
    energies[0, :, 12:] = torch.nan
    x, valid = prepare(energies)
    found = attack(model, x[:1], x[1:], [1e-6], evaluations=FEW, keep=True)
    perturbation = torch.from_numpy(found.perturbation)
    assert perturbation.shape == (1, 4, 20, 24)
    assert (perturbation[0, :, ~valid[0, 0, :, 0]] == 0).all()
    assert perturbation.abs().sum() > 0


def test_an_attack_that_meets_no_number_is_marked_and_the_others_go_on(model, images):
    class Spoilt(ImageVAE):
        def infer(self, x, *, sample=True):
            bad = torch.where(x.flatten(1)[:, :1] == 0.25, torch.nan, 0.0)
            return super().infer(x + bad[..., None, None], sample=sample)

    spoilt = Spoilt(model.settings).eval()
    spoilt.load_state_dict(model.state_dict())
    inputs = images[:2].clone()
    inputs[0, 0, 0, 0] = 0.25
    found = attack(spoilt, inputs, images[2:], GRID, evaluations=FEW)
    assert set(found.status[found.pair == 0]) == {NOT_FINITE}
    assert set(found.status[found.pair == 1]) == {OK}
    assert (found.divergence[found.pair == 1] <= found.clean_divergence[found.pair == 1]).all()


def test_a_record_comes_back_from_disk(model, images, tmp_path):
    found = attack(model, images[:2], images[2:], GRID, evaluations=2)
    found.write(tmp_path / "attacks.h5")
    again = Attacks.read(tmp_path / "attacks.h5")
    np.testing.assert_array_equal(again.objective, found.objective)
    assert (again.layers, again.goal) == ([1], "latent")


def test_bad_input_is_named(model, images):
    with pytest.raises(InputError, match=r"pair 1.*same image"):
        attack(model, images[:2], torch.stack([images[2], images[1]]), GRID)
    with pytest.raises(InputError, match=r"targets.*outside the range"):
        attack(model, images[:2], 2 * images[2:], GRID)
    with pytest.raises(InputError, match=r"the latent layer does not exist.*expected 1 to 1"):
        attack(model, images[:2], images[2:], GRID, layers=(2,))
    with pytest.raises(InputError, match="out of order"):
        attack(model, images[:2], images[2:], [1.0, 0.5])
    with pytest.raises(InputError, match="do not form pairs"):
        attack(model, images[:2], images[2:3], GRID)


@pytest.fixture
def matrix() -> torch.Tensor:
    return torch.randn(3, 256, generator=torch.Generator().manual_seed(5)) / 16


def encoder_of(matrix) -> UserEncoder:
    return wrap_encoder(lambda x: x.flatten(1) @ matrix.T, torch.rand(2, 1, 16, 16))


@pytest.fixture
def grey(images) -> torch.Tensor:
    """Images far from black and white, so that no pixel meets the end of its range."""
    return 0.45 + 0.1 * images


@pytest.mark.parametrize("goal", ["latent", "mean"])
def test_attacks_on_a_linear_encoder_are_where_the_gradient_is_zero(matrix, grey, goal):
    """Of |A d - r|^2 / 2 + lambda |d| the minimum has A'(r - A d) = lambda d / |d|, or d = 0."""
    encoder, weight = encoder_of(matrix), {"latent": 1.0, "mean": 2.0}[goal]
    found = attack(encoder, grey[:2], grey[2:], GRID / 64, goal=goal, keep=True)
    wanted = ((grey[2:] - grey[:2]).flatten(1) @ matrix.T)[found.pair]
    d = torch.from_numpy(found.perturbation).flatten(1)
    left = wanted - d @ matrix.T
    np.testing.assert_allclose(
        found.divergence, weight / 2 * left.square().sum(1), rtol=1e-3, atol=2e-7
    )
    pull, size = weight * left @ matrix, d.norm(dim=1)
    strength = torch.from_numpy(found.strength).float()
    moved = size > 1e-4
    assert 0 < moved.sum() < len(moved)
    torch.testing.assert_close(
        pull[moved], (strength / size)[moved, None] * d[moved], rtol=0.02, atol=1e-3
    )
    assert (pull[~moved].norm(dim=1) <= strength[~moved]).all()


def test_nothing_is_drawn_of_the_target_of_an_encoder_alone(matrix, grey):
    encoder = encoder_of(matrix)
    found = attack(encoder, grey[:2], grey[2:], GRID, evaluations=5)
    for column in (found.target_distortion, found.target_error, found.clean_error):
        assert np.isnan(column).all()
    with pytest.raises(
        ModelError, match=r"an encoder without a decoder makes no images.*latent or mean"
    ):
        attack(encoder, grey[:2], grey[2:], GRID, goal="output")


def test_channels_that_are_no_pixels_stay(matrix, grey):
    x = torch.cat([grey, torch.ones(4, 1, 16, 16)], dim=1)
    encoder = wrap_encoder(lambda x: x[:, :1].flatten(1) @ matrix.T + x[:, 1:].mean(), x)
    found = attack(encoder, x[:2], x[2:], [1e-3], channels=1, evaluations=9, keep=True)
    assert found.perturbation.shape == (2, 1, 16, 16)


def test_a_vae_of_one_s_own_is_attacked_as_ours(model, images):
    class Own(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = model

        def encode(self, x):
            posterior = self.inner.encode(x)
            return posterior.mean, 2 * posterior.stddev.log()

        def decode(self, z):
            return self.inner.decode(z).mean

    own = wrap_vae(Own(), images).eval()
    for goal in GOALS:
        one, other = (
            attack(each, images[:2], images[2:], GRID, goal=goal, evaluations=20)
            for each in (model, own)
        )
        np.testing.assert_allclose(one.divergence, other.divergence, rtol=0.02)


def test_codes_without_a_gradient_are_refused(grey):
    encoder = wrap_encoder(lambda x: x.flatten(1).numpy(force=True)[:, :3], grey)
    with pytest.raises(ModelError, match=r"have no gradient.*detach"):
        attack(encoder, grey[:2], grey[2:], GRID)


def test_half_of_the_divergence_lies_between_two_weights(model, images):
    found = attack(model, images[:2], images[2:], GRID, evaluations=2)
    left = np.array([0.1, 0.4, 0.6, 0.9, 1.0, 0.6, 0.7, 0.8, 0.9, 1.0])
    norm = np.array([5.0, 3.0, 1.0, 0.5, 0.0, 2.5, 1.0, 0.5, 0.2, 0.0])
    changed = dataclasses.replace(
        found, divergence=left, clean_divergence=np.ones(10), distance=norm
    )
    np.testing.assert_allclose(changed.half_divergence_norm, [2.0, 2.5])
    np.testing.assert_allclose(changed.mean_relative_divergence, [0.6, 0.8])

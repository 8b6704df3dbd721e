"""Attacks reach what an independent optimiser reaches, keep the pixels' range, and say so."""

import numpy as np
import pytest
import torch
from torch.distributions import kl_divergence

from glitchvae.errors import InputError
from glitchvae.models import GlitchVAE, GlitchVAESettings, build, prepare
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
    settings = {"network": "reference", "image_shape": (1, 16, 16), "latent_sizes": (4, 2),
                "glitch": None, "hidden_widths": (8,), "likelihood_on": "all"}  # fmt: skip
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
    assert found.disturbance.shape == (2 * len(GRID), 1, 16, 16)
    assert set(found.status) == {OK}
    assert (found.goal, found.layers, found.method) == (goal, [1], "batch")
    assert (found.evaluations <= 5).all()


@pytest.mark.parametrize("goal", GOALS)
def test_columns_are_what_the_disturbance_does(model, images, goal):
    found = attack(model, images[:2], images[2:], GRID, goal=goal, evaluations=FEW, keep=True)
    inputs, targets = images[:2][found.pair], images[2:][found.pair]
    disturbed = inputs + torch.from_numpy(found.disturbance)
    assert disturbed.min() >= 0
    assert disturbed.max() <= 1
    with torch.no_grad():
        posterior, aim = model.encode(disturbed), model.encode(targets)
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
    size = np.linalg.norm(found.disturbance.reshape(len(found), -1), axis=1)
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


def test_the_best_objective_never_falls_along_the_price(model, images):
    found = attack(model, images[:2], images[2:], GRID, evaluations=FEW)
    objective = objective_by_pair(found, 2)
    assert (np.diff(objective, axis=1) >= -1e-6 * objective[:, 1:]).all()
    assert (np.diff(found.distance.reshape(2, -1), axis=1) <= 1e-6).all()


def test_an_attack_at_no_price_succeeds_and_at_any_price_does_nothing(model, images):
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
        disturbed = images[:2] + torch.from_numpy(found.disturbance)
        now, aim = (hierarchy.infer(x, sample=False).posteriors for x in (disturbed, images[2:]))
        parts = [kl_divergence(a, b).sum(1) for a, b in zip(now, aim, strict=True)]
    attacked = layers or (1, 2)
    expected = sum(parts[layer - 1] for layer in attacked)
    np.testing.assert_allclose(found.divergence, expected, rtol=1e-4, atol=1e-5)
    assert found.layers == list(attacked)
    assert (found.relative_divergence < 1).all()


def test_pixels_that_were_never_computed_are_left_alone():
    torch.manual_seed(0)
    model = GlitchVAE(GlitchVAESettings(image_shape=(20, 24), widths=(4, 8), hidden=16)).eval()
    energies = 20 * torch.rand(2, 4, 20, 24, generator=torch.Generator().manual_seed(1))
    energies[0, :, 12:] = torch.nan
    x, valid = prepare(energies)
    found = attack(model, x[:1], x[1:], [1e-6], evaluations=FEW, keep=True)
    disturbance = torch.from_numpy(found.disturbance)
    assert disturbance.shape == (1, 4, 20, 24)
    assert (disturbance[0, :, ~valid[0, 0, :, 0]] == 0).all()
    assert disturbance.abs().sum() > 0


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
    with pytest.raises(InputError, match=r"no such latent layer.*expected 1 to 1"):
        attack(model, images[:2], images[2:], GRID, layers=(2,))
    with pytest.raises(InputError, match="out of order"):
        attack(model, images[:2], images[2:], [1.0, 0.5])
    with pytest.raises(InputError, match="no pairs"):
        attack(model, images[:2], images[2:3], GRID)

"""Objectives agree with closed forms, samples and finite differences."""

import pytest
import torch
from torch.distributions import Bernoulli, Normal

from glitchvae.errors import ConfigError
from glitchvae.models import GlitchVAE, GlitchVAESettings, prepare
from glitchvae.objectives import (
    OBJECTIVES,
    Annealed,
    Batch,
    Beta,
    Constant,
    Linear,
    distortion,
    rate,
    read_objective,
)

TINY = GlitchVAESettings(image_shape=(6, 6), widths=(2,), hidden=4, latent_size=2)


@pytest.fixture
def batch() -> Batch:
    generator = torch.Generator().manual_seed(3)
    energies = 25 * torch.rand(3, 4, 6, 6, generator=generator)
    energies[0, :, 4:] = torch.nan
    x, valid = prepare(energies)
    return Batch(x.double(), x[:, :4].double(), valid)


@pytest.fixture
def model() -> GlitchVAE:
    torch.manual_seed(0)
    return GlitchVAE(TINY).double()


def posterior_and_prior() -> tuple[Normal, Normal]:
    generator = torch.Generator().manual_seed(5)
    mean = torch.randn(4, 3, generator=generator, dtype=torch.float64)
    scale = torch.rand(4, 3, generator=generator, dtype=torch.float64) + 0.2
    return Normal(mean, scale), Normal(torch.zeros_like(mean), 1.0)


def test_rate_is_the_closed_form():
    posterior, prior = posterior_and_prior()
    variance = posterior.variance
    expected = 0.5 * (posterior.mean**2 + variance - variance.log() - 1).sum(dim=1).mean()
    torch.testing.assert_close(rate(posterior, prior), expected)


def test_rate_is_what_samples_say():
    posterior, prior = posterior_and_prior()
    torch.manual_seed(0)
    z = posterior.sample((200_000,))
    samples = (posterior.log_prob(z) - prior.log_prob(z)).sum(dim=-1).mean(dim=1)
    error = samples.std() / len(samples) ** 0.5
    assert abs(samples.mean() - rate(posterior, prior)) < 5 * error


def test_rate_vanishes_only_at_the_prior():
    _, prior = posterior_and_prior()
    assert rate(prior, prior) == 0


def test_distortion_counts_valid_pixels_only(batch):
    likelihood = Bernoulli(probs=torch.full((3, 4, 6, 6), 0.3), validate_args=False)
    before = distortion(likelihood, batch)
    changed = batch._replace(target=torch.where(batch.valid, batch.target, 0.9))
    assert not torch.equal(changed.target, batch.target)
    torch.testing.assert_close(distortion(likelihood, changed), before)


def test_distortion_of_bits_is_the_cross_entropy():
    generator = torch.Generator().manual_seed(1)
    target = (torch.rand(2, 4, 6, 6, generator=generator) > 0.5).float()
    logits = torch.randn(2, 4, 6, 6, generator=generator)
    batch = Batch(target, target, torch.ones(2, 1, 6, 6, dtype=torch.bool))
    expected = torch.nn.functional.binary_cross_entropy_with_logits(logits, target, reduction="sum")
    found = distortion(Bernoulli(logits=logits), batch)
    torch.testing.assert_close(found, expected / 2)


@pytest.mark.parametrize(
    ("step", "weight"), [(0, 25.0), (1000, 19.0), (2000, 13.0), (4000, 1.0), (9000, 1.0)]
)
def test_annealed_beta_falls_in_a_straight_line(step, weight):
    objective = Annealed(beta0=25, iteration_threshold=4000)
    assert objective.weights(step)["beta"] == pytest.approx(weight)


def test_schedules():
    assert Constant(3.0)(10**6) == 3.0
    assert [Linear(0.0, 4.0, 4)(step) for step in range(6)] == [0, 1, 2, 3, 4, 4]


@pytest.mark.parametrize("step", [0, 7, 10**6])
def test_annealed_from_one_is_the_elbo_exactly(model, batch, step):
    found = []
    for objective in (Annealed(beta0=1, iteration_threshold=10), Beta(beta=1)):
        torch.manual_seed(11)
        found.append(objective(model, batch, objective.weights(step)))
    assert {k: v.item() for k, v in found[0].items()} == {k: v.item() for k, v in found[1].items()}


@pytest.mark.parametrize("name", OBJECTIVES)
def test_the_loss_is_the_weighted_sum_of_its_terms(model, batch, name):
    objective = OBJECTIVES[name]()
    terms = objective(model, batch, objective.weights(5))
    assert {"loss", "reconstruction", "rate"} <= set(terms)
    beta = objective.weights(5)["beta"]
    torch.testing.assert_close(terms["loss"], terms["reconstruction"] + beta * terms["rate"])


@pytest.mark.parametrize("likelihood", ["bernoulli", "gaussian"])
@pytest.mark.parametrize("name", OBJECTIVES)
def test_gradients_are_those_of_finite_differences(batch, name, likelihood):
    torch.manual_seed(0)
    model = GlitchVAE(TINY.model_copy(update={"likelihood": likelihood})).double()
    objective = OBJECTIVES[name]()

    def loss() -> torch.Tensor:
        torch.manual_seed(2)
        return objective(model, batch, objective.weights(3))["loss"]

    loss().backward()
    for parameter in model.parameters():
        place = int(parameter.grad.abs().argmax())
        values = []
        with torch.no_grad():
            flat = parameter.view(-1) if parameter.dim() else parameter.unsqueeze(0)
            for shift in (1e-5, -2e-5):
                flat[place] += shift
                values.append(float(loss()))
            flat[place] += 1e-5
        difference = (values[0] - values[1]) / 2e-5
        assert float(parameter.grad.flatten()[place]) == pytest.approx(difference, rel=2e-5)


def test_an_objective_is_read_by_name():
    assert read_objective({"name": "beta", "beta": 4}) == Beta(beta=4)


def test_a_misspelt_objective_is_answered_by_the_nearest():
    with pytest.raises(ConfigError, match=r"unknown objective 'anealed' \(did you mean 'annealed'"):
        read_objective({"name": "anealed"})


def test_a_misspelt_key_is_answered_by_the_nearest():
    with pytest.raises(ConfigError, match=r"unknown key 'beta_0' \(did you mean 'beta0'"):
        read_objective({"name": "annealed", "beta_0": 3}, where="run.toml")

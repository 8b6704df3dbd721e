"""Hierarchies: rates by layer, total correlation at the top alone, free bits."""

import math

import numpy as np
import pytest
import torch
from torch.distributions import MultivariateNormal, Normal, kl_divergence

from glitchvae.errors import ConfigError
from glitchvae.models import Latents, standard_normal
from glitchvae.objectives import DLGM, TCDLGM, Batch, Seatbelt, TotalCorrelation, read_objective
from glitchvae.objectives.hierarchy import floored, layer_rates
from glitchvae.objectives.total_correlation import decompose


def evaluate(objective, model, batch, step=0):
    torch.manual_seed(0)
    return objective(model, batch, objective.weights(step))


def elements(objective, model, batch, step):
    """Terms and loss without the check, which refuses a single layer under this name."""
    torch.manual_seed(0)
    terms = objective.terms(model, batch)
    return {"loss": objective.total(terms, objective.weights(step)), **terms}


@pytest.mark.parametrize("kind", [DLGM, Seatbelt])
def test_the_rates_of_the_layers_add_up(ladder, batch, kind):
    terms = evaluate(kind(), ladder((4, 3, 2)), batch)
    torch.testing.assert_close(terms["rate_1"] + terms["rate_2"] + terms["rate_3"], terms["rate"])


def test_the_rate_of_a_lower_layer_is_against_the_prior_from_above(ladder, batch):
    model = ladder((3, 2))
    terms = evaluate(DLGM(), model, batch)
    torch.manual_seed(0)
    latents = model.infer(batch.x)
    q, p = latents.posteriors[0], latents.priors[0]
    ratio = (q.mean - p.mean).square() / p.variance + q.variance / p.variance
    expected = 0.5 * (ratio - 1 - (q.variance / p.variance).log()).sum(dim=1).mean()
    torch.testing.assert_close(terms["rate_1"], expected)


@pytest.mark.parametrize("estimator", ["mws", "mss"])
@pytest.mark.parametrize("kl", ["analytic", "sampled"])
@pytest.mark.parametrize("kind", [Seatbelt, TCDLGM])
@pytest.mark.parametrize("step", [0, 3, 9])
def test_one_layer_is_beta_tcvae_exactly(model, batch, kind, kl, estimator, step):
    values = {"beta": 4, "beta0": 9, "shape": "linear", "iteration_threshold": 5}
    values |= {"kl": kl, "estimator": estimator}
    found = elements(kind(**values), model, batch, step)
    expected = elements(TotalCorrelation(**values), model, batch, step)
    for term in expected:
        assert torch.equal(found[term], expected[term])


@pytest.mark.parametrize(("kind", "on"), [(Seatbelt, "all"), (TCDLGM, "first")])
@pytest.mark.parametrize(("floor", "free_bits_on"), [(0.1, "lower"), (0.1, "all"), (50, "all")])
def test_beta_one_is_a_dlgm_exactly(ladder, batch, kind, on, floor, free_bits_on):
    """For Seatbelt one whose likelihood is on all layers."""
    model = ladder((4, 3, 2), on)
    bits = {"free_bits": floor, "free_bits_on": free_bits_on}
    found = evaluate(kind(beta=1, **bits), model, batch)
    expected = evaluate(DLGM(beta=1, **bits), model, batch)
    for term in expected:
        assert torch.equal(found[term], expected[term])


def test_beta_weighs_the_total_correlation_of_the_top_layer_alone(ladder, batch):
    model = ladder((4, 3, 2))
    loss = {beta: evaluate(Seatbelt(beta=beta), model, batch)["loss"] for beta in (1, 6)}
    torch.manual_seed(0)
    latents = model.infer(batch.x)
    top = decompose(
        latents.samples[2],
        latents.posteriors[2],
        latents.priors[2],
        population=batch.population,
        estimator="mws",
    )
    torch.testing.assert_close(loss[6] - loss[1], 5 * top["total_correlation"])


def test_free_bits_are_a_floor_under_the_layers_below_the_top(ladder, batch):
    """The floor stands in for both lower rates; the top keeps its own and its TC."""
    model = ladder((4, 3, 2))
    terms = evaluate(Seatbelt(beta=6, free_bits=100), model, batch)
    top = terms["rate_3"] + 5 * terms["total_correlation"]
    torch.testing.assert_close(terms["loss"], terms["reconstruction"] + 200 + top)


def test_free_bits_act_layer_by_layer():
    terms = {"reconstruction": 1.0, "rate_1": 0.5, "rate_2": 7.0, "rate_3": 0.25}
    terms = {name: torch.tensor(value) for name, value in terms.items()}
    assert DLGM(free_bits=2).total(terms, {"beta": 1.0}) == 1 + 2 + 7 + 0.25
    assert DLGM(free_bits=0).total(terms, {"beta": 1.0}) == 1 + 0.5 + 7 + 0.25


def test_a_negative_total_correlation_has_no_floor():
    terms = {"reconstruction": 1.0, "rate_1": 5.0, "rate_2": 0.5, "total_correlation": -3.0}
    terms = {name: torch.tensor(value) for name, value in terms.items()}
    assert Seatbelt(free_bits=2).total(terms, {"beta": 3.0}) == 1 + 5 + 0.5 - 6


@pytest.mark.parametrize(("rate", "cost"), [(2.5, 2.5 - 6), (2.0, 2 - 6), (1.9, 2)])
def test_free_bits_of_the_top_stand_in_for_its_total_correlation_too(rate, cost):
    terms = {"reconstruction": 1.0, "rate_1": 5.0, "rate_2": rate, "total_correlation": -3.0}
    terms = {name: torch.tensor(value) for name, value in terms.items()}
    objective = Seatbelt(free_bits=2, free_bits_on="all")
    assert objective.total(terms, {"beta": 3.0}) == pytest.approx(1 + 5 + cost)


@pytest.mark.parametrize(("on", "same"), [("all", True), ("lower", False)])
def test_the_total_correlation_does_not_pull_at_a_top_within_its_free_bits(ladder, batch, on, same):
    model, gradients = ladder((3, 2)), []
    for beta in (1, 6):
        model.zero_grad()
        evaluate(Seatbelt(beta=beta, free_bits=100, free_bits_on=on), model, batch)[
            "loss"
        ].backward()
        gradients.append(model.up[0].weight.grad.clone())
    assert gradients[0].abs().sum() > 0
    assert torch.equal(*gradients) is same


def test_a_rate_that_is_no_number_is_not_hidden_by_its_floor():
    rate = torch.tensor(math.nan)
    assert floored(rate, rate, 2.0).isnan()


def test_a_layer_within_its_free_bits_is_not_pulled_to_its_prior(ladder, batch):
    objective = DLGM(free_bits=100)
    model = ladder((3, 2), "first")
    evaluate(objective, model, batch)["loss"].backward()
    assert model.down[0].weight.grad.abs().sum() == 0
    assert model.up[0].weight.grad.abs().sum() > 0


def test_free_bits_are_a_key_of_hierarchies_alone():
    with pytest.raises(ConfigError, match="unknown key 'free_bits'"):
        read_objective({"name": "tc", "free_bits": 1})


def test_the_top_of_a_gaussian_hierarchy_has_its_closed_form():
    """z_1 ~ N(m_n, s^2), z_2 ~ N(A z_1, t^2): the aggregate of z_2 is a known normal."""
    count, s, t = 2000, 0.4, 0.5
    rng = np.random.default_rng(3)
    turn = np.array([[0.8, 0.3], [0.2, 0.9]])
    below = rng.standard_normal((count, 2)) + s * rng.standard_normal((count, 2))
    mean = torch.from_numpy(below @ turn.T)
    posterior = Normal(mean, t * torch.ones_like(mean))
    torch.manual_seed(0)
    z = posterior.sample()
    lower = Normal(torch.from_numpy(below), s * torch.ones_like(mean))
    latents = Latents(
        (lower, posterior), (standard_normal(lower), standard_normal(posterior)), (lower.mean, z)
    )
    batch = Batch(mean, mean, mean, population=count)
    terms = Seatbelt(estimator="mss").latent_terms(latents, batch)
    covariance = (1 + s**2) * turn @ turn.T + t**2 * np.eye(2)
    correlation = -0.5 * math.log(np.linalg.det(covariance) / np.diag(covariance).prod())
    information = 0.5 * np.linalg.slogdet(covariance)[1] - 2 * math.log(t)
    assert float(terms["total_correlation"]) == pytest.approx(correlation, abs=0.05)
    assert float(terms["mutual_information"]) == pytest.approx(information, abs=0.05)


def test_the_sampled_kl_of_the_lower_layers_is_unbiased():
    """Two linear Gaussian layers: the KL of the joint normals has a closed form."""
    torch.manual_seed(0)
    count = 400_000
    like = torch.zeros(count, 1, dtype=torch.float64)

    def around(mean, scale):
        return Normal(like + mean, like + scale, validate_args=False)

    q1 = around(0.5, 0.8)
    z1 = q1.sample()
    q2 = around(1.2 * z1, 0.5)
    z2 = q2.sample()
    latents = Latents((q1, q2), (around(0.7 * z2, 0.9), around(0.0, 1.0)), (z1, z2))

    def joint(first, slope, mean, scale):
        """(z_i, z_j) with z_i normal and z_j normal around slope z_i: mean and covariance."""
        covariance = [
            [first**2, slope * first**2],
            [slope * first**2, slope**2 * first**2 + scale**2],
        ]
        return torch.tensor([mean, slope * mean]), torch.tensor(covariance)

    of_q = MultivariateNormal(*joint(0.8, 1.2, 0.5, 0.5))
    mean, covariance = joint(1.0, 0.7, 0.0, 0.9)  # z2 first, then z1
    of_p = MultivariateNormal(mean.flip(0), covariance.flip(0, 1))
    exact = float(kl_divergence(of_q, of_p))
    sampled, analytic = (
        float(sum(layer_rates(latents, lower).values())) for lower in ("sampled", "analytic")
    )
    assert sampled == pytest.approx(exact, abs=0.01)
    assert abs(analytic - exact) > 0.1


@pytest.mark.parametrize("kind", [DLGM, Seatbelt])
def test_training_takes_the_sampled_kl_on_request(ladder, batch, kind):
    model = ladder((3, 2, 2), "all")
    plain, sampled = (evaluate(kind(lower_kl=how), model, batch) for how in ("analytic", "sampled"))
    for layer in (1, 2):
        assert sampled[f"rate_{layer}"] != plain[f"rate_{layer}"]
    assert sampled["rate_3"] == plain["rate_3"]
    layers = [sampled[f"rate_{i}"] for i in (1, 2, 3)]
    torch.testing.assert_close(sampled["rate"], sum(layers))


def test_seatbelt_has_free_bits_below_the_top_unless_told_otherwise():
    assert (Seatbelt().free_bits, Seatbelt().free_bits_on) == (1.0, "lower")
    assert TCDLGM().free_bits == DLGM().free_bits == 0.0

"""beta-TCVAE weighs the total correlation and nothing else."""

import pytest
import torch

from glitchvae.objectives import TotalCorrelation

PARTS = ("mutual_information", "total_correlation", "dimension_wise_kl")


def terms_of(objective, model, batch):
    torch.manual_seed(0)
    return objective(model, batch, objective.weights(0))


@pytest.mark.parametrize("estimator", ["mws", "mss"])
def test_the_loss_is_the_elbo_and_more_total_correlation(model, batch, estimator):
    terms = terms_of(TotalCorrelation(beta=6, estimator=estimator), model, batch)
    expected = terms["reconstruction"] + terms["rate"] + 5 * terms["total_correlation"]
    torch.testing.assert_close(terms["loss"], expected)


def test_the_sampled_loss_is_the_three_parts(model, batch):
    terms = terms_of(TotalCorrelation(beta=6, kl="sampled"), model, batch)
    information, correlation, dimensions = (terms[part] for part in PARTS)
    expected = terms["reconstruction"] + information + 6 * correlation + dimensions
    torch.testing.assert_close(terms["loss"], expected)


def test_both_losses_differ_by_the_noise_of_the_kl(model, batch):
    """With and without closed form: what differs is the sampled KL, whatever beta."""
    for beta in (1, 6):
        analytic = terms_of(TotalCorrelation(beta=beta), model, batch)
        sampled = terms_of(TotalCorrelation(beta=beta, kl="sampled"), model, batch)
        kl = sum(sampled[part] for part in PARTS)
        torch.testing.assert_close(
            sampled["loss"] - analytic["loss"], kl - analytic["rate"], rtol=1e-6, atol=1e-9
        )


def test_the_constants_leave_the_gradient_alone(model, batch):
    """log N M is a constant: the population does not change what weighted sampling learns."""
    gradients = []
    for population in (40, 10**6):
        model.zero_grad()
        terms_of(TotalCorrelation(), model, batch._replace(population=population))[
            "loss"
        ].backward()
        gradients.append([p.grad.clone() for p in model.parameters()])
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other)

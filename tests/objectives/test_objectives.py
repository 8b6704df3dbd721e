"""What holds for every objective: the sum of terms, gradients, weights as tensors, errors."""

import pytest
import torch

from glitchvae.errors import ConfigError
from glitchvae.objectives import OBJECTIVES, Beta, read_objective

ELBO = {
    "beta": {"beta": 1},
    "annealed": {"beta0": 1},
    "annealed, cosine": {"beta0": 1, "shape": "cosine"},
    "annealed, cyclical": {"beta0": 1, "shape": "cyclical"},
    "bottleneck": {"gamma": 1, "capacity": 0},
    "factor": {"gamma": 0},
    "tc": {"beta": 1},
    "tc, mss": {"beta": 1, "estimator": "mss"},
    "dip-i": {"lambda_od": 0},
    "dip-ii": {"lambda_od": 0},
    "dlgm": {"beta": 1},
    "tc-dlgm": {"beta": 1},
    "seatbelt": {"beta": 1},
    "consistent": {"beta": 1, "consistency": 0},
    "labelled": {"beta": 1, "consistency": 0},
    "infovae": {"alpha": 0, "lambda_mmd": 1},
}
"""Settings under which each objective is the ELBO."""


def evaluate(objective, model, batch, *, step=3, seed=2):
    torch.manual_seed(seed)
    discriminator = objective.discriminator(model.layers[0])
    discriminator = None if discriminator is None else discriminator.double()
    torch.manual_seed(seed)
    return objective(model, batch, objective.weights(step), discriminator)


def elements(objective, model, batch, *, step, seed=2):
    """Terms and loss without the check: it refuses one layer under the name of a hierarchy."""
    torch.manual_seed(seed)
    discriminator = objective.discriminator(model.layers[0])
    discriminator = None if discriminator is None else discriminator.double()
    torch.manual_seed(seed)
    terms = objective.terms(model, batch, discriminator)
    return {"loss": objective.total(terms, objective.weights(step)), **terms}


def models(model_for, hierarchy, name):
    """Every kind of model that an objective is for."""
    if OBJECTIVES[name].hierarchy_on is None:
        yield model_for(name)
    if name in ("dlgm", "tc-dlgm"):
        yield hierarchy((3, 2), "first")
    if name in ("dlgm", "seatbelt", "beta", "annealed", "bottleneck"):
        yield hierarchy((4, 3, 2), "all")


@pytest.mark.parametrize("case", ELBO)
@pytest.mark.parametrize("step", [0, 7, 10**6])
def test_each_can_be_the_elbo_exactly(model, batch, tiny_objective, case, step):
    objective = tiny_objective(case.split(",")[0], **ELBO[case])
    found = elements(objective, model, batch, step=step)
    expected = elements(Beta(beta=1), model, batch, step=step)
    for term in expected:
        assert torch.equal(found[term], expected[term])


@pytest.mark.parametrize("name", OBJECTIVES)
def test_gradients_are_those_of_finite_differences(
    model_for, hierarchy, batch, tiny_objective, name
):
    for candidate in models(model_for, hierarchy, name):
        check_gradients(tiny_objective(name), candidate, batch)


@pytest.mark.parametrize("name", OBJECTIVES)
def test_gradients_hold_for_a_gaussian_likelihood(
    model_for, hierarchy, batch, tiny_objective, name
):
    model = model_for(name, likelihood="gaussian")
    if layers := OBJECTIVES[name].hierarchy_on:
        model = hierarchy((3, 2), layers, "gaussian")
    check_gradients(tiny_objective(name), model, batch)


def check_gradients(objective, model, batch):
    evaluate(objective, model, batch)["loss"].backward()
    for parameter in model.parameters():
        place = int(parameter.grad.abs().argmax())
        values = []
        with torch.no_grad():
            flat = parameter.view(-1) if parameter.dim() else parameter.unsqueeze(0)
            for shift in (1e-5, -2e-5):
                flat[place] += shift
                values.append(float(evaluate(objective, model, batch)["loss"]))
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

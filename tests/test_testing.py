"""The contract tests pass what keeps the contract, and say what breaks it."""

from typing import ClassVar, Literal

import pytest
import torch
from torch import nn

from glitchvae.errors import GlitchvaeError
from glitchvae.objectives import OBJECTIVES, Beta, Constant, Factor, Objective
from glitchvae.testing import check_model, check_objective


@pytest.mark.parametrize("name", OBJECTIVES)
def test_objectives_of_the_package_keep_the_contract(name):
    small = {"discriminator_width": 8, "discriminator_depth": 2} if name == "factor" else {}
    check_objective(OBJECTIVES[name](**small))


class Squared(Objective):
    """D + beta R^2."""

    name: Literal["squared"] = "squared"
    beta: float = 1.0

    def schedules(self):
        return {"beta": Constant(self.beta)}

    def total(self, terms, weights):
        return terms["reconstruction"] + weights["beta"] * terms["rate"].square()


class Mute(Squared):
    def schedules(self):
        return Objective.schedules(self)


class Unsaid(Objective):
    pass


class Wide(Squared):
    def terms(self, model, batch, discriminator=None):
        terms = super().terms(model, batch, discriminator)
        return {**terms, "rate": terms["rate"].repeat(2)}


class Undefined(Squared):
    def total(self, terms, weights):
        return super().total(terms, weights) * torch.nan


class Detached(Squared):
    def total(self, terms, weights):
        return super().total(terms, weights).detach()


class Blind(Squared):
    def total(self, terms, weights):
        return terms["rate"]


class Missing(Squared):
    def total(self, terms, weights):
        return terms["distance"]


class Twice(Squared):
    def terms(self, model, batch, discriminator=None):
        terms = super().terms(model, batch, discriminator)
        return {**terms, "weight_beta": terms["rate"]}


class Restless(Squared):
    calls: ClassVar[list[int]] = []

    def total(self, terms, weights):
        self.calls.append(1)
        return super().total(terms, weights) * (1 + len(self.calls))


class Leaking(Factor):
    discriminator_width: int = 8
    discriminator_depth: int = 2

    def discriminator_loss(self, discriminator, codes, other):
        return discriminator(codes).square().mean()


def test_an_objective_of_ones_own_keeps_it():
    check_objective(Squared)
    check_objective(Squared(beta=3))


@pytest.mark.parametrize(
    ("objective", "message"),
    [
        (Unsaid, r"without weights.*schedules\(\)"),
        (Wide, r"'rate' of the objective Wide is no scalar.*found \(2,\)"),
        (Undefined, "a finite term 'loss'"),
        (Detached, "a loss with a gradient"),
        (Blind, "a gradient of every weight.*decoder"),
        (Missing, r"needs what there is not.*'distance'.*reconstruction, rate, beta"),
        (Twice, "share columns.*weight_beta"),
        (Restless, "the same 'loss' under one seed"),
        (Leaking, "leaves the model alone"),
        (
            Beta.model_construct(beta=float("inf")),
            "a finite weight 'beta'|cannot be|same objective",
        ),
        (nn.Linear(2, 2), "no objective.*Linear"),
    ],
)
def test_what_breaks_it_is_said(objective, message):
    with pytest.raises(GlitchvaeError, match=message):
        check_objective(objective)


class Net(nn.Module):
    """A linear VAE of 8 x 8 pixels."""

    def __init__(self):
        super().__init__()
        self.up, self.down = nn.Linear(64, 6), nn.Linear(3, 64)

    def encode(self, x):
        return self.up(x.flatten(1)).chunk(2, dim=1)

    def decode(self, z):
        return self.down(z).sigmoid().unflatten(1, (1, 8, 8))


class Mates(Net):
    def encode(self, x):
        mean, log_var = super().encode(x)
        return mean - mean.mean(dim=0), log_var


class Idle(Net):
    def __init__(self):
        super().__init__()
        self.unused = nn.Linear(2, 2)


class Fixed(Net):
    """Its constructor takes an argument that it does not tell."""

    def __init__(self, size):
        super().__init__()
        self.size = size


class Counting(Net):
    calls = 0

    def encode(self, x):
        self.calls += 1
        mean, log_var = super().encode(x)
        return mean + self.calls, log_var


def test_a_network_of_ones_own_keeps_it():
    network = Net()
    before = network.up.weight.clone()
    check_model(network, (1, 8, 8))
    assert torch.equal(network.up.weight, before)
    assert network.up.weight.grad is None


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (Mates(), "does not depend on the other images"),
        (Idle(), "a gradient of every weight.*unused"),
        (Fixed(3), "cannot be built.*attribute arguments"),
        (Counting(), "the same code for the same images"),
        (nn.Linear(2, 2), "no method encode"),
    ],
)
def test_what_a_network_breaks_is_said(network, message):
    with pytest.raises(GlitchvaeError, match=message):
        check_model(network, (1, 8, 8))

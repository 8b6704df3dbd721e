"""Objectives run captured, stacked, with weights on the device, and in half precision."""

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, stack_module_state, vmap

from glitchvae.objectives import OBJECTIVES

HIERARCHICAL = ("dlgm", "tc-dlgm", "seatbelt")


class Step(nn.Module):
    """Model, discriminator and objective behind one forward, as in a captured step."""

    def __init__(self, objective, model, discriminator) -> None:
        super().__init__()
        self.objective, self.model, self.discriminator = objective, model, discriminator

    def forward(self, batch, weights: dict[str, float | Tensor]) -> dict[str, Tensor]:
        return self.objective(self.model, batch, weights, self.discriminator)


@pytest.fixture(params=OBJECTIVES)
def step(request, tiny_objective, ladder, model_for) -> Step:
    """One of every objective, with two latent layers where it may have them."""
    objective = tiny_objective(request.param)
    layers = (3, 2) if request.param in HIERARCHICAL else (2,)
    model = ladder(layers, "first" if request.param == "tc-dlgm" else "all")
    if objective.learns_prior:
        model = model_for(request.param)
    discriminator = objective.discriminator(model.layers[0])
    return Step(objective, model, None if discriminator is None else discriminator.double())


def is_image(value: object) -> bool:
    return isinstance(value, Tensor) and value.is_floating_point()


def as_tensors(weights: dict[str, float]) -> dict[str, Tensor]:
    return {name: torch.tensor(value, dtype=torch.float64) for name, value in weights.items()}


def test_weights_may_be_tensors(step, batch):
    weights, found = step.objective.weights(3), []
    for given in (weights, as_tensors(weights)):
        torch.manual_seed(0)
        found.append(step(batch, given))
    assert all(torch.equal(found[0][name], found[1][name]) for name in found[0])


def test_a_step_is_captured_whole(step, batch):
    """No break of the graph: nothing waits for the device, no branch depends on data."""
    weights, found = as_tensors(step.objective.weights(3)), []
    torch.compiler.reset()
    for run in (step, torch.compile(step, backend="eager", fullgraph=True)):
        step.zero_grad()
        torch.manual_seed(0)
        run(batch, weights)["loss"].backward()
        found.append([p.grad.clone() for p in step.model.parameters()])
    for eager, captured in zip(*found, strict=True):
        torch.testing.assert_close(captured, eager)


def test_stacked_members_are_what_each_is_alone(step, batch):
    """Three members with their own weights of terms, under one draw of noise."""
    parameters, buffers = stack_module_state([step, step, step])
    scale = torch.tensor([1.0, 1.1, 0.9], dtype=torch.float64)
    parameters = {
        name: value.detach() * scale.view(-1, *[1] * (value.dim() - 1))
        for name, value in parameters.items()
    }
    weights = [as_tensors(step.objective.weights(at)) for at in (0, 2, 9)]
    stacked = {name: torch.stack([w[name] for w in weights]) for name in weights[0]}

    def loss(parameters, buffers, weights):
        return functional_call(step, (parameters, buffers), (batch, weights))["loss"]

    torch.manual_seed(0)
    found = vmap(grad(loss), randomness="same")(parameters, buffers, stacked)
    for member in range(3):
        torch.manual_seed(0)
        own = [{name: value[member] for name, value in p.items()} for p in (parameters, buffers)]
        for name, expected in grad(loss)(*own, weights[member]).items():
            torch.testing.assert_close(found[name][member], expected)


def test_stacked_discriminators_learn_what_each_does_alone(tiny_objective):
    objective = tiny_objective("factor")
    discriminators = [objective.discriminator(2).double() for _ in range(3)]
    parameters, _ = stack_module_state(discriminators)
    codes, other = torch.randn(2, 3, 9, 2, dtype=torch.float64)

    class Step(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.discriminator = discriminators[0]

        def forward(self, codes: Tensor, other: Tensor) -> Tensor:
            return objective.discriminator_loss(self.discriminator, codes, other)

    def loss(parameters, codes, other):
        named = {f"discriminator.{name}": value for name, value in parameters.items()}
        return functional_call(Step(), named, (codes, other))

    torch.manual_seed(0)
    found = vmap(loss, randomness="same")(parameters, codes, other)
    for member in range(3):
        torch.manual_seed(0)
        expected = objective.discriminator_loss(
            discriminators[member], codes[member], other[member]
        )
        torch.testing.assert_close(found[member], expected)


def test_terms_stay_in_single_precision_under_autocast(step, batch):
    step = step.float()
    images = {name: value.float() for name, value in batch._asdict().items() if is_image(value)}
    single = batch._replace(**images)
    with torch.autocast("cpu", torch.bfloat16):
        terms = step(single, step.objective.weights(3))
    assert {term.dtype for term in terms.values()} == {torch.float32}
    assert all(term.isfinite() for term in terms.values())

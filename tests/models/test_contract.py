"""Every model keeps one contract: what objectives, training and embedding ask of it."""

import copy

import pytest
import torch
from torch.distributions import kl_divergence
from torch.func import functional_call, grad, stack_module_state, vmap

from glitchvae.checkpoint import load_checkpoint, save_checkpoint
from glitchvae.models import architecture_of, build, read_model
from tests.cards import blank_card

from .conftest import FAMILY, pictures, targets

CARD = blank_card(data="0" * 64)


def loss(model, x):
    """The negative ELBO of means, which no random number enters."""
    latents = model.infer(x, sample=False)
    rate = kl_divergence(latents.posterior, latents.prior).sum()
    return rate - model.decode(latents.z).log_prob(targets(model, x)).sum()


def test_layers_and_images_have_their_shapes(model):
    x = pictures(model)
    latents = model.infer(x)
    for record in (latents.posteriors, latents.priors):
        assert [layer.batch_shape for layer in record] == [(6, size) for size in model.layers]
    assert [z.shape for z in latents.samples] == [(6, size) for size in model.layers]
    assert latents.z.shape == model.encode(x).mean.shape == (6, sum(model.layers))
    posterior, likelihood = model(x)
    assert posterior.batch_shape == (6, sum(model.layers))
    assert likelihood.mean.shape == likelihood.log_prob(targets(model, x)).shape
    assert likelihood.mean.shape == targets(model, x).shape
    assert likelihood.mean.dtype == posterior.mean.dtype == torch.float32


def test_means_are_in_the_range_of_the_data(model):
    low, high = model.likelihood.data_range
    mean = model(pictures(model))[1].mean
    if getattr(model.settings, "mean", "bounded") == "bounded":
        assert low <= mean.min()
        assert mean.max() <= high


def test_half_precision_ends_at_the_heads(model):
    with torch.autocast("cpu", torch.bfloat16):
        posterior, likelihood = model(pictures(model))
    assert posterior.mean.dtype == posterior.stddev.dtype == torch.float32
    assert likelihood.log_prob(targets(model, pictures(model))).dtype == torch.float32


def test_every_parameter_gets_a_gradient(model):
    model = copy.deepcopy(model).train()
    loss(model, pictures(model)).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 1e-9, name


def test_draws_follow_the_posterior(model):
    x = pictures(model, 1).expand(4000, *pictures(model, 1).shape[1:])
    torch.manual_seed(2)
    with torch.inference_mode():
        latents = model.infer(x)
    q, z = latents.posteriors[0], latents.samples[0]
    error = (z.mean(0) - q.mean[0]) / q.stddev[0]
    assert error.abs().max() < 5 / 4000**0.5
    torch.testing.assert_close(z.std(0), q.stddev[0], rtol=0.06, atol=0)


def test_a_code_is_deterministic_and_independent_of_batch_mates(model):
    x = pictures(model)
    with torch.inference_mode():
        together, again, alone = model.encode(x), model.encode(x), model.encode(x[2:3])
    assert torch.equal(together.mean, again.mean)
    for one, other in ((together.mean, alone.mean), (together.stddev, alone.stddev)):
        torch.testing.assert_close(one[2:3], other, rtol=1e-5, atol=1e-6)


def test_a_checkpoint_holds_any_of_them(model, tmp_path):
    card = save_checkpoint(tmp_path / "model", model, CARD)
    assert card.latent_size == sum(model.layers)
    loaded = load_checkpoint(tmp_path / "model").model
    assert type(loaded) is type(model)
    assert loaded.settings == model.settings
    x = pictures(model)
    assert torch.equal(loaded.encode(x).mean, model.encode(x).mean)


def test_settings_are_read_from_a_table(model):
    table = model.settings.model_dump(mode="json", exclude_none=True)
    table["architecture"] = architecture_of(model.settings)
    assert read_model(table) == model.settings


@pytest.mark.parametrize("name", FAMILY)
def test_an_ensemble_in_one_step_is_a_loop_over_its_members(name):
    torch.manual_seed(0)
    members = [build(*FAMILY[name]).double().train() for _ in range(2)]
    base, x = members[0], pictures(members[0]).double()
    parameters, buffers = stack_module_state(copy.deepcopy(members))

    def member_loss(parameters, buffers, x):
        return functional_call(Through(base), (wrapped(parameters), wrapped(buffers)), (x,))

    gradients = vmap(grad(member_loss), in_dims=(0, 0, None))(parameters, buffers, x)
    for index, member in enumerate(members):
        loss(member, x).backward()
        for key, parameter in member.named_parameters():
            torch.testing.assert_close(gradients[key][index], parameter.grad, rtol=1e-6, atol=1e-9)
        for key, buffer in member.named_buffers():
            torch.testing.assert_close(buffers[key][index], buffer)


def test_members_of_an_ensemble_draw_different_numbers(model):
    parameters, buffers = stack_module_state([model, model])

    def code(parameters, buffers, x):
        call = functional_call(model, (parameters, buffers), (x,))
        return call[1].mean

    with torch.no_grad():
        images = vmap(code, in_dims=(0, 0, None), randomness="different")(
            parameters, buffers, pictures(model)
        )
    assert not torch.equal(images[0], images[1])


def test_sampling_the_model_repeats_with_its_generator(model):
    first, again = (
        model.sample(5, generator=torch.Generator().manual_seed(3)).mean for _ in range(2)
    )
    assert torch.equal(first, again)
    assert first.shape == targets(model, pictures(model, 5)).shape
    assert not torch.equal(first, model.sample(5).mean)


def test_samples_of_the_top_layer_are_standard_normal(model):
    generator = torch.Generator().manual_seed(4)
    z = model.sample_latents(4000, generator=generator)[:, -model.layers[-1] :]
    assert z.mean(0).abs().max() < 5 / 4000**0.5
    torch.testing.assert_close(z.std(0), torch.ones(model.layers[-1]), rtol=0.06, atol=0)


class Through(torch.nn.Module):
    """The loss of a model as a forward pass, for `functional_call`."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, x):
        return loss(self.model, x)


def wrapped(state):
    return {f"model.{name}": value for name, value in state.items()}

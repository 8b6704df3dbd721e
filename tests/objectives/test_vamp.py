"""A learnt prior is a mixture of normals, whose inputs are trained and kept."""

import numpy as np
import pytest
import torch
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal

from glitchvae.checkpoint import load_checkpoint
from glitchvae.errors import ModelError
from glitchvae.models import GlitchVAESettings, ImageVAE, ImageVAESettings, log_mixture
from glitchvae.objectives import Beta, Vamp, layer_rates_of
from glitchvae.training import PictureData, TrainingConfig, train

SETTINGS = ImageVAESettings(
    network="reference", image_shape=(1, 16, 16), latent_size=3, pseudo_inputs=5
)


def mixture(components: Normal) -> MixtureSameFamily:
    equal = Categorical(torch.ones(len(components.mean), dtype=components.mean.dtype))
    return MixtureSameFamily(equal, Independent(components, 1))


def test_the_density_is_torchs_mixture():
    generator = torch.Generator().manual_seed(0)
    mean, z = (torch.randn(n, 3, generator=generator, dtype=torch.float64) for n in (5, 9))
    components = Normal(mean, 0.3 + mean.abs())
    expected = mixture(components).log_prob(z)
    torch.testing.assert_close(log_mixture(z, components), expected)


def test_far_draws_have_a_finite_density_and_gradient():
    z = torch.full((1, 3), 1e4, requires_grad=True)
    density = log_mixture(z, Normal(torch.zeros(4, 3), torch.full((4, 3), 0.1)))
    density.sum().backward()
    assert density.isfinite()
    assert z.grad.isfinite().all()


def test_the_rate_tends_to_the_divergence_from_the_mixture(model_for, batch):
    """Many draws, beside an integral of torch's mixture over the plane of two latents."""
    model = model_for("vamp")
    with torch.no_grad():
        torch.manual_seed(0)
        found = torch.stack([Vamp().terms(model, batch)["rate"] for _ in range(4000)])
        axis = torch.linspace(-9, 9, 721, dtype=torch.float64)
        plane = torch.stack(torch.meshgrid(axis, axis, indexing="ij"), dim=-1).flatten(0, 1)
        log_p = mixture(model.prior_components()).log_prob(plane)
        posterior = model.infer(batch.x).posterior
        log_q = posterior.log_prob(plane[:, None]).sum(dim=-1)
        kl = (log_q.exp() * (log_q - log_p[:, None])).sum(dim=0) * (axis[1] - axis[0]) ** 2
    error = float(found.std()) / len(found) ** 0.5
    assert float(found.mean()) == pytest.approx(float(kl.mean()), abs=4 * error + 1e-4)


def test_the_pseudo_inputs_are_learnt(model_for, batch):
    model = model_for("vamp")
    inputs = model.pseudo_inputs()
    assert inputs.shape == (4, 5, 6, 6)
    assert (inputs[:, -1] == 1).all()
    assert 0 <= inputs.min() < inputs.max() <= 1
    optimizer = torch.optim.Adam([model.pseudo_inputs.logits], 0.1)
    rates = []
    for _ in range(40):
        torch.manual_seed(0)
        rate = Vamp()(model, batch, {"beta": 1.0})["rate"]
        optimizer.zero_grad()
        rate.backward()
        optimizer.step()
        rates.append(float(rate.detach()))
    assert rates[-1] < rates[0] - 1e-3


def test_pseudo_inputs_lie_in_the_range_of_the_data():
    signed = SETTINGS.model_dump() | {"likelihood": "gaussian", "data_range": (-1.0, 1.0)}
    inputs = ImageVAE(ImageVAESettings.model_validate(signed)).pseudo_inputs()
    assert -1 <= inputs.min() < -0.2
    assert inputs.max() <= 1


def test_samples_of_the_model_are_draws_of_the_mixture():
    torch.manual_seed(0)
    model = ImageVAE(SETTINGS).double()
    with torch.no_grad():
        model.pseudo_inputs.logits.mul_(30)
        z = model.sample_latents(20_000, generator=torch.Generator().manual_seed(0))
        whole = mixture(model.prior_components())
    error = whole.stddev / len(z) ** 0.5
    assert ((z.mean(0) - whole.mean) / error).abs().max() < 5
    torch.testing.assert_close(z.std(0), whole.stddev, rtol=0.05, atol=0)


def test_models_without_a_learnt_prior_keep_the_closed_form(model, batch):
    latents = model.infer(batch.x)
    torch.testing.assert_close(
        layer_rates_of(model, latents).mean(), Beta().latent_terms(latents, batch)["rate"]
    )


def test_the_objective_brings_its_prior():
    config = TrainingConfig(objective=Vamp())
    assert config.model == GlitchVAESettings(pseudo_inputs=64)
    assert TrainingConfig(objective=Beta()).model == GlitchVAESettings()


def test_a_model_without_one_is_refused(model, batch):
    with pytest.raises(ModelError, match=r"'vamp'.*a prior that is learnt.*Set pseudo_inputs"):
        Vamp()(model, batch, {"beta": 1.0})


def test_other_objectives_refuse_a_learnt_prior(model_for, batch):
    with pytest.raises(ModelError, match=r"Beta does not fit.*Train it by vamp"):
        Beta()(model_for("vamp"), batch, {"beta": 1.0})


def test_a_run_keeps_its_prior_and_goes_on_bit_by_bit(tmp_path):
    pictures = np.random.default_rng(0).random((40, 1, 16, 16), dtype=np.float32)
    split = np.array(["train"] * 30 + ["validation"] * 10)
    data = PictureData.from_images(pictures, split=split)
    config = TrainingConfig(
        objective=Vamp(), model=SETTINGS, steps=8, batch_size=10, validate_every=4, save_every=4
    )
    whole = train(data, config, tmp_path / "whole")
    model = load_checkpoint(whole).model
    assert model.prior_components().mean.shape == (5, 3)

    steps = []

    def stop(step):
        steps.append(step)
        if len(steps) == 6:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        train(data, config, tmp_path / "parts", progress=stop)
    parts = train(data, config, tmp_path / "parts", resume=True)
    weights = [(run / "weights.safetensors").read_bytes() for run in (whole, parts)]
    assert weights[0] == weights[1]

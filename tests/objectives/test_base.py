"""The terms that all objectives share agree with closed forms and samples."""

import torch
from torch.distributions import Bernoulli, Normal

from glitchvae.models import Latents
from glitchvae.objectives import Batch, distortion, kl_per_dimension, rate


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
    likelihood = Bernoulli(probs=torch.full((5, 4, 6, 6), 0.3), validate_args=False)
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


def test_kl_of_the_dimensions_is_the_closed_form_and_adds_up():
    posterior, prior = posterior_and_prior()
    latents = Latents((posterior,), (prior,), (posterior.mean,))
    found = kl_per_dimension(latents)
    assert found.shape == (3,)
    variance = posterior.variance
    expected = 0.5 * (posterior.mean**2 + variance - variance.log() - 1).mean(dim=0)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(found.sum(), rate(posterior, prior))


def test_kl_of_the_dimensions_of_a_hierarchy_runs_bottom_up(ladder, batch):
    torch.manual_seed(0)
    latents = ladder((3, 2)).infer(batch.x)
    found = kl_per_dimension(latents)
    parts = [rate(q, p) for q, p in zip(latents.posteriors, latents.priors, strict=True)]
    torch.testing.assert_close(found[:3].sum(), parts[0])
    torch.testing.assert_close(found[3:].sum(), parts[1])

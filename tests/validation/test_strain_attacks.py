"""Disturbed strain changes its class when it is imaged as any strain is."""

import numpy as np
import pytest
import torch
from torch import nn

from glitchvae.checkpoint import Checkpoint, DataCard, ModelCard
from glitchvae.errors import InputError, ModelError
from glitchvae.models import GlitchVAE, GlitchVAESettings, prepare
from glitchvae.prototypes import Prototypes
from glitchvae.spectrogram import imaging_settings
from glitchvae.strain import open_strain
from glitchvae.validation.strain_attacks import (
    SHARES,
    WhitenedEvent,
    attack_strain,
    classify_blocks,
    encode_blocks,
    whiten_event,
)

RATE, DURATION = 512.0, 8.0
TIMES = np.arange(int(RATE * DURATION)) / RATE


def burst(frequency: float, snr: float, seed: int) -> torch.Tensor:
    """Noise of unit variance and a burst of some signal-to-noise ratio, (1, T)."""
    noise = np.random.default_rng(seed).normal(size=len(TIMES))
    wave = np.exp(-(((TIMES - 4) / 0.03) ** 2)) * np.cos(2 * np.pi * frequency * (TIMES - 4))
    return torch.from_numpy(noise + snr * wave / np.linalg.norm(wave)).float()[None]


@pytest.fixture(scope="module")
def event() -> WhitenedEvent:
    return WhitenedEvent(block=burst(60, 0, 0), sample_rate=RATE, centre=4.0)


def _tell_apart(model, event, blocks, sides):
    """Let the first latent variable be which side of a plane the last features lie on."""
    seen, head = [], [part for part in model.encoder.modules() if isinstance(part, nn.Linear)][-1]
    watch = head.register_forward_hook(lambda _, given, __: seen.append(given[0]))
    with torch.no_grad():
        model.encode(prepare(event.images(blocks))[0])
        watch.remove()
        (features,) = seen
        columns = torch.cat([features, torch.ones(len(features), 1)], dim=1)
        ridge = columns.T @ columns + 1e-3 * torch.eye(columns.shape[1])
        plane = torch.linalg.solve(ridge, columns.T @ sides)
        head.weight[0], head.bias[0] = plane[:-1], plane[-1]


@pytest.fixture(scope="module")
def checkpoint(event, tmp_path_factory) -> Checkpoint:
    """A model whose classes are noise without and with a loud burst."""
    torch.manual_seed(0)
    model = GlitchVAE(GlitchVAESettings(widths=(4, 8, 8, 8), hidden=16, latent_size=4)).eval()
    card = ModelCard(architecture="glitch", model={}, latent_size=4, objective={}, steps=0, seed=0,
                     data=DataCard(digest=""))  # fmt: skip
    empty = Checkpoint(model=model, card=card, prototypes=None, digest="x",
                       path=tmp_path_factory.mktemp("model"))  # fmt: skip
    blocks = [burst(60, snr, seed) for snr in (0, 40) for seed in range(1, 13)]
    _tell_apart(model, event, torch.cat(blocks), torch.tensor([-1.0] * 12 + [1.0] * 12))
    codes = encode_blocks(empty, event, torch.cat(blocks)).numpy()
    labels = np.repeat(np.array(["Quiet", "Burst"], dtype=object), 12)
    prototypes = Prototypes.fit(codes, labels, held_out=(codes, labels))
    return Checkpoint(model=model, card=card, prototypes=prototypes, digest="x", path=empty.path)


def test_the_class_changes_with_less_than_a_burst_of_that_class(checkpoint, event):
    found = attack_strain(checkpoint, event, "Burst", prices=(1.0,), steps=30)
    assert (found.original, found.target) == ("Quiet", "Burst")
    assert len(found) == len(SHARES)
    assert 0 < found.smallest < 40
    reached = found.snr[found.class_name == "Burst"]
    assert found.smallest == reached.min()


def test_noise_of_that_size_hardly_ever_changes_it(checkpoint, event):
    noise = torch.randn(8, len(TIMES), generator=torch.Generator().manual_seed(3))
    found = classify_blocks(checkpoint, event, event.block + noise / noise.norm(dim=1)[:, None])
    assert np.mean(found.class_name == "Quiet") >= 0.75


def test_the_gradient_is_that_of_what_is_imaged(checkpoint, event):
    from glitchvae.validation.strain_attacks import _Margin

    margin = _Margin(checkpoint, event, checkpoint.prototypes.names.index("Burst"))
    leaf = torch.zeros(1, margin.samples, requires_grad=True)
    (gradient,) = torch.autograd.grad(margin(leaf), leaf)
    direction = gradient / gradient.norm()
    with torch.no_grad():
        ahead, behind = (float(margin(side * 0.05 * direction)) for side in (1, -1))
    assert (ahead - behind) / 0.1 == pytest.approx(float(gradient.norm()), rel=0.05)


def test_bad_questions_are_named(checkpoint, event):
    with pytest.raises(InputError, match="other than Quiet"):
        attack_strain(checkpoint, event, "Quiet")
    with pytest.raises(InputError, match="do not fall"):
        attack_strain(checkpoint, event, "Burst", prices=(1.0, 2.0))
    without = Checkpoint(
        model=checkpoint.model, card=checkpoint.card, prototypes=None, digest="x",
        path=checkpoint.path,
    )  # fmt: skip
    with pytest.raises(ModelError, match="without class prototypes"):
        attack_strain(without, event, "Burst")


@pytest.mark.data
def test_real_strain_is_whitened_as_for_imaging(real_data):
    path = real_data / "strain/gwosc/H-H1_LOSC_4_V2-1126259446-32.hdf5"
    event = whiten_event(open_strain([path]), 1126259462.42, imaging_settings("light"))
    assert event.block.shape == (1, 8 * 4096)
    middle = event.block[0, 4096:-4096]
    assert float(middle.std()) == pytest.approx(1, abs=0.2)
    with pytest.raises(InputError, match="no strain to disturb"):
        whiten_event(open_strain([path]), 1126259446.5, imaging_settings("light"))

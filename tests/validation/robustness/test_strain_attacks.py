"""Perturbed strain changes its class when it is imaged as any strain is."""

import dataclasses

import numpy as np
import pytest
import torch
from torch import nn

from glitchvae.checkpoint import Checkpoint
from glitchvae.classes.prototypes import Prototypes
from glitchvae.errors import InputError, ModelError
from glitchvae.models import GlitchVAE, GlitchVAESettings, prepare
from glitchvae.validation.robustness.boundaries import ClassScores, lead
from glitchvae.validation.robustness.strain_attacks import (
    REACH,
    SHARES,
    SIZES,
    StrainAttacks,
    _Margin,
    attack_strain,
    noise_limit,
    perturbed,
)
from glitchvae.validation.robustness.whitened_events import (
    WhitenedEvent,
    classify_blocks,
    encode_blocks,
)
from tests.cards import blank_card

RATE, DURATION = 512.0, 8.0
TIMES = np.arange(int(RATE * DURATION)) / RATE


def burst(frequency: float, snr: float, seed: int) -> torch.Tensor:
    """Noise of unit variance and a burst of some signal-to-noise ratio, (1, T)."""
    noise = np.random.default_rng(seed).normal(size=len(TIMES))
    wave = np.exp(-(((TIMES - 4) / 0.03) ** 2)) * np.cos(2 * np.pi * frequency * (TIMES - 4))
    return torch.from_numpy(noise + snr * wave / np.linalg.norm(wave)).float()[None]


@pytest.fixture(scope="module")
def event() -> WhitenedEvent:
    return WhitenedEvent(gps=1000.0, block=burst(60, 0, 0), sample_rate=RATE, centre=4.0)


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
    card = blank_card("glitch", latent_size=4)
    empty = Checkpoint(
        read=lambda: model,
        card=card,
        prototypes=None,
        digest="x",
        path=tmp_path_factory.mktemp("model"),
    )
    blocks = [burst(60, snr, seed) for snr in (0, 40) for seed in range(1, 13)]
    _tell_apart(model, event, torch.cat(blocks), torch.tensor([-1.0] * 12 + [1.0] * 12))
    codes = encode_blocks(empty, event, torch.cat(blocks)).numpy()
    labels = np.repeat(np.array(["Quiet", "Burst"], dtype=object), 12)
    prototypes = Prototypes.fit(codes, labels, held_out=(codes, labels))
    return Checkpoint(
        read=lambda: model, card=card, prototypes=prototypes, digest="x", path=empty.path
    )


def test_the_class_changes_with_less_than_a_burst_of_that_class(checkpoint, event):
    found = attack_strain(checkpoint, event, "Burst", rounds=1, steps=20)
    assert set(zip(found.original, found.target, strict=True)) == {("Quiet", "Burst")}
    assert len(found) == len(SHARES)
    assert 0 < found.smallest < 40
    reached = found.snr[found.class_name == "Burst"]
    assert found.smallest == reached.min()


def test_a_class_above_the_images_is_not_named(checkpoint, event):
    """As in embedding: of strain at 512 Hz nobody can say that it rings at 500 Hz."""
    assert 150 < event.f_max < 256
    (seen,) = classify_blocks(checkpoint, event, burst(60, 40, 99)).class_name
    bands = {str(seen): (500.0, 600.0)}
    blind = dataclasses.replace(
        checkpoint, prototypes=dataclasses.replace(checkpoint.prototypes, bands=bands)
    )
    (other,) = classify_blocks(blind, event, burst(60, 40, 99)).class_name
    assert {seen, other} == {"Burst", "Quiet"}


def test_white_noise_has_to_be_louder(checkpoint, event):
    found = attack_strain(checkpoint, event, "Burst", rounds=1, steps=20)
    limit = noise_limit(checkpoint, event, np.random.default_rng(3), draws=4)
    assert limit in (*SIZES, np.inf)
    assert limit > found.smallest


def test_perturbations_lie_around_the_event_and_keep_their_size(event):
    perturbation = torch.ones(2, int(2 * REACH * RATE))
    blocks = perturbed(event, perturbation)
    added = (blocks - event.block).norm(dim=1)
    torch.testing.assert_close(added, perturbation.norm(dim=1), rtol=1e-5, atol=0)
    assert torch.equal(blocks[:, : int(3 * RATE)], event.block[:, : int(3 * RATE)].expand(2, -1))


def test_attacks_of_several_events_are_kept_apart(tmp_path):
    def rows(gps, target, reached):
        names = ["Blip", target if reached else "Blip"]
        return StrainAttacks(
            gps=[gps] * 2,
            event_snr=[10.0] * 2,
            original=["Blip"] * 2,
            target=[target] * 2,
            snr=[3.0, 4.0],
            class_name=names,
            class_probability=[0.9, 0.6],
        )

    parts = [rows(2.0, "Tomte", True), rows(1.0, "Tomte", False), rows(2.0, "Koi_Fish", True)]
    StrainAttacks.join(parts).write(tmp_path / "attacks.h5")
    events = StrainAttacks.read(tmp_path / "attacks.h5").events()
    assert [(one.gps[0], one.target[0]) for one in events] == [
        (2.0, "Tomte"),
        (1.0, "Tomte"),
        (2.0, "Koi_Fish"),
    ]
    np.testing.assert_equal([one.smallest for one in events], [4.0, np.nan, 4.0])


def test_the_gradient_is_that_of_what_is_imaged(checkpoint, event):
    leaf = torch.zeros(1, int(2 * REACH * RATE), requires_grad=True)
    target = checkpoint.prototypes.names.index("Burst")
    margin = _Margin(checkpoint, event, target, leaf.detach())
    scores = ClassScores.of_prototypes(checkpoint.prototypes)
    imaged = lead(scores(encode_blocks(checkpoint, event, event.block)), torch.tensor([target]))
    assert float(margin(leaf).detach()) == pytest.approx(-float(imaged))
    (gradient,) = torch.autograd.grad(margin(leaf), leaf)
    direction = gradient / gradient.norm()
    with torch.no_grad():
        ahead, behind = (float(margin(side * 0.05 * direction)) for side in (1, -1))
    assert (ahead - behind) / 0.1 == pytest.approx(float(gradient.norm()), rel=0.05)


def test_bad_questions_are_named(checkpoint, event):
    with pytest.raises(InputError, match="other than Quiet"):
        attack_strain(checkpoint, event, "Quiet")
    with pytest.raises(InputError, match="did you mean 'Burst'"):
        attack_strain(checkpoint, event, "Bursts")
    without = Checkpoint(
        read=lambda: checkpoint.model,
        card=checkpoint.card,
        prototypes=None,
        digest="x",
        path=checkpoint.path,
    )
    with pytest.raises(ModelError, match="without class prototypes"):
        attack_strain(without, event, "Burst")

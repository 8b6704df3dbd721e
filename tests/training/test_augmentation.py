"""Changes of the input: what they change, what they leave, and that the loss sees none."""

import numpy as np
import pytest
import torch

from glitchvae.models import prepare
from glitchvae.objectives import Batch
from glitchvae.shapes import ENERGY_CEILING, VIEWS
from glitchvae.training import Augmentation
from glitchvae.training.augmentation import (
    NOISE_ENERGY,
    amplify,
    augmented,
    change,
    dim,
    replace_noise,
    shift_time,
    zoom,
)

STILL = Augmentation(time_shift=0, band_limit=0, gain=(1, 1))


@pytest.fixture
def energies(rng) -> torch.Tensor:
    return torch.from_numpy(rng.uniform(0, 25, (20, 4, 20, 24)).astype(np.float32))


@pytest.fixture
def batch(energies) -> Batch:
    loud = energies.clone()
    loud[:, :, 6] = ENERGY_CEILING
    x, valid = prepare(loud)
    return Batch(x, x[:, :-1], valid)


def changed(batch, **settings):
    return augmented(batch, STILL.model_copy(update=settings), np.random.default_rng(0))


def test_no_augmentation_changes_nothing(batch):
    seen = changed(batch)
    assert all(torch.equal(a, b) for a, b in zip(batch[:3], seen[:3], strict=True))
    assert seen.positive is None


def test_the_loss_sees_no_change(batch):
    every = Augmentation(band_limit=1, loudness=(0.5, 2), hidden_view=1)
    seen = augmented(batch, every, np.random.default_rng(0))
    assert torch.equal(seen.target, batch.target)
    assert torch.equal(seen.valid, batch.valid)
    assert not torch.equal(seen.x, batch.x)


def test_views_shift_by_one_time_of_each_event():
    width = 200
    x = torch.zeros(2, len(VIEWS) + 1, 1, width)
    x[..., width // 2] = 1
    moved = shift_time(x, np.array([0.02, -0.01]))
    places = moved[:, :, 0].argmax(dim=-1) - width // 2
    assert places.tolist() == [[8, 4, 2, 1, 0], [-4, -2, -1, 0, 0]]


def test_a_shift_loses_no_pixel(batch):
    moved = changed(batch, time_shift=0.05).x
    torch.testing.assert_close(moved.sort(dim=-1).values, batch.x.sort(dim=-1).values)


def test_a_hidden_band_looks_as_if_it_had_not_been_computed(energies):
    x, valid = prepare(energies)
    seen = changed(Batch(x, x[:, :-1], valid), band_limit=1, lowest_limit=300).x
    kept = seen[:, -1, :, 0].sum(dim=1).int()
    lowest = int(20 * np.log(30) / np.log(204.8))
    assert ((kept >= lowest) & (kept <= 20)).all()
    assert len(kept.unique()) > 2
    for event, rows in enumerate(kept.tolist()):
        cut = energies[event : event + 1].clone()
        cut[:, :, rows:] = torch.nan
        torch.testing.assert_close(seen[event : event + 1], prepare(cut)[0])


def test_a_dimmed_input_is_that_of_dimmed_energies(energies):
    gain = torch.linspace(0.4, 1, 20)
    dimmed = dim(prepare(energies)[0], gain)
    torch.testing.assert_close(dimmed, prepare(energies * gain[:, None, None, None])[0])


def test_a_louder_glitch_stands_in_the_same_noise(energies):
    factor = torch.linspace(0.5, 2, 20)
    excess = (energies - NOISE_ENERGY).clamp(min=0)
    expected = energies + (factor[:, None, None, None] - 1) * excess
    torch.testing.assert_close(amplify(prepare(energies)[0], factor), prepare(expected)[0])


@pytest.mark.parametrize("setting", [{"gain": (0.5, 0.5)}, {"loudness": (0.5, 0.5)}])
def test_saturated_pixels_and_the_band_stay(batch, setting):
    seen = changed(batch, **setting)
    saturated = batch.target == 1
    assert (seen.x[:, :-1][saturated] == 1).all()
    assert torch.equal(seen.x[:, -1], batch.x[:, -1])


def test_one_view_of_some_events_is_missing(batch):
    seen = changed(batch, hidden_view=0.5)
    missing = (seen.x[:, :-1].flatten(2) == 0).all(dim=2)
    assert set(missing.sum(dim=1).tolist()) == {0, 1}
    assert missing.any(dim=0).all()
    assert torch.equal(seen.x[:, -1], batch.x[:, -1])


def missing_views(x):
    return (x[:, :-1].flatten(2) == 0).all(dim=2)


def test_any_set_of_views_is_missing_and_one_stays(energies):
    x, valid = prepare(energies.repeat(50, 1, 1, 1))
    seen = changed(Batch(x, x[:, :-1], valid), hidden_view=0.5, most_hidden=3)
    missing = missing_views(seen.x)
    assert missing.any(dim=1).float().mean() == pytest.approx(0.5, abs=0.05)
    sets = {tuple(row) for row in missing[missing.any(dim=1)].int().tolist()}
    assert len(sets) == 2**4 - 2
    alone = (missing.sum(dim=1) == 3).float().mean()
    assert alone == pytest.approx(0.5 * 4 / 14, abs=0.04)
    assert torch.equal(seen.x[:, -1], x[:, -1])


def test_no_more_views_are_missing_than_asked_for(energies):
    x, valid = prepare(energies.repeat(20, 1, 1, 1))
    most = [
        int(
            missing_views(changed(Batch(x, x[:, :-1], valid), hidden_view=1, most_hidden=n).x)
            .sum(dim=1)
            .max()
        )
        for n in (1, 2, 3, 9)
    ]
    assert most == [1, 2, 3, 3]


def event_at(seconds, width=170):
    """An event of 40 ms at a time, in all views, as `prepare` would make it."""
    x = torch.ones(1, len(VIEWS) + 1, 2, width)
    for view, span in enumerate(VIEWS):
        times = ((torch.arange(width) + 0.5) / width - 0.5) * span
        x[0, view] = torch.exp(-0.5 * ((times - seconds) / 0.04) ** 2)
    return x


@pytest.mark.parametrize("source", [1, 2, 3])
def test_zoomed_views_show_an_event_in_its_place(source):
    x = event_at(0.05)
    zoomed = zoom(x, np.array([source]))
    assert torch.equal(zoomed[:, source:], x[:, source:])
    assert (zoomed[:, :source] - x[:, :source]).abs().max() < 0.15
    assert not torch.equal(zoomed[:, :source], x[:, :source])


def test_views_are_zoomed_of_the_share_asked_for_and_the_target_stays(rng):
    x = torch.from_numpy(rng.random((400, 5, 4, 24)).astype(np.float32))
    batch = Batch(x, x[:, :-1], torch.ones(400, 1, 4, 1, dtype=torch.bool))
    seen = changed(batch, zoomed_views=0.3)
    assert torch.equal(seen.target, batch.target)
    zoomed = (seen.x != x).flatten(2).any(dim=2)
    assert zoomed[:, 0].float().mean() == pytest.approx(0.3, abs=0.07)
    assert zoomed[:, 1].float().mean() == pytest.approx(0.2, abs=0.07)
    assert zoomed[:, 2].float().mean() == pytest.approx(0.1, abs=0.06)
    assert not zoomed[:, 3:].any()


def test_new_changes_that_are_off_draw_nothing(batch):
    """The stream of random numbers is that of a run without them."""
    plain = {"time_shift": 0.05, "hidden_view": 0.5, "band_limit": 0.5}
    first, second = np.random.default_rng(0), np.random.default_rng(0)
    settings = STILL.model_copy(update=plain)
    change(batch.x, settings, first)
    change(batch.x, settings.model_copy(update={"most_hidden": 3}), second)
    assert first.random() == second.random()


def test_noise_is_that_of_a_quiet_event_and_the_glitch_stays(rng):
    energies = torch.from_numpy(rng.uniform(0, 2.9, (16, 4, 20, 24)).astype(np.float32))
    energies[1:, :, 6] = 20.0
    energies[3, :, 12:] = torch.nan
    x, _ = prepare(energies)
    seen = replace_noise(x, torch.arange(16) != 5, np.random.default_rng(1))
    assert torch.equal(seen[5], x[5])
    assert torch.equal(seen[:, -1], x[:, -1])
    assert torch.equal(seen[1:, :, 6], x[1:, :, 6])
    assert (seen[3, :, 12:] == 0).all()
    other = seen[4, :-1, 7:].sort(dim=-1).values
    lent = [torch.equal(other, x[event, :-1, 7:].sort(dim=-1).values) for event in range(16)]
    assert sum(lent) == 1
    assert not lent[4]


def test_noise_can_be_lent_by_events_from_elsewhere(rng):
    x, _ = prepare(torch.from_numpy(rng.uniform(0, 2.9, (6, 4, 20, 24)).astype(np.float32)))
    x[2, :, 15:] = 0
    noise = torch.full((3, 5, 20, 24), 0.2)
    seen = replace_noise(x, torch.arange(6) != 4, np.random.default_rng(1), noise=noise)
    assert torch.equal(seen[4], x[4])
    assert (seen[0, :-1] == 0.2).all()
    assert (seen[2, :-1, 15:] == 0).all()
    assert (seen[2, :-1, :15] == 0.2).all()


def test_twins_are_the_same_events_changed_in_two_ways(batch):
    seen = changed(batch, positive_pairs=True, band_limit=1)
    rng = np.random.default_rng(0)
    both = [change(batch.x, STILL.model_copy(update={"band_limit": 1}), rng) for _ in range(2)]
    assert torch.equal(seen.x, both[0])
    assert torch.equal(seen.positive, both[1])
    assert not torch.equal(seen.x, seen.positive)

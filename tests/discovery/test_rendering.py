"""Known classes rendered in noise: where, which, found by a search, and kept."""

import dataclasses

import numpy as np
import pytest
from igwn_segments import segment, segmentlist

from glitchvae.checkpoint import load_checkpoint
from glitchvae.dataset.donors import Donor
from glitchvae.discovery import rendering
from glitchvae.discovery.noise import Place, noise_in, shipped_noise
from glitchvae.discovery.rendering import Cell, Renderer, cells_of, plan_glitches, rate_of
from glitchvae.simulate import FAMILIES
from glitchvae.spectrogram import imaging_settings
from glitchvae.strain import StrainSource
from tests.discovery.conftest import embeddings_of

LIGHT = imaging_settings("light")
HERE = Place("L1", 1024.0)


@pytest.fixture(scope="module")
def model(tmp_path_factory, save_untrained):
    codes = np.random.default_rng(2).normal(size=(60, 6))
    labels = np.array(["Blip", "Whistle", "Tomte"] * 20, dtype=object)
    folder = tmp_path_factory.mktemp("models") / "tiny"
    return load_checkpoint(save_untrained(folder, codes, labels, latent_size=6, seed=1))


@pytest.fixture(scope="module")
def donor():
    whole = shipped_noise(HERE)
    strain = whole.strain.crop(whole.strain.start, whole.strain.start + 24.0)
    quiet = segmentlist([segment(strain.start + 4.0, strain.end - 4.0)])
    return Donor(name="own", strain=strain, centres=quiet)


@pytest.fixture(scope="module")
def rendered(model, donor, tmp_path_factory):
    kept = tmp_path_factory.mktemp("kept")
    renderer = Renderer(
        checkpoint=model, imaging=LIGHT, noise=lambda _: [donor], kept=kept, count=4
    )
    return renderer, renderer.render(["Blip"], {Cell(HERE, 16.0, 22.6): 1}, 7.5)


def test_rendered_events_are_what_a_search_finds_there(rendered, donor):
    _, found = rendered
    events = found.events
    assert set(events.label) == {"Blip"}
    assert set(events.ifo) == {"L1"}
    assert found.shipped == ()
    assert 4 <= found.glitches <= 6
    assert found.glitches / 2 <= len(np.unique(found.glitch)) <= found.glitches
    assert rate_of(float(events.f_max[0]), LIGHT) == 1024.0
    assert (events.snr >= 7.5).all()
    assert 12.0 < np.median(events.snr) < 30.0
    assert np.isfinite(events.mean).all()
    assert ((donor.strain.start < events.gps) & (events.gps < donor.strain.end)).all()


def test_what_was_rendered_is_kept_and_not_made_again(rendered, monkeypatch):
    renderer, first = rendered

    def never(*_, **__):
        raise AssertionError("rendered again")

    monkeypatch.setattr(rendering, "find_triggers", never)
    again = renderer.render(["Blip"], {Cell(HERE, 16.0, 22.6): 1}, 7.5)
    np.testing.assert_array_equal(again.events.mean, first.events.mean)
    np.testing.assert_array_equal(again.glitch, first.glitch)
    with pytest.raises(AssertionError, match="rendered again"):
        renderer.render(["Blip"], {Cell(HERE, 16.0, 22.6): 1}, 6.0)
    (path,) = renderer.kept.iterdir()
    path.write_bytes(b"damaged")
    with pytest.raises(AssertionError, match="rendered again"):
        renderer.render(["Blip"], {Cell(HERE, 16.0, 22.6): 1}, 7.5)


def test_a_place_without_strain_has_the_noise_of_its_curve(model):
    renderer = Renderer(checkpoint=model, imaging=LIGHT, count=1)
    place = Place("X9", 1024.0)
    assert renderer.render(["Blip"], {Cell(place, 16.0, 22.6): 1}, 7.5) is None
    assert shipped_noise(place) is None
    donor = shipped_noise(HERE)
    assert (donor.strain.ifo, donor.strain.sample_rate) == HERE
    assert donor.seconds > 60


def test_strain_that_is_given_lends_its_noise(donor):
    noise, seconds = noise_in([StrainSource.of(donor.strain)])
    assert seconds == {HERE: pytest.approx(24.0)}
    (lent,) = noise(HERE)
    assert lent.seconds > 8.0
    assert noise(Place("H1", 1024.0)) == []


def test_glitches_are_planned_like_the_events_and_where_a_rate_can_show_them(rng):
    low, full = 322.7, 2048.0
    events = embeddings_of(
        np.zeros((40, 3)),
        None,
        rng,
        ifo=np.array(["L1"] * 30 + ["H1"] * 10, dtype=object),
        f_max=np.array([low] * 30 + [full] * 10),
        snr=np.array([9.0] * 29 + [100.0] + [9.0] * 10),
    )
    cells = cells_of(events, LIGHT)
    assert {cell.place: n for cell, n in cells.items()} == {HERE: 29, Place("H1", 8192.0): 10}
    assert all(cell.low <= 9.0 < cell.high for cell in cells)
    plan = plan_glitches({name: FAMILIES[name] for name in ("Blip", "Whistle")}, cells, 40)
    counts = {(w.label, w.cell.place): n for w, n in plan.items()}
    assert counts == {
        ("Blip", HERE): 30,
        ("Blip", Place("H1", 8192.0)): 11,
        ("Whistle", Place("H1", 8192.0)): 40,
    }


def test_another_family_can_be_rendered(rendered):
    renderer, _ = rendered
    own = dataclasses.replace(renderer, families={})
    assert own.render(["Blip"], {Cell(HERE, 16.0, 22.6): 1}, 7.5) is None

"""Sets of simulated images: labels, splits and truth belong together, bytes repeat."""

from dataclasses import replace

import h5py
import numpy as np
import pytest
from igwn_segments import segment, segmentlist

from glitchvae.dataset.donors import Donor
from glitchvae.dataset.simulated import (
    PER_STRETCH,
    SPLITS,
    SimulatedStretch,
    image_stretch,
    plan_stretches,
    simulate_dataset,
    write_dataset,
)
from glitchvae.errors import InputError
from glitchvae.simulate import FAMILIES, simulate_strain
from glitchvae.spectrogram import IMAGING, SpectrogramSet

LIGHT = IMAGING["light"]


def stretch(*labels, seed=1, sample_rate=4096.0):
    return SimulatedStretch(
        number=3,
        seed=np.random.SeedSequence(seed),
        sample_rate=sample_rate,
        ifo="L1",
        labels=labels,
        split="train",
    )


@pytest.fixture(scope="module")
def imaged():
    return image_stretch(stretch("Blip", "Scattered_Light", "Koi_Fish"), LIGHT)


def test_every_event_is_imaged_with_its_label_and_truth(imaged):
    images, truth = imaged
    assert list(images.label) == list(truth.label) == ["Blip", "Scattered_Light", "Koi_Fish"]
    assert list(images.event_id) == list(truth.event_id)
    assert np.array_equal(images.gps, truth.gps)
    assert set(images.split) == {"train"}
    assert set(images.status) == {"ok"}
    assert images.f_max == pytest.approx([1291] * 3, rel=0.01)


def test_the_image_shows_the_event_in_its_middle(imaged):
    images, _ = imaged
    blip = images.images[0, 0].astype(float)  # half a second
    column = np.nanargmax(np.nanmax(blip, axis=0))
    assert abs(column - blip.shape[1] / 2) < 8
    assert np.nanmax(blip) > 20


def test_the_snr_of_the_image_is_that_of_the_truth(imaged):
    images, truth = imaged
    assert np.all(np.abs(np.log(images.snr / truth.snr)) < 0.5)


def test_rows_beyond_the_sample_rate_are_missing(imaged):
    images, _ = imaged
    missing = np.isnan(images.images[0, 0]).all(axis=1)
    assert missing[-1]
    assert not missing[:100].any()


def test_an_event_does_not_leak_into_its_neighbours_image():
    """A quiet event between two very loud ones looks as it does alone in its place."""
    images, _ = image_stretch(stretch("Extremely_Loud", "No_Glitch", "Extremely_Loud"), LIGHT)
    middle = images.images[1].astype(float)
    assert np.nanmax(middle) < 26
    assert np.nanmean(middle) < 3


def test_a_plan_holds_every_event_once_and_splits_by_stretch():
    plan = plan_stretches(400, 3, balance="uniform")
    assert sum(len(part.labels) for part in plan) == 400
    assert all(len(part.labels) <= PER_STRETCH for part in plan)
    assert {part.split for part in plan} == set(SPLITS)
    assert {part.ifo for part in plan} == {"H1", "L1"}
    assert len({part.number for part in plan}) == len(plan)
    assert set(np.unique([label for part in plan for label in part.labels])) == set(FAMILIES)


def test_no_class_is_made_at_a_rate_that_hides_it():
    plan = plan_stretches(2000, 4)
    rates = {part.sample_rate for part in plan}
    assert rates == {8192.0, 4096.0, 2048.0, 1024.0}
    for part in plan:
        assert all(FAMILIES[label].lowest_rate <= part.sample_rate for label in part.labels)


def test_a_plan_depends_on_its_seed_only():
    plans = [[part.labels for part in plan_stretches(64, seed)] for seed in (1, 1, 2)]
    assert plans[0] == plans[1]
    assert plans[0] != plans[2]


@pytest.mark.parametrize(("count", "ifos"), [(0, ("H1",)), (5, ())])
def test_nothing_to_simulate_is_an_input_error(count, ifos):
    with pytest.raises(InputError, match="at least one event"):
        plan_stretches(count, 0, ifos=ifos)


def test_the_file_is_the_set_and_the_same_seed_gives_the_same_bytes(tmp_path):
    plan = [stretch("Tomte", "Whistle"), stretch("Helix", seed=2)]
    parts = list(simulate_dataset(plan, LIGHT))
    for name in ("a.h5", "b.h5"):
        truth = write_dataset(tmp_path / name, simulate_dataset(plan, LIGHT), 3)
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()
    found = SpectrogramSet.read(tmp_path / "a.h5")
    expected = SpectrogramSet.join([images for images, _ in parts])
    assert np.array_equal(found.images, expected.images, equal_nan=True)
    for name in ("event_id", "label", "split", "status", "gps", "snr"):
        assert list(getattr(found, name)) == list(getattr(expected, name))
    assert found.imaging == expected.imaging
    assert len(truth) == 3
    with h5py.File(tmp_path / "a.h5") as file:
        assert file["images"].chunks == (1, 4, 140, 170)


def test_progress_counts_events(tmp_path):
    seen = []
    plan = [stretch("Blip"), stretch("Blip", "Tomte", seed=2)]
    write_dataset(tmp_path / "a.h5", simulate_dataset(plan, LIGHT), 3, progress=seen.append)
    assert seen == [1, 2]


@pytest.fixture(scope="module")
def donors():
    """Two minutes of real-looking noise of two days, quiet but for the edges."""
    found = []
    for day in range(40):
        start = 86400.0 * (14000 + day)
        strain, _ = simulate_strain(30.0, "L1", day, sample_rate=1024.0, glitches=0, start=start)
        centres = segmentlist([segment(start + 4, start + 26)])
        found.append(Donor(name=f"L1-{day}.hdf5", strain=strain, centres=centres))
    return found


def test_glitches_stand_in_the_noise_of_a_donor(donors):
    donor = donors[0]
    plan = replace(stretch("Blip", "No_Glitch", "Scattered_Light"), donor=donor)
    images, truth = image_stretch(plan, LIGHT)
    assert list(images.label) == ["Blip", "No_Glitch", "Scattered_Light"]
    assert set(images.ifo) == {"L1"}
    assert len(set(images.event_id)) == 3
    loud = truth.snr > 5
    assert np.all(np.abs(np.log(images.snr[loud] / truth.snr[loud])) < 0.5)
    assert np.nanmean(images.images[1].astype(float)) < 3
    for row in range(3):
        assert truth.parameters_of(row)["noise_gps"] in donor.centres[0]
    again, _ = image_stretch(plan, LIGHT)
    np.testing.assert_array_equal(images.images, again.images)


def test_the_same_glitch_is_injected_again_and_again_into_clean_noise(donors):
    """Glitches of one stretch stand in copies: a loud one leaves nothing for the next."""
    plan = replace(stretch("Extremely_Loud", "No_Glitch", "No_Glitch"), donor=donors[0])
    images, _ = image_stretch(plan, LIGHT)
    assert np.nanmax(images.images[1:].astype(float)) < 25


def test_a_block_that_a_donor_cannot_fill_is_marked_short(donors):
    imaging = LIGHT.model_copy(update={"block": 64.0, "min_block": 16.0})
    images, _ = image_stretch(replace(stretch("Tomte"), donor=donors[0]), imaging)
    assert list(images.block_duration) == [28.0]
    assert (list(images.status), list(images.flags)) == (["ok"], ["short_block"])


def test_stretches_take_noise_of_their_own_split_in_the_share_asked_for(donors):
    plan = plan_stretches(1600, 3, donors=donors, real_noise=0.4)
    lent = [part for part in plan if part.donor is not None]
    assert len(lent) / len(plan) == pytest.approx(0.4, abs=0.1)
    assert all(part.donor.split == part.split for part in lent)
    assert {part.ifo for part in lent} == {"L1"}
    assert len({part.donor.name for part in lent}) > 10


def test_without_real_noise_a_plan_is_the_one_it_was(donors):
    before, after = plan_stretches(80, 3), plan_stretches(80, 3, donors=donors)
    for one, other in zip(before, after, strict=True):
        assert (one.labels, one.split, one.ifo) == (other.labels, other.split, other.ifo)
        assert one.seed.generate_state(2).tolist() == other.seed.generate_state(2).tolist()


def test_splits_have_the_shares_asked_for():
    plan = plan_stretches(4000, 3, splits={"train": 0.9, "validation": 0.1})
    shares = {name: np.mean([part.split == name for part in plan]) for name in SPLITS}
    assert shares["train"] == pytest.approx(0.9, abs=0.05)
    assert shares["test"] == 0


def test_real_noise_needs_a_donor():
    with pytest.raises(InputError, match="at least one donor"):
        plan_stretches(8, 1, real_noise=0.5)

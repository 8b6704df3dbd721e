"""The shipped model: small, sound, and of some use on real glitches."""

import csv
from dataclasses import replace

import numpy as np
import pytest
import torch

from glitchvae import resources
from glitchvae.checkpoint import load_checkpoint, reconstruct
from glitchvae.dataset import is_locked
from glitchvae.dataset.simulated import plan_stretches, simulate_dataset
from glitchvae.embedding import Job, embed_strain, encode_spectrograms
from glitchvae.models import prepare
from glitchvae.shapes import AXIS_FREQUENCIES, IMAGE_SHAPE
from glitchvae.spectrogram import IMAGING, SpectrogramSet
from glitchvae.strain import open_strain
from glitchvae.triggers import at_times

AXIS_ROWS = np.geomspace(*AXIS_FREQUENCIES, IMAGE_SHAPE[0])
"""Frequency of each row of an image (Hz)."""

SIBLINGS = {"Tomte": "Blip_Low_Frequency", "Scattered_Light": "Fast_Scattering"}


@pytest.fixture(scope="module")
def checkpoint():
    return load_checkpoint("default", "cpu")


@pytest.fixture(scope="module")
def unseen():
    """Simulated glitches of a seed the model was not trained on, one of each class."""
    imaging = IMAGING["light"]
    stretches = plan_stretches(24, 99, balance="uniform", sample_rate=imaging.sample_rate)
    parts = [images for images, _ in simulate_dataset(stretches, imaging)]
    return SpectrogramSet.join(parts)


def test_it_is_small():
    files = resources.data("models/default").iterdir()
    assert sum(path.stat().st_size for path in files) <= 15e6


def test_its_card_says_where_it_comes_from(checkpoint):
    assert checkpoint.card.objective["name"] == "labelled"
    assert {each["name"] for each in checkpoint.card.imaging} == {"gravity-spy", "light"}


def test_its_card_names_each_real_event_that_taught_it_and_none_that_is_locked(checkpoint):
    published, o3 = checkpoint.card.real_sets
    assert len(published.ids) == 81
    times = np.array([float(name.split("-")[1]) for name in o3.ids])
    assert len(times) > 200
    assert not is_locked(times).any()
    assert {each.measure for each in checkpoint.card.real_figures} >= {"accuracy", "Whistle"}


@pytest.mark.parametrize("name", ["annealed", "seatbelt", "simulated"])
def test_models_by_name_have_seen_no_real_event_and_name_simulated_ones(name, unseen):
    model = load_checkpoint(name, "cpu")
    assert model.card.real_sets == ()
    named = encode_spectrograms(unseen, model).class_name
    assert np.mean(named == unseen.label) > 0.5  # of 24 classes, one event each


def test_codes_are_the_same_again(checkpoint, unseen):
    first, again = (encode_spectrograms(unseen, checkpoint).mean for _ in range(2))
    np.testing.assert_array_equal(first, again)


def test_most_classes_survive_the_loss_of_what_4_khz_strain_does_not_show(checkpoint, unseen):
    cut = unseen.images.copy()
    cut[:, :, AXIS_ROWS > 1291] = np.nan
    whole, part = (
        checkpoint.prototypes.classify(encode_spectrograms(s, checkpoint).mean).class_name
        for s in (unseen, replace(unseen, images=cut))
    )
    assert np.mean(whole == part) > 0.8


def test_one_missing_view_moves_codes_less_than_another_event_does(checkpoint, unseen):
    images = torch.from_numpy(unseen.images)
    whole, part = prepare(images)[0], prepare(images)[0]
    part[:, 3] = 0.0
    with torch.inference_mode():
        codes, moved = (checkpoint.model.encode(x).mean for x in (whole, part))
    others = torch.cdist(codes, codes)[~torch.eye(len(codes), dtype=torch.bool)]
    assert (codes - moved).norm(dim=1).median() < 0.6 * others.median()


def test_it_reconstructs_better_than_the_mean_image(checkpoint, unseen):
    images = unseen.images.astype(np.float32)
    rebuilt = reconstruct(checkpoint, unseen.images)
    loud = np.nan_to_num(images, nan=0.0) > 10
    error = np.abs(rebuilt - images)[loud].mean()
    mean_image = np.nanmean(images, axis=0, keepdims=True)
    assert error < 0.8 * np.abs(mean_image - images)[loud].mean()


def embedded(checkpoint, path, gps):
    source = open_strain(path)
    triggers = at_times([gps], source.ifo)
    ((rows, _),) = embed_strain(
        source,
        triggers,
        Job(checkpoint=checkpoint, imaging=IMAGING["gravity-spy"], uncertainty=False),
    )
    return rows


@pytest.mark.data
@pytest.mark.parametrize(
    ("file", "gps"),
    [
        ("H-H1_LOSC_4_V2-1126259446-32.hdf5", 1126259462.42),
        ("L-L1_LOSC_4_V2-1126259446-32.hdf5", 1126259462.42),
        ("H-H1_LOSC_16_V2-1126259446-32.hdf5", 1126259462.42),
        ("L-L1_GWOSC_4KHZ_R1-1264316101-32.hdf5", 1264316116.42),
    ],
)
def test_mergers_are_chirps(checkpoint, real_data, file, gps):
    assert embedded(checkpoint, real_data / "strain/gwosc" / file, gps).class_name == ["Chirp"]


@pytest.mark.data
def test_most_labelled_glitches_are_near_their_class_or_its_sibling(checkpoint, real_data):
    folder = real_data / "strain/labelled"
    same = dict(SIBLINGS) | {b: a for a, b in SIBLINGS.items()}
    agreed = []
    with (folder / "labels.csv").open() as stream:
        for row in csv.DictReader(stream):
            codes = embedded(checkpoint, folder / row["file"], float(row["gps"]))
            if codes.usable[0]:
                agreed.append(codes.class_name[0] in (row["label"], same[row["label"]]))
    assert len(agreed) == 11
    assert np.mean(agreed) >= 0.7

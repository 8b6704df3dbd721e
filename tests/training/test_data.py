"""Images of glitches in memory, one byte a pixel."""

import numpy as np
import pytest
import torch

from glitchvae.errors import InputError
from glitchvae.shapes import ENERGY_CEILING
from glitchvae.training import Augmentation, TrainingData


def test_energies_keep_a_tenth(rng):
    images = rng.uniform(0, 25.5, (5, 4, 20, 24)).astype(np.float32)
    data = TrainingData.from_images(images)
    assert data.counts.dtype == torch.uint8
    assert data.nbytes == 5 * 4 * 20 * 24 + 5 * 20
    np.testing.assert_allclose(data.images(slice(None)).numpy(), images, atol=0.0501)


def test_rows_that_were_not_computed_stay_so(make_images):
    images = make_images(4)
    images[1, :, 12:] = np.nan
    data = TrainingData.from_images(images)
    found = data.images(torch.tensor([1, 2]))
    assert found[0, :, 12:].isnan().all()
    assert not found[0, :, :12].isnan().any()
    assert not found[1].isnan().any()


def test_the_digest_follows_images_labels_and_split(make_images):
    images = make_images(4)
    labels = np.array(["a", "b", "a", "b"], dtype=object)
    digests = {
        TrainingData.from_images(images).digest,
        TrainingData.from_images(images[::-1]).digest,
        TrainingData.from_images(images, labels=labels).digest,
        TrainingData.from_images(images, split=labels).digest,
    }
    assert len(digests) == 4
    assert TrainingData.from_images(images.copy()).digest in digests


def test_an_empty_set_is_refused(make_images):
    with pytest.raises(InputError, match="no usable event"):
        TrainingData.from_images(make_images(0))


def test_joined_sets_keep_events_and_settings(make_images):
    parts = [
        TrainingData.from_images(make_images(count), imaging={"name": name}, description=name)
        for count, name in ((2, "light"), (3, "gravity-spy"), (1, "light"))
    ]
    whole = TrainingData.join(parts)
    assert torch.equal(whole.counts, torch.cat([part.counts for part in parts]))
    assert whole.imaging == ({"name": "light"}, {"name": "gravity-spy"})
    assert whole.description == "light + gravity-spy + light"
    assert whole.digest not in {part.digest for part in parts}
    assert TrainingData.join(parts[:1]) is parts[0]


def test_a_batch_knows_the_classes_of_its_events(make_images):
    labels = np.array(["Whistle", "", "Blip", "Whistle"], dtype=object)
    data = TrainingData.from_images(make_images(4), labels=labels)
    batch = data.training_batch(
        torch.tensor([3, 1, 0, 2]), Augmentation(), np.random.default_rng(0)
    )
    assert batch.label.tolist() == [batch.label[2], -1, batch.label[0], batch.label[3]]
    assert batch.label[0] != batch.label[3]
    assert -1 not in batch.label[[0, 2, 3]]
    assert batch.label.dtype == torch.int64


def test_data_without_labels_give_batches_without(make_images):
    assert TrainingData.from_images(make_images(2)).batch(slice(None)).label is None


def test_events_of_a_class_that_is_left_out_are_in_no_split(make_images):
    labels = np.array(["Whistle", "Blip", "Blip", "Whistle", ""], dtype=object)
    split = np.array(["train", "train", "test", "validation", ""], dtype=object)
    whole = TrainingData.from_images(make_images(5), labels=labels, split=split, description="s")
    data = whole.leave_out(["Whistle"])
    assert data.rows("train", "").tolist() == [1, 4]
    assert data.rows("validation").tolist() == []
    assert data.rows("test").tolist() == [2]
    assert data.description == "s without Whistle"
    assert len({whole.digest, data.digest, whole.leave_out(["Blip"]).digest}) == 3
    assert whole.split.tolist() == split.tolist()
    assert whole.leave_out([]) is whole


def test_a_class_that_is_not_there_cannot_be_left_out(make_images):
    labels = np.array(["Whistle", "Blip"], dtype=object)
    data = TrainingData.from_images(make_images(2), labels=labels)
    with pytest.raises(InputError, match=r"'Whistel' to leave out.*Blip, Whistle"):
        data.leave_out(["Whistel"])


@pytest.mark.data
def test_real_images_fit_into_bytes(real_data):
    from glitchvae.dataset import read_images

    spectrograms = read_images(real_data / "gravityspy" / "real_events.h5")
    data = TrainingData.from_spectrograms(spectrograms)
    assert len(data) == 81
    assert data.computed.all()
    found = data.images(slice(None)).numpy()
    np.testing.assert_allclose(found, spectrograms.images.astype(np.float32), atol=0.06)
    assert set(data.labels) == set(spectrograms.label)


def test_noise_is_lent_by_whole_training_events_of_a_class(rng):
    """Each event has one energy: what a picture of it holds says where its noise is from."""
    levels = np.linspace(0.1, 2.5, 12)
    images = np.tile(levels[:, None, None, None], (1, 4, 20, 24))
    images[5, :, 15:] = np.nan
    labels = np.array(["No_Glitch"] * 6 + ["Blip"] * 6, dtype=object)
    split = np.array(["train"] * 4 + ["test", "train"] + ["train"] * 6, dtype=object)
    data = TrainingData.from_images(images, labels=labels, split=split)
    settings = Augmentation(
        time_shift=0, band_limit=0, gain=(1, 1), other_noise=1, noise_class="No_Glitch"
    )
    batch = data.training_batch(torch.arange(6, 12), settings, np.random.default_rng(0))
    seen = batch.x[:, :-1].square().mean(dim=(1, 2, 3)).numpy() * ENERGY_CEILING
    lenders = np.abs(seen[:, None] - levels).argmin(axis=1)
    assert set(lenders) <= {0, 1, 2, 3}
    assert len(set(lenders)) > 1


def test_a_class_that_lends_no_noise_is_named(data):
    settings = Augmentation(other_noise=0.5, noise_class="No_Glitch")
    with pytest.raises(InputError, match=r"'No_Glitch' lends its noise.*found Blip, Line"):
        data.training_batch(torch.arange(4), settings, np.random.default_rng(0))

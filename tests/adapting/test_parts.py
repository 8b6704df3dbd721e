"""Parts of an adaptation: replay, noise, shares, known events carried over, the paired test."""

import numpy as np
import pytest
from scipy import stats

from glitchvae.adapting import AdaptSettings
from glitchvae.adapting.comparing import paired_fall
from glitchvae.adapting.events import Events, folds_of
from glitchvae.adapting.head import Known, Unlabelled, carry_over, fit_new_head
from glitchvae.adapting.replay import quiet_pictures, simulated_sets, training_data
from glitchvae.classes.prototypes import Prototypes
from glitchvae.dataset import read_images
from glitchvae.training import TrainingData
from glitchvae.training.augmentation import NOISE_ENERGY


def test_simulated_sets_follow_from_the_seed_and_are_made_once(tmp_path):
    def make(folder, seed):
        return simulated_sets(
            tmp_path / folder, 9, AdaptSettings(), splits={"test": 1.0}, seed=seed
        )

    (one,), (other,), (third,) = make("one", 4), make("other", 4), make("one", 5)
    first, second = read_images(one), read_images(other)
    np.testing.assert_array_equal(first.images, second.images)
    assert list(first.label) == list(second.label)
    assert set(first.split) == {"test"}
    assert one.name == other.name != third.name
    stamp = one.stat().st_mtime_ns
    make("one", 4)
    assert one.stat().st_mtime_ns == stamp


def pictures(rng, count, *, rows=40, loud=True, top=None):
    images = rng.exponential(1.0, (count, 4, rows, 48))
    if loud:
        images[:, :, 10:18, 15:35] += 15
    if top is not None:
        images[:, :, top:] = np.nan
    return images


def test_quiet_pictures_hold_noise_alone_and_keep_its_level(rng):
    noise = pictures(rng, 60, loud=False)
    noise[:, :, 24:30] *= 1.6  # rows that are noisier in this detector
    images = noise + 15 * np.isin(np.arange(40), range(10, 18))[:, None] * (
        np.arange(48) // 20 == 1
    )
    images[:, :, 35:] = np.nan
    archive = TrainingData.from_images(images)
    labels = np.array(["No_Glitch"] * 10, dtype=object)
    simulated = TrainingData.from_images(pictures(rng, 10, loud=False), labels=labels)
    made = quiet_pictures(archive, simulated, rng, count=20)
    assert len(made) == 20
    assert set(made.labels) == {"No_Glitch"}
    assert made.computed.all()
    energies = made.images(slice(None)).numpy()
    where = energies[:, :, 10:18, 20:40]
    assert np.mean(where > 3 * NOISE_ENERGY) < 0.01
    assert where.mean() == pytest.approx(1.0, abs=0.1)
    assert energies[:, :, 24:30].mean() == pytest.approx(1.6, abs=0.15)
    assert energies[:, :, 36:].mean() == pytest.approx(1.0, abs=0.1)


def test_a_batch_has_the_shares_that_were_asked_for(rng):
    def data(count, labels, split=None):
        images = rng.exponential(1.0, (count, 4, 8, 8))
        return TrainingData.from_images(images, labels=labels, split=split)

    split = np.array(["train"] * 80 + ["validation"] * 20, dtype=object)
    simulated = data(100, np.full(100, "Blip", dtype=object), split)
    label = np.array(["Tomte"] * 4 + [""] * 56, dtype=object)
    held_out = np.arange(60) >= 50
    events = Events(
        data=data(60, None),
        f_max=np.full(60, 2048.0, np.float32),
        label=label,
        truth=label,
        held_out=held_out,
        gps=np.arange(60.0),
    )
    quiet = data(10, np.full(10, "No_Glitch", dtype=object))
    joined = training_data(simulated, events, quiet, 0.4)
    taught = joined.rows("train", "")
    assert len(taught) == 80 + 10 + 50
    weights = joined.weights[taught] / joined.weights[taught].sum()
    assert weights[90:].sum() == pytest.approx(0.4)
    assert weights[90] / weights[94] == pytest.approx(10.0)  # few labels: ten times as often
    assert list(joined.labels[110:116]) == ["Tomte"] * 4 + ["", ""]
    unlike = training_data(simulated, _without_labels(events), quiet, 0.4)
    assert unlike.digest != joined.digest


def _without_labels(events):
    from dataclasses import replace

    return replace(events, label=np.full(len(events), "", dtype=object))


def test_known_events_are_carried_over_by_what_pictures_show(rng):
    turn = np.linalg.qr(rng.normal(size=(4, 4)))[0]
    before = rng.normal(size=(2000, 4))
    after = before @ turn + 0.7 + rng.normal(0, 0.3, (2000, 4))
    codes = rng.normal(size=(3000, 4)) * 2
    known = Known(codes=codes, labels=np.full(3000, "Blip", dtype=object))
    carried = carry_over(known, before, after, rng)
    left = carried.codes - (codes @ turn + 0.7)
    assert np.abs(left.mean(axis=0)).max() < 0.03
    # What the map leaves over is there again: the classes stay as wide.
    np.testing.assert_allclose(left.std(axis=0), 0.3, rtol=0.1)
    assert carry_over(known, before, before, rng) is known


def classes(rng, means, count, spread=1.0):
    codes = np.concatenate([rng.normal(m, spread, (count, 3)) for m in means.values()])
    return codes, np.repeat(np.array(list(means), dtype=object), count)


MEANS = {"Blip": (0, 0, 0), "Tomte": (6, 0, 0), "Whistle": (0, 6, 0)}
REAL = {"Blip": (3.6, 0, 0), "Tomte": (6, 4, 0)}  # where the detector has them


def test_a_head_learns_real_labels_and_is_not_surer_than_it_may_be(rng):
    codes, labels = classes(rng, MEANS, 150)
    start = Prototypes.fit(codes, labels)
    real, names = classes(rng, REAL, 6, 0.5)
    nothing = Known(codes=codes[:0], labels=labels[:0])
    asked, truth = classes(rng, REAL, 100, 0.5)
    head = fit_new_head(
        start,
        Known(codes=codes, labels=labels),
        nothing,
        Known(codes=real, labels=names),
        np.arange(len(names)) * 86400.0,
        unlabelled(start, asked[:0]),
        rng.normal(size=(120, 3)),
        same_codes=True,
        seed=0,
    )
    before = np.mean(start.classify(asked).class_name == truth)
    found = head.prototypes.classify(asked)
    assert before < 0.75
    assert np.mean(found.class_name == truth) > 0.95
    assert head.background == head.prototypes.background_events_real == 120
    # All twelve are named rightly by fold; that is no reason for any certainty.
    between = head.prototypes.classify(np.array([[4.8, 2.0, 0.0]]))
    assert between.class_probability[0] < 0.999
    simulated = head.prototypes.classify(codes)
    assert np.mean(simulated.class_name == labels) > 0.93


def unlabelled(head, codes):
    said = head.classify(codes)
    return Unlabelled(codes=codes, names=said.class_name, probability=said.class_probability)


@pytest.mark.parametrize("count", [0, 4])
def test_sure_names_of_events_without_a_label_teach(count, rng):
    """A detector whose classes lie aside: most are named rightly, and these teach the others."""
    aside = {name: np.array(mean) * 0.7 + (0, 0, 2.5) for name, mean in MEANS.items()}
    codes, labels = classes(rng, MEANS, 150)
    start = Prototypes.fit(codes, labels)
    every, truth = classes(rng, aside, 120, 1.2)
    real = np.concatenate([np.flatnonzero(truth == name)[:count] for name in MEANS]).astype(int)
    rest = np.setdiff1d(np.arange(len(truth)), real)
    nothing = Known(codes=codes[:0], labels=labels[:0])
    head = fit_new_head(
        start,
        Known(codes=codes, labels=labels),
        nothing,
        Known(codes=every[real], labels=truth[real]),
        np.arange(len(real)) * 86400.0,
        unlabelled(start, every[rest]),
        every[rest],
        same_codes=True,
        seed=0,
    )
    was, now = (
        np.mean(h.classify(every[rest]).class_name == truth[rest]) for h in (start, head.prototypes)
    )
    assert head.self_taught > 200
    assert now > was
    np.testing.assert_array_equal(
        head.prototypes.classify(codes[:20]).class_name == labels[:20], True
    )


def test_too_small_a_background_leaves_the_one_of_before(rng):
    codes, labels = classes(rng, MEANS, 60)
    start = Prototypes.fit(codes, labels)
    known, empty = Known(codes=codes, labels=labels), Known(codes=codes[:0], labels=labels[:0])
    head = fit_new_head(
        start,
        known,
        empty,
        empty,
        np.empty(0),
        unlabelled(start, codes[:0]),
        codes[:99],
        same_codes=True,
        seed=0,
    )
    assert head.background == head.self_taught == 0
    assert head.prototypes.slopes is None
    np.testing.assert_array_equal(head.prototypes.known_distances, start.known_distances)


def test_the_paired_test_counts_what_one_names_and_the_other_does_not():
    names, truth = ("A", "B"), np.array(["A"] * 30, dtype=object)
    right, wrong = np.array([1.0, 0.0]), np.array([0.0, 1.0])
    before = np.array([right] * 25 + [wrong] * 5)
    after = np.array([right] * 15 + [wrong] * 10 + [right] * 2 + [wrong] * 3)
    fall, p = paired_fall((before, names), (after, names), truth)
    assert fall == pytest.approx(8 / 30)
    assert p == pytest.approx(stats.binom.sf(9, 12, 0.5))  # ten of twelve are lost
    assert paired_fall((before, names), (before, names), truth) == (0.0, 1.0)


@pytest.mark.parametrize(
    ("gps", "block"),
    [
        (1.2e9 + 86400.0 * np.arange(20), 86400.0),
        (1.2e9 + 600.0 * np.arange(60), 3600.0),
        (1.2e9 + 1.0 * np.arange(900), 64.0),
    ],
)
def test_folds_are_of_whole_blocks_as_long_as_there_are_enough(gps, block, rng):
    fold = folds_of(gps, rng, 4)
    assert set(fold) == {0, 1, 2, 3}
    for one in np.unique(gps // block):
        assert len(set(fold[gps // block == one])) == 1


def test_events_without_a_time_are_in_folds_too(rng):
    assert set(folds_of(np.full(10, np.nan), rng, 4)) == {0, 1, 2, 3}

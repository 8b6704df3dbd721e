"""Displaced known classes and new ones, in a little universe whose noise moves Tomtes.

Codes have sixteen dimensions. At 1024 Hz, Tomtes lie elsewhere than where the model knows them; a
renderer knows where. New shapes lie near that place, at it, or among the Tomtes.
"""

import dataclasses

import numpy as np
import pytest

from glitchvae.classes.prototypes import Prototypes
from glitchvae.discovery import DiscoverySettings, discover
from glitchvae.discovery.displacement import VERDICT
from glitchvae.discovery.rendering import Rendered
from glitchvae.discovery.significance import FINEST
from glitchvae.spectrogram import imaging_settings
from tests.discovery.conftest import embeddings_of

SIZE = 16
QUICK = DiscoverySettings(bootstraps=0)
MIDDLES = {
    "Blip": {},
    "Tomte": {0: 9.0},
    "Whistle": {1: 9.0},
    "Koi_Fish": {2: 9.0},
    "moved Tomte": {0: 9.0, 3: 8.0},
    "New": {0: 9.0, 4: 8.0},
    "New near moved Tomte": {0: 9.0, 3: 8.0, 4: 6.0},
    "No_Glitch": {5: 9.0},
}


def middle(name):
    place = np.zeros(SIZE)
    for axis, value in MIDDLES[name].items():
        place[axis] = value
    return place


def drawn(rng, counts):
    codes = [rng.normal(middle(name), 1.0, (n, SIZE)) for name, n in counts.items()]
    return np.concatenate(codes), np.repeat(list(counts), list(counts.values())).astype(object)


class Universe:
    """Stands for a renderer: it knows how events of each class look in this archive's noise."""

    imaging = imaging_settings("gravity-spy")
    seed = 0

    def __init__(self, **looks):
        self.looks = looks
        self.asked = []

    def render(self, labels, like, snr):
        self.asked = list(labels)
        rng = np.random.default_rng(11)
        counts = dict.fromkeys(labels, 100)
        codes = np.concatenate(
            [rng.normal(middle(self.looks.get(name, name)), 1.0, (100, SIZE)) for name in counts]
        )
        names = np.repeat(list(counts), 100).astype(object)
        events = embeddings_of(codes, names, rng)
        return Rendered(events=events, glitch=np.arange(len(codes)), glitches=len(codes))


@pytest.fixture(scope="module")
def known():
    rng = np.random.default_rng(1)
    names = ("Blip", "Tomte", "Whistle", "Koi_Fish", "No_Glitch")
    return Prototypes.fit(*drawn(rng, dict.fromkeys(names, 300)))


def archive(known, counts, seed=2):
    rng = np.random.default_rng(seed)
    codes, labels = drawn(rng, counts)
    named = known.classify(codes)
    return embeddings_of(
        codes,
        None,
        rng,
        f_max=np.full(len(codes), 322.7),
        class_name=named.class_name,
        class_probability=named.class_probability,
        novelty_p=named.novelty_p,
    ), labels


def test_a_known_class_that_noise_moved_is_called_displaced(known):
    events, truth = archive(known, {"Blip": 200, "Whistle": 60, "moved Tomte": 60})
    (before,) = discover(events, known, QUICK).candidates
    assert before.verdict == "new class"
    assert before.remark.startswith("perhaps known")
    found = discover(events, known, QUICK, renderer=Universe(Tomte="moved Tomte"))
    assert found.candidates == ()
    (group,) = found.displaced
    assert (group.verdict, group.advice) == (VERDICT, f"{VERDICT}: Tomte")
    assert (truth[group.members] == "moved Tomte").mean() > 0.95
    (cause,) = group.causes
    assert cause.holds
    assert cause.offset == pytest.approx(8.0, abs=2.0)
    assert cause.power >= 0.8
    assert "rendered Tomte land on the group" in group.reason
    np.testing.assert_array_equal(np.flatnonzero(found.cluster == 0), np.sort(group.members))
    assert "Tomte" in found.remarks[0]


def test_a_new_class_in_the_same_noise_stays_a_candidate(known):
    counts = {"Blip": 200, "Whistle": 60, "moved Tomte": 60, "New": 40}
    events, truth = archive(known, counts)
    found = discover(events, known, QUICK, renderer=Universe(Tomte="moved Tomte"))
    (candidate,) = found.candidates
    assert (truth[candidate.members] == "New").mean() > 0.9
    assert (truth == "New").sum() * 0.8 < len(candidate.members)
    assert [group.advice for group in found.displaced] == [f"{VERDICT}: Tomte"]


def test_a_new_class_beside_the_displaced_one_stays_a_candidate(known):
    counts = {"Blip": 200, "Whistle": 60, "moved Tomte": 60, "New near moved Tomte": 40}
    events, truth = archive(known, counts)
    found = discover(events, known, QUICK, renderer=Universe(Tomte="moved Tomte"))
    assert len(found.candidates) == 1
    members = truth[found.candidates[0].members]
    assert (members == "New near moved Tomte").mean() > 0.9


def test_a_name_alone_displaces_nothing(known):
    events, truth = archive(known, {"Blip": 200, "Whistle": 60, "Tomte": 70, "New": 30})
    named = events.class_name[truth == "New"]
    assert (named == "Tomte").all()
    found = discover(events, known, QUICK, renderer=Universe())
    (candidate,) = found.candidates
    assert found.displaced == ()
    assert (truth[candidate.members] == "New").mean() > 0.9
    assert candidate.verdict == "new class"


def test_rendered_events_elsewhere_are_no_cause(known):
    events, _ = archive(known, {"Blip": 200, "Whistle": 60, "New": 60})
    found = discover(events, known, QUICK, renderer=Universe(Tomte="moved Tomte"))
    assert (len(found.candidates), found.displaced) == (1, ())


def test_others_where_the_model_knows_them_speak_against_an_offset(known):
    # Rendered Tomtes land on the group, but the archive's other Tomtes are not moved.
    events, _ = archive(known, {"Blip": 200, "Tomte": 80, "moved Tomte": 60})
    found = discover(events, known, QUICK, renderer=Universe(Tomte="moved Tomte"))
    (candidate,) = found.candidates
    assert found.displaced == ()
    assert "other Tomte lie here where the model knows them" in candidate.reason


def test_what_is_no_shape_is_never_rendered(known):
    renderer = Universe()
    events, _ = archive(known, {"Blip": 200, "No_Glitch": 60, "New": 60})
    discover(events, known, QUICK, renderer=renderer)
    assert "Tomte" in renderer.asked
    assert "No_Glitch" not in renderer.asked


def test_p_values_are_told_no_finer_than_they_are_known(known):
    events, _ = archive(known, {"Blip": 300, "New": 300})
    (candidate,) = discover(events, known, QUICK).candidates
    assert candidate.p_value == FINEST


def test_without_a_renderer_nothing_is_displaced(known):
    events, _ = archive(known, {"Blip": 200, "Whistle": 60, "moved Tomte": 60})
    found = discover(events, known, QUICK)
    assert (len(found.candidates), found.displaced, found.rendered) == (1, (), {})
    assert dataclasses.replace(found).groups == found.candidates

"""What speaks against a class: each guard alone, and what becomes of the advice."""

import dataclasses

import numpy as np
import pytest
from igwn_segments import segment, segmentlist

from glitchvae.discovery import DiscoverySettings, discover
from glitchvae.discovery.comparing import episodes_of
from glitchvae.discovery.guards import NAMES, UNKNOWN, ceiling, guard, heed, verdict_of
from glitchvae.shapes import ENERGY_CEILING, IMAGE_SHAPE
from glitchvae.spectrogram import SpectrogramSet
from tests.discovery.conftest import START, draw, embeddings_of

COUNT = 20


def made(rng, gps, **changes):
    """Events of one detector at these times, each a tenth of a second long."""
    codes, labels = draw(rng, {"Blip": len(gps)})
    columns = {"gps": START + np.asarray(gps, float), "ifo": np.full(len(gps), "H1", object)}
    columns["duration"] = np.full(len(gps), 0.1)
    return embeddings_of(codes, labels, rng, **{**columns, **changes})


def guards_of(events, *groups, live=None, pictures=None):
    groups = groups or (np.arange(len(events)),)
    found = guard(
        events,
        episodes_of(events),
        groups,
        live=live or {},
        pictures=pictures,
        min_events=10,
    )
    assert [one.name for one in found[0]] == list(NAMES)
    return [{one.name: one for one in guards} for guards in found]


def against(guards):
    return {name: one.verdict for name, one in guards.items() if one.verdict}


def images_of(share):
    """Images of which this share of the rows is at the top of the scale."""

    def pictures(events):
        images = np.full((len(events), 4, *IMAGE_SHAPE), 3.0, np.float16)
        images[:, :, : round(share * IMAGE_SHAPE[0])] = ENERGY_CEILING
        return SpectrogramSet(images=images, **events.event_columns())

    return pictures


def test_nothing_speaks_against_events_that_are_spread(rng):
    (guards,) = guards_of(made(rng, 1000.0 * np.arange(COUNT)))
    assert against(guards) == {}
    assert guards["within_s"].value == 19000.0
    assert guards["within_s"].sentence == "The members span 5.28 hours."
    assert guards["blocks"].value == guards["episodes"].value == COUNT
    assert guards["stretches"].value == guards["ceiling"].value == UNKNOWN


def test_one_disturbance_is_no_class(rng):
    (guards,) = guards_of(made(rng, np.linspace(0.0, 3.7, COUNT)))
    assert against(guards) == {
        "within_s": "one disturbance",
        "blocks": "one block",
        "episodes": "few episodes",
    }
    assert guards["within_s"].sentence == "All 20 members lie within 3.7 s."
    assert guards["episodes"].sentence == "The 20 members are 1 episode; a class needs 5."


def test_one_block_of_noise_is_no_class_however_long_it_is(rng):
    lengths = np.full(COUNT, 128.0)
    (guards,) = guards_of(made(rng, np.linspace(0.0, 100.0, COUNT), block_duration=lengths))
    assert against(guards) == {"blocks": "one block"}
    (guards,) = guards_of(made(rng, np.linspace(0.0, 100.0, COUNT)))
    assert guards["blocks"].value == 2


def test_few_episodes_are_no_class(rng):
    times = (3600.0 * np.arange(4)[:, None] + 0.3 * np.arange(5)).ravel()
    (guards,) = guards_of(made(rng, times))
    assert against(guards) == {"episodes": "few episodes"}
    (guards,) = guards_of(made(rng, np.r_[times, 9e4]))
    assert guards["episodes"].value == 5
    assert guards["episodes"].sentence == "The 21 members are 5 episodes; the largest holds 5."
    assert against(guards) == {}


def test_one_short_stretch_of_long_live_time_is_no_class(rng):
    events = made(rng, 100.0 * np.arange(COUNT))
    own, other = segment(START, START + 4096.0), segment(START + 5000.0, START + 50000.0)
    (guards,) = guards_of(events, live={"H1": segmentlist([own, other])})
    assert against(guards) == {"stretches": "one file"}
    (guards,) = guards_of(events, live={"H1": segmentlist([own])})
    assert against(guards) == {}
    assert guards["stretches"].sentence == "1 of 1 stretches of live time hold members."
    (guards,) = guards_of(events, live={"L1": segmentlist([own, other])})
    assert guards["stretches"].value == UNKNOWN


def test_a_candidate_inside_a_surer_one_is_no_other(rng):
    """The second follows the first by 0.3 s each time; the third is elsewhere."""
    times = np.r_[
        1000.0 * np.arange(10), 1000.0 * np.arange(10) + 0.3, 500.0 + 1000 * np.arange(10)
    ]
    events = made(rng, times)
    first, second, third = guards_of(events, *np.split(np.arange(30), 3))
    assert first["co_occurs"].value == "candidate-2 within 0.3 s: 100 %"
    assert against(first) == against(third) == {}
    assert second["co_occurs"].sentence == (
        "It co-occurs with candidate-1 within 0.3 s: 100 % of its episodes."
    )
    assert against(second) == {"co_occurs": "co-occurs"}
    assert third["co_occurs"].value == ""


@pytest.mark.parametrize(("share", "verdict"), [(0.5, "saturated"), (0.1, "")])
def test_saturated_pictures_show_no_class(rng, share, verdict):
    events = made(rng, 1000.0 * np.arange(COUNT))
    (guards,) = guards_of(events, pictures=images_of(share))
    assert guards["ceiling"].value == pytest.approx(share, abs=0.01)
    assert guards["ceiling"].verdict == verdict


def test_only_pixels_that_were_computed_count():
    images = np.zeros((2, 4, 10, 10), np.float16)
    images[:, :, 5:] = np.nan
    images[:, :, 0] = ENERGY_CEILING
    assert ceiling(images) == pytest.approx(0.2)
    assert np.isnan(ceiling(np.full((2, 4, 10, 10), np.nan)))


def test_a_name_speaks_against_nothing(rng):
    (guards,) = guards_of(made(rng, 1000.0 * np.arange(COUNT)))
    assert guards["named"].value == "Blip 100 %"
    assert against(guards) == {}


@pytest.mark.parametrize(
    ("advice", "verdict"),
    [
        ("new class", "new class"),
        ("sub-class of Low_Frequency_Burst", "sub-class"),
        ("merge with candidate-2", "merge"),
        ("split", "split"),
    ],
)
def test_a_verdict_is_the_advice_until_a_guard_speaks(rng, advice, verdict):
    (spread,) = guards_of(made(rng, 1000.0 * np.arange(COUNT)))
    assert verdict_of(tuple(spread.values()), advice) == verdict
    assert heed(tuple(spread.values()), advice, "why") == (advice, "why")
    (burst,) = guards_of(made(rng, np.linspace(0.0, 3.0, COUNT)))
    assert verdict_of(tuple(burst.values()), advice) == "one disturbance"
    told, reason = heed(tuple(burst.values()), advice, "why")
    assert told == "doubtful: one disturbance"
    assert reason.startswith("All 20 members lie within 3.0 s. ")


def test_unknown_times_are_said(rng):
    (guards,) = guards_of(made(rng, np.full(COUNT, np.nan)))
    assert guards["within_s"].value == guards["blocks"].value == UNKNOWN
    assert guards["episodes"].value == COUNT
    assert against(guards) == {}


def bursts(with_new, numbers):
    """The events of the archive an hour apart, those of the new class in these disturbances."""
    gps = START + 3600.0 * np.arange(len(with_new))
    new = np.flatnonzero(with_new.label == "New")
    gps[new] = START - 1e6 + 3600.0 * numbers + 0.05 * np.arange(len(new))
    return dataclasses.replace(with_new, gps=gps, ifo=np.full(len(gps), "H1", object))


QUICK = DiscoverySettings(bootstraps=0)


@pytest.mark.parametrize("seed", range(4))
def test_one_disturbance_is_not_advised_as_a_new_class(with_new, prototypes, seed):
    burst = bursts(with_new, np.zeros(60, int))
    settings = QUICK.model_copy(update={"seed": seed})
    found = discover(burst, prototypes, settings)
    assert [c.verdict for c in found.candidates if c.verdict == "new class"] == []
    spread = discover(bursts(with_new, np.arange(60)), prototypes, settings)
    assert [c.verdict for c in spread.candidates] == ["new class"]
    assert spread.candidates[0].episodes == len(spread.candidates[0].members)


def test_twenty_disturbances_of_a_new_class_are_found_and_counted(with_new, prototypes):
    found = discover(bursts(with_new, np.arange(60) // 3), prototypes, QUICK)
    (candidate,) = found.candidates
    assert candidate.verdict == "new class"
    assert 18 <= candidate.episodes <= 20 < 50 < len(candidate.members)
    alone = discover(bursts(with_new, np.arange(60)), prototypes, QUICK).candidates[0]
    assert alone.p_value <= candidate.p_value < 0.05

"""A made-up result of discovery: three known classes, one candidate, events without a code."""

import numpy as np
import pytest
from igwn_segments import segment, segmentlist

from glitchvae.discovery import PROPERTIES, AuditRow, Candidate, Discovery, KnownClass, Rate
from glitchvae.discovery.guards import NAMES, Guard
from glitchvae.embedding import Embeddings
from glitchvae.shapes import IMAGE_SHAPE
from glitchvae.spectrogram import SpectrogramSet

START = 1238166018.0
KNOWN = ("Blip", "Tomte", "Whistle")


def make_events(count, rng, *, timed=True, size=6):
    group = rng.integers(0, 4, count)
    mean = rng.normal(size=(count, size)) + 6 * np.eye(4, size)[group]
    mean[-2:] = np.nan
    gps = START + np.sort(rng.uniform(0, 2e5, count)) if timed else np.full(count, np.nan)
    ifo = rng.choice(["H1", "L1"], count)
    names = np.array([*KNOWN, "Blip"], dtype=object)[group]
    columns = ("snr", "peak_frequency", "q", "duration", "bandwidth")
    return Embeddings(
        event_id=[f"{i}-{n:06d}" for n, i in enumerate(ifo)],
        gps=gps,
        ifo=ifo,
        **{name: rng.uniform(8, 20, count) for name in columns},
        mean=mean,
        log_var=np.zeros_like(mean),
        class_name=names,
        class_probability=np.full(count, 0.9),
        novelty_p=np.where(group == 3, 0.01, 0.6),
        f_max=np.full(count, 2048.0),
        block_duration=np.full(count, 64.0),
        status=["ok"] * (count - 2) + ["gap"] * 2,
        label=names,
        model={"name": "tiny", "digest": "0" * 64},
    ), group


def describe(events, rows, live):
    times = events.gps[rows]
    counts = {ifo: int(np.sum(events.ifo[rows] == ifo)) for ifo in ("H1", "L1")}
    hours = 55.6 if live else float("nan")
    return {
        "episodes": len(rows),
        "rates": tuple(
            Rate(
                ifo=i,
                count=n,
                episodes=n,
                live_hours=hours,
                per_hour=n / hours,
                low=0.8 * n / hours,
                high=1.3 * n / hours,
            )
            for i, n in counts.items()
        ),
        "daily_profile": np.bincount(np.arange(len(rows)) % 24, minlength=24),
        "properties": dict.fromkeys(PROPERTIES, (1.0, 2.0, 3.0)),
        "first_gps": float(times[0]),
        "last_gps": float(times[-1]),
        "drift": 0.3 if live else float("nan"),
    }


def make_discovery(count=60, *, timed=True, searched=True, seed=1):
    rng = np.random.default_rng(seed)
    events, group = make_events(count, rng, timed=timed)
    usable = np.isfinite(events.mean).all(axis=1)
    known = timed and searched
    live = {i: segmentlist([segment(START, START + 2e5)]) for i in ("H1", "L1")} if known else {}
    rows = np.flatnonzero((group == 3) & usable)
    chance = 0.01 if live else float("nan")
    candidate = Candidate(
        name="candidate-1",
        members=rows,
        medoid=int(rows[0]),
        edges=rows[-3:],
        stability=0.9,
        p_value=0.001,
        expected_per_month=chance,
        nearest=(("Blip", 3.0), ("Tomte", 4.5)),
        advice="new class",
        reason="Nothing known lies near it.",
        verdict="new class",
        guards=tuple(
            Guard(name=name, value=1.0, sentence=f"The {name} is as it should be.")
            for name in NAMES
        ),
        **describe(events, rows, live),
    )
    classes = [
        KnownClass(name=name, members=own, **describe(events, own, live))
        for k, name in enumerate(KNOWN)
        if len(own := np.flatnonzero((group == k) & usable))
    ]
    return Discovery(
        embeddings=events,
        cluster=np.where(group == 3, 0, -1),
        episode=np.arange(count),
        candidates=(candidate,),
        known=tuple(classes),
        audit=(AuditRow(row=3, label="Blip", suggested="Tomte", agreement=0.9),),
        excluded={"gap": 2},
        live=live,
        model=events.model,
    )


def noise_pictures(events):
    """Images of noise for all but the first event."""
    rng = np.random.default_rng(3)
    images = rng.uniform(0, 25.5, (len(events), 4, *IMAGE_SHAPE)).astype(np.float16)
    images[events.event_id == "H1-000000"] = np.nan
    return SpectrogramSet(images=images, **events.event_columns())


@pytest.fixture
def discovery():
    return make_discovery()


@pytest.fixture
def pictures():
    return noise_pictures


@pytest.fixture
def make():
    return make_discovery

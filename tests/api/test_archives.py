"""Archives and discovery from Python."""

import numpy as np
import pandas as pd
import pytest

from glitchvae.api.archives import discover, open_archive
from glitchvae.archive import create_archive
from glitchvae.archive.choosing import rows_where
from glitchvae.errors import ArchiveError, ConfigError, InputError
from tests.discovery.conftest import START, embeddings_of


@pytest.fixture
def archive(tmp_path, rng):
    codes = rng.normal(size=(30, 3)).astype(np.float32)
    names = rng.choice(["Blip", "Tomte"], 30).astype(object)
    rows = embeddings_of(codes, np.full(30, "", object), rng, class_name=names).sorted()
    create_archive(tmp_path / "archive").append(rows)
    return open_archive(tmp_path / "archive")


def test_events_are_chosen_by_what_they_are(archive):
    every = archive.events().embeddings
    assert len(every) == 30
    middle = float(np.median(every.gps))
    assert len(archive.events(since=middle)) + len(archive.events(until=middle)) == 30
    for name in ("Blip", "Tomte"):
        found = archive.events(class_name=name).embeddings.class_name
        assert found.tolist() == [n for n in every.class_name if n == name]
    with pytest.raises(InputError, match="did you mean 'Tomte'"):
        archive.events(class_name="Tomtee")
    assert len(archive.events(ifo="K1")) == 0
    assert every.gps.min() >= START


def test_a_condition_chooses(archive):
    rows = archive.events().embeddings
    found = archive.events(where="snr > 15 AND class_name = 'Tomte'", ifo="H1").embeddings
    wanted = (rows.snr > 15) & (rows.class_name == "Tomte") & (rows.ifo == "H1")
    assert list(found.event_id) == list(rows.event_id[wanted])
    unknown = rows.snr.copy()
    unknown[:3] = np.nan
    assert rows_where({"snr": unknown}, "snr > 0").sum() == 27  # NaN is no large number
    with pytest.raises(InputError, match="condition is not valid"):
        archive.events(where="loudness > 3")


def test_labels_from_a_table_in_memory(archive):
    from astropy.table import Table

    events = archive.events().embeddings.event_id
    table = Table([list(events[:2]), ["koi fish", "Blip"]], names=("event_id", "label"))
    kept = archive.label(table, reviewer="A")
    assert kept == {events[0]: "Koi_Fish", events[1]: "Blip"}
    frame = pd.DataFrame({"gravityspy_id": events[:3], "ml_label": [None, "Tomte", "Whistle"]})
    assert archive.label(frame) == {events[1]: "Tomte", events[2]: "Whistle"}
    assert archive.label({events[0]: "Blip"}) == {events[0]: "Blip"}
    labels = archive.events(where="label <> ''").embeddings.label
    assert list(labels) == ["Blip", "Tomte", "Whistle"]
    with pytest.raises(InputError, match="row 1: no class 'Bilp'"):
        archive.label(pd.DataFrame({"event_id": events[:1], "label": ["Bilp"]}))


def test_merge_and_remove(archive, tmp_path):
    other = open_archive(create_archive(tmp_path / "other").path)
    (told,) = other.merge(archive)
    assert told.rows == len(other.events()) == 30
    with pytest.raises(ArchiveError, match="with itself"):
        other.merge(other.path)
    gone = other.events().embeddings.event_id[:4]
    assert other.remove(ids=gone, dry_run=True).rows == 4
    assert len(other.events()) == 30
    other.remove(ids=gone)
    assert len(other.events()) == 26


def test_the_nearest_is_the_nearest(archive):
    rows = archive.events().embeddings
    found, distances = archive.similar(rows.event_id[0], k=3)
    apart = np.linalg.norm(rows.mean - rows.mean[0], axis=1)
    expected = np.argsort(apart)[1:4]
    assert found.embeddings.event_id.tolist() == rows.event_id[expected].tolist()
    np.testing.assert_allclose(distances, apart[expected], rtol=1e-5)


def test_a_group_among_anybodys_codes_is_found(rng):
    codes = rng.normal(size=(600, 8))
    codes[:200, 0] += 8
    codes[200:400, 1] += 8
    codes[400:500, 2] += 12
    labels = np.array(["A"] * 150 + [""] * 50 + ["B"] * 150 + [""] * 250, dtype=object)
    labels[500:] = np.where(rng.random(100) < 0.5, "A", "B")
    codes[500:, 0] += 8 * (labels[500:] == "A")
    codes[500:, 1] += 8 * (labels[500:] == "B")
    found = discover(codes, labels, bootstraps=2)
    assert any(80 <= len(c.members) <= 120 for c in found.candidates)


@pytest.mark.parametrize(
    ("data", "labels", "said"),
    [
        ([], None, "no input"),
        (np.zeros((40, 3)), None, "do not match"),
        (np.zeros(40), ["A"] * 40, "do not match"),
        (object(), None, "this input cannot be searched"),
    ],
    ids=["empty", "no labels", "one axis", "object"],
)
def test_what_cannot_be_looked_at_is_refused(data, labels, said):
    with pytest.raises(InputError, match=said):
        discover(data, labels)


def test_what_is_not_there_is_said(tmp_path, archive):
    with pytest.raises(ArchiveError, match="not an archive"):
        open_archive(tmp_path / "nowhere")
    with pytest.raises(ConfigError, match="methd"):
        discover(archive, methd="gmm")
    with pytest.raises(InputError, match="labels can be given with codes only"):
        discover(archive, ["A"])


def test_a_page_of_some_time(archive, tmp_path, monkeypatch):
    monkeypatch.setattr("glitchvae.report.plane.neighbour_map", lambda codes, seed: {})
    middle = float(np.median(archive.events().embeddings.gps))
    page = archive.write_report(tmp_path / "page.html", since=middle, link="https://a.org/{gps}")
    later = len(archive.events(since=middle).embeddings)
    assert 0 < later < 30
    assert f"{later} glitches" in page.read_text(encoding="utf-8")
    with pytest.raises(InputError, match="a day and other times are both given"):
        archive.write_report(page, day="today", since=middle)

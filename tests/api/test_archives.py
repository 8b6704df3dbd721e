"""Archives and discovery from Python."""

import numpy as np
import pytest

from glitchvae.api.archives import discover, open_archive
from glitchvae.archive import create_archive
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
    assert len(archive.events(start=middle)) + len(archive.events(end=middle)) == 30
    for name in ("Blip", "Tomte"):
        found = archive.events(class_name=name).embeddings.class_name
        assert found.tolist() == [n for n in every.class_name if n == name]
    with pytest.raises(InputError, match="did you mean 'Tomte'"):
        archive.events(class_name="Tomtee")
    assert len(archive.events(ifo="K1")) == 0
    assert every.gps.min() >= START


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
        (np.zeros((40, 3)), None, "do not fit"),
        (np.zeros(40), ["A"] * 40, "do not fit"),
        (object(), None, "nothing to look at"),
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
    with pytest.raises(InputError, match="labels are given with codes alone"):
        discover(archive, ["A"])

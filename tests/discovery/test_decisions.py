"""One's own catalogue: what a decision moves, what it teaches, what it refuses."""

import dataclasses
import tomllib

import numpy as np
import pytest

from glitchvae.archive.known_classes import known_classes
from glitchvae.checkpoint import load_checkpoint
from glitchvae.classes.catalog import Evidence, read_card, read_catalog, write_card
from glitchvae.classes.user import CLASSES, DRAFTS, catalog_path, previous_decision
from glitchvae.discovery.decisions import (
    accept,
    decide,
    draft_card,
    merge,
    propose,
    retire,
)
from glitchvae.discovery.runs import CARD, writing_run
from glitchvae.embedding import Embeddings
from glitchvae.errors import CatalogError, InputError

NEW = np.array([9.0, 9.0, 9.0, 9.0])
YES = decide("accepted", "ana", "seen in ten auxiliary channels")


@pytest.fixture(scope="module")
def model(tmp_path_factory, save_untrained):
    codes = np.random.default_rng(1).normal(size=(80, 4)) + np.repeat([[0], [5]], 40, axis=0)
    labels = np.array(["Blip"] * 40 + ["Tomte"] * 40, dtype=object)
    folder = tmp_path_factory.mktemp("models") / "tiny"
    return load_checkpoint(save_untrained(folder, codes, labels, latent_size=4))


def events(digest, count=30, seed=2):
    rng = np.random.default_rng(seed)
    columns = (
        "peak_frequency",
        "q",
        "duration",
        "bandwidth",
        "novelty_p",
        "class_probability",
        "f_max",
        "block_duration",
    )
    return Embeddings(
        event_id=[f"H1-{seed}-{n}" for n in range(count)],
        gps=np.arange(count) + 1e9,
        ifo=["H1"] * (count - 1) + ["G1"],
        snr=rng.uniform(8, 20, count),
        **{name: np.full(count, np.nan) for name in columns},
        mean=NEW + rng.normal(0, 0.5, (count, 4)),
        log_var=np.zeros((count, 4)),
        class_name=["Tomte"] * count,
        status=["ok"] * count,
        model={"name": "tiny", "digest": digest},
    )


def make_run(folder, members):
    evidence = Evidence(
        model=members.model_digest,
        events=len(members),
        medoid=members.event_id[0],
        p_value=1e-3,
        expected_per_month=float("nan"),
        stability=0.9,
        nearest=("Tomte",),
    )
    with writing_run(folder, {}) as aside:
        members.write(aside / "candidates" / "candidate-1.h5")
        write_card(aside / "catalog" / DRAFTS, draft_card("candidate-1", members, evidence))
    return folder


@pytest.fixture
def run(tmp_path, model):
    return make_run(tmp_path / "run", events(model.digest))


@pytest.fixture
def own(tmp_path):
    return tmp_path / "glitch-catalog"


def test_a_draft_says_what_is_known_and_no_more(run):
    card = read_card(run / "catalog" / DRAFTS / "candidate_1.toml")
    assert card.detectors == ("H1",)
    assert 8 <= card.snr[0] < card.snr[1] <= 20
    assert card.duration is None
    assert "30 events" in card.description
    assert np.isnan(card.evidence.expected_per_month)


def test_from_candidate_to_class(run, own, model):
    codes = events(model.digest, seed=5).mean
    assert set(model.prototypes.classify(codes).class_name) == {"Tomte"}
    propose(run, "candidate-1", own, name="Pearl Chain", reviewer="bo")
    assert known_classes(model, own).added == ()
    card = accept(own, "pearl chain", YES)
    assert (card.key, card.status) == ("pearl_chain", "accepted")
    assert [d.action for d in card.decisions] == ["proposed", "accepted"]
    assert list((own / DRAFTS).iterdir()) == []
    known = known_classes(model, own)
    assert known.added == ("Pearl Chain",)
    assert known.checkpoint.digest == model.digest
    assert set(known.checkpoint.prototypes.classify(codes).class_name) == {"Pearl Chain"}
    assert set(model.prototypes.names) == {"Blip", "Tomte"}
    assert read_catalog(own=own).find("PEARLCHAIN").decisions[-1].reviewer == "ana"


def test_a_merged_candidate_makes_a_class_grow(run, own, model):
    propose(run, "candidate_1", own)
    card = merge(own, "candidate-1", "blip", decide("merged", "ana"))
    assert (card.status, card.merged_into) == ("retired", "Blip")
    grown = known_classes(model, own).checkpoint.prototypes
    assert grown.names == ("Blip", "Tomte")
    assert set(grown.classify(events(model.digest, seed=5).mean).class_name) == {"Blip"}


def test_a_merged_class_means_the_class_it_went_into(run, own, model):
    propose(run, "candidate-1", own, name="Pearls")
    merge(own, "Pearls", "Blip", decide("merged", "ana"))
    catalog = read_catalog(own=own)
    assert catalog.in_use("pearls").name == "Blip"
    assert catalog.in_use("BLIP").name == "Blip"
    card = catalog.find("Pearls")
    circle = dataclasses.replace(
        catalog, cards=(card.model_copy(update={"merged_into": "Pearls"}),)
    )
    with pytest.raises(CatalogError, match="Pearls is retired"):
        circle.in_use("Pearls")


def test_what_is_retired_teaches_nothing(run, own, model):
    propose(run, "candidate-1", own, name="Pearls")
    accept(own, "Pearls", YES)
    retire(own, "Pearls", decide("retired", "bo", "it was Tomte after all"))
    assert known_classes(model, own).checkpoint.prototypes.names == ("Blip", "Tomte")
    assert read_catalog(own=own).find("Pearls").status == "retired"


def test_a_draft_may_be_turned_down_and_is_remembered(run, own, model):
    propose(run, "candidate-1", own)
    ids = events(model.digest).event_id.tolist()
    assert previous_decision(own, ids[:10]) == "10 of these 10 events are drafted as candidate-1."
    retire(own, "candidate-1", decide("retired", "bo", "a hardware injection."))
    said = previous_decision(own, [*ids, "another"])
    assert said.startswith("30 of these 31 events were retired as candidate-1 by bo on 20")
    assert said.endswith(": a hardware injection.")
    assert previous_decision(own, [*ids[:10], *map(str, range(20))]) == ""
    assert not (own / DRAFTS / "candidate_1.h5").exists()


def test_codes_of_another_model_teach_nothing(tmp_path, own, model):
    run = make_run(tmp_path / "other", events("f" * 64))
    propose(run, "candidate-1", own, name="Pearls")
    accept(own, "Pearls", YES)
    known = known_classes(model, own)
    assert (known.added, known.other_model) == ((), ("Pearls",))
    assert known.checkpoint.prototypes.names == ("Blip", "Tomte")


@pytest.mark.parametrize("name", ["Blip", "KOI FISH", "TMT"])
def test_the_name_of_a_class_is_taken(run, own, name):
    with pytest.raises(CatalogError, match="is taken by the class"):
        propose(run, "candidate-1", own, name=name)
    assert not own.exists()


def test_the_name_of_a_draft_is_taken(run, own):
    propose(run, "candidate-1", own)
    with pytest.raises(CatalogError, match=r"taken by a draft.*--name"):
        propose(run, "candidate-1", own)


def test_a_name_that_was_taken_meanwhile_is_refused(run, own):
    propose(run, "candidate-1", own, name="Pearls")
    path = own / DRAFTS / "pearls.toml"
    write_card(own / DRAFTS, read_card(path).model_copy(update={"aliases": (), "name": "Blip"}))
    with pytest.raises(CatalogError, match="is taken by the class Blip"):
        accept(own, "pearls", YES)
    assert path.exists()


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda run, own: propose(run, "candidate-7", own), "no candidate 'candidate-7'"),
        (lambda run, own: accept(own, "Pearls", YES), "no draft 'Pearls'.*found none"),
        (lambda run, own: retire(own, "Blip", YES), "no draft or class 'Blip'"),
        (
            lambda run, own: propose(run, "candidate-1", own, name="--"),
            "the name of the class is not valid",
        ),
    ],
)
def test_what_is_not_there_is_said(run, own, call, said):
    with pytest.raises(CatalogError, match=said):
        call(run, own)


def test_merging_needs_a_class_in_use(run, own):
    propose(run, "candidate-1", own)
    with pytest.raises(CatalogError, match="did you mean 'Tomte'"):
        merge(own, "candidate-1", "Tomtee", YES)
    card = read_card(own / DRAFTS / "candidate_1.toml")
    old = card.model_copy(update={"name": "Old", "key": "old", "status": "retired"})
    write_card(own / CLASSES, old)
    with pytest.raises(CatalogError, match="Old is retired"):
        merge(own, "candidate-1", "Old", YES)


def test_an_unknown_class_in_a_card_is_located(run, own, model):
    propose(run, "candidate-1", own, name="Pearls")
    merge(own, "Pearls", "Blip", YES)
    path = own / CLASSES / "pearls.toml"
    path.write_text(path.read_text().replace('"Blip"', '"Blipp"'))
    with pytest.raises(CatalogError, match=r"pearls\.toml: merged_into: no class 'Blipp'.*'Blip'"):
        known_classes(model, own)


def test_a_class_without_its_codes_is_said(run, own, model):
    propose(run, "candidate-1", own, name="Pearls")
    accept(own, "Pearls", YES)
    (own / CLASSES / "pearls.h5").write_bytes(b"damaged")
    with pytest.raises(CatalogError, match=r"pearls\.h5: the codes of this class cannot be read"):
        known_classes(model, own)


def test_a_half_written_run_proposes_nothing(run, own):
    (run / "candidates" / "candidate-1.h5").unlink()
    with pytest.raises(InputError, match=r"not (a )?complete"):
        propose(run, "candidate-1", own)
    (run / CARD).unlink()
    with pytest.raises(InputError, match=r"not (a )?complete"):
        propose(run, "candidate-1", own)


def test_a_model_that_knows_no_class_stays_as_it_is(run, own, model):
    propose(run, "candidate-1", own, name="Pearls")
    accept(own, "Pearls", YES)
    blank = dataclasses.replace(model, prototypes=None)
    assert known_classes(blank, own).checkpoint is blank


def test_where_the_catalogue_is(monkeypatch, tmp_path):
    monkeypatch.delenv("GLITCHVAE_CATALOG", raising=False)
    assert str(catalog_path()) == "glitch-catalog"
    assert catalog_path(None, tmp_path / "glitch-archive") == tmp_path / "glitch-catalog"
    monkeypatch.setenv("GLITCHVAE_CATALOG", str(tmp_path / "shared"))
    assert catalog_path(None, "elsewhere/archive") == tmp_path / "shared"
    assert catalog_path(tmp_path / "mine") == tmp_path / "mine"


def test_a_card_is_written_as_it_is_read(run):
    path = run / "catalog" / DRAFTS / "candidate_1.toml"
    values = tomllib.loads(path.read_text())
    assert list(values)[:3] == ["key", "name", "status"]
    assert "merged_into" not in values
    again = read_card(write_card(run / "again", read_card(path)))
    assert again.model_dump(exclude={"evidence"}) == read_card(path).model_dump(
        exclude={"evidence"}
    )

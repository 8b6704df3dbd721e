"""Classes of an archive's rows: derived in one place, the same wherever they are read."""

import csv
import dataclasses
import json
import re
import shutil
from pathlib import Path

import duckdb
import numpy as np
import pyarrow.parquet as pq
import pytest

from glitchvae.archive import Archive, classes, create_archive, fill_from_images, gather
from glitchvae.archive.classes import CLASSES
from glitchvae.archive.known_classes import job_of, known_classes
from glitchvae.archive.parts import rows_between
from glitchvae.archive.reencoding import encode_anew
from glitchvae.checkpoint import load_checkpoint
from glitchvae.classes.user import ClassEvents
from glitchvae.discovery import DiscoverySettings
from glitchvae.embedding import read_embeddings
from glitchvae.errors import ArchiveError, CatalogError
from glitchvae.report.discovering import discover_in
from glitchvae.shapes import IMAGE_SHAPE
from glitchvae.spectrogram import SpectrogramSet
from glitchvae.status import has_flag

START, COUNT, SIZE = 1.2e9, 40, 4


@pytest.fixture(scope="module")
def models(tmp_path_factory, save_untrained):
    """Two models with heads of their own, and a third with the weights of the first."""
    rng = np.random.default_rng(3)
    folder = tmp_path_factory.mktemp("models")
    names = np.repeat(np.array(["Blip", "Tomte", "Violin_Mode"], dtype=object), 60)
    for name, seed in (("one", 0), ("two", 1)):
        codes = rng.normal(size=(180, SIZE)) * 0.2 + np.repeat(np.eye(3, SIZE), 60, axis=0) * 0.3
        save_untrained(folder / name, codes, names, latent_size=SIZE, seed=seed)
    shutil.copytree(folder / "one", folder / "other-head")
    checkpoint = load_checkpoint(folder / "one")
    head = checkpoint.prototypes.with_class("Whistle", np.full((5, SIZE), 0.05))
    from glitchvae.checkpoint import save_checkpoint

    save_checkpoint(folder / "other-head", checkpoint.model, checkpoint.card, head)
    return {name: folder / name for name in ("one", "two", "other-head")}


@pytest.fixture(scope="module")
def images():
    rng = np.random.default_rng(8)
    pictures = rng.gamma(1.0, 1.0, (COUNT, 4, *IMAGE_SHAPE)).clip(0, 25.5).astype(np.float16)
    pictures += rng.uniform(0, 9, (COUNT, 4, 1, 1)).astype(np.float16)
    status = np.full(COUNT, "ok", dtype=object)
    status[3] = "gap"
    pictures[3] = np.nan
    f_max = np.where(np.arange(COUNT) % 2, 323.0, 2048.0)
    pictures[f_max < 400, :, 90:] = np.nan
    columns = ("snr", "peak_frequency", "q", "duration", "bandwidth")
    gps = START + np.arange(COUNT)
    return SpectrogramSet(
        images=pictures.clip(0, 25.5),
        event_id=[f"H1-{t:.4f}" for t in gps],
        gps=gps,
        ifo=["H1", "L1"] * (COUNT // 2),
        **{name: rng.uniform(8, 20, COUNT) for name in columns},
        f_max=f_max,
        block_duration=np.full(COUNT, 64.0),
        status=status,
        imaging={"name": "gravity-spy"},
    )


def job(model, archive, catalog=None):
    place = catalog or archive.own_catalog
    return job_of(model, catalog=place, uncertainty=False, archive=archive.path)[0]


@pytest.fixture
def archive(tmp_path, models, images):
    store = create_archive(tmp_path / "archive")
    fill_from_images(store, images, job(models["one"], store))
    return store


def add_class(archive, rows, name="Pearls"):
    """Accept events as a class of the user's own catalogue."""
    folder = archive.own_catalog / "classes"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name.lower()}.toml").write_text(
        f'key = "{name.lower()}"\nname = "{name}"\nstatus = "accepted"\ndescription = "x"\n'
        'cause = "x"\ncause_is = "unknown"\nruns = []\ndetectors = []\nreferences = ["zevin2017"]\n'
    )
    ClassEvents(event_id=rows.event_id, mean=rows.mean, model=rows.model).write(
        folder / f"{name.lower()}.h5"
    )


def joined(archive):
    """The query of the page that says how DuckDB reads an archive."""
    page = (Path(__file__).parents[2] / "docs" / "formats.md").read_text(encoding="utf-8")
    query = page.split("```sql\n")[1].split("```")[0]
    found = duckdb.sql(query.replace("glitch-archive", str(archive.path))).fetchall()
    return {row[0]: row for row in found}


def on_the_page(folder):
    """Event, name, novelty and label of each point of the map in a run's report."""
    text = (folder / "report.html").read_text(encoding="utf-8")
    (table,) = re.findall(r'<script type="application/json" id="events">(.*?)</script>', text)
    table = json.loads(table)
    names = {key: [table["names"][n] for n in table[key]] for key in ("nearest", "label", "ifo")}
    times = [table["base"] + ms / 1000 for ms in table["milliseconds"]]
    events = [
        event or f"{ifo}-{gps:.4f}"
        for event, ifo, gps in zip(table["id"], names["ifo"], times, strict=True)
    ]
    columns = zip(events, names["nearest"], table["novelty"], names["label"], strict=True)
    return {event: values for event, *values in columns}


def said(rows):
    return {
        event: (name, probability, novelty, flags, label)
        for event, name, probability, novelty, flags, label in zip(
            rows.event_id.tolist(),
            rows.class_name.tolist(),
            np.nan_to_num(rows.class_probability, nan=-1).tolist(),
            np.nan_to_num(rows.novelty_p, nan=-1).tolist(),
            rows.flags.tolist(),
            rows.label.tolist(),
            strict=True,
        )
    }


def test_every_reader_says_the_same_of_every_event(archive, images, models, tmp_path):
    """embed, export, discover, its report, DuckDB: with a head, a user's class and labels."""
    rows = archive.embeddings()
    members = rows.take(np.flatnonzero(rows.usable)[:6])
    add_class(archive, members)
    archive.label({rows.event_id[0]: "koi fish", rows.event_id[5]: "Tomte"})
    # What `embed -o` writes when the same input comes again.
    again = fill_from_images(archive, images, job(models["one"], archive)).rows.sorted()
    truth = archive.embeddings()
    assert "Pearls" in set(truth.class_name)
    assert set(truth.label) == {"", "Koi_Fish", "Tomte"}
    assert said(truth).keys() == {*images.event_id}
    unlabelled = dataclasses.replace(truth, label=np.full(COUNT, "", object))
    assert said(dataclasses.replace(again, label=unlabelled.label)) == said(unlabelled)
    for suffix in ("h5", "parquet", "csv", "ecsv"):
        archive.export(tmp_path / f"out.{suffix}")
        assert said(read_embeddings(tmp_path / f"out.{suffix}")) == said(truth)
    gathered = gather([archive.path]).events
    assert said(gathered) == said(truth)
    known = known_classes(load_checkpoint(models["one"]), archive.own_catalog, [archive])
    from glitchvae.embedding import name_classes

    assert said(name_classes(gathered, known.prototypes)) == said(truth)
    found = joined(archive)
    assert len(found) == COUNT
    for event, (name, probability, novelty, _, label) in said(truth).items():
        assert found[event][4::3] == (name, label)
        if name:
            assert found[event][5:7] == (probability, novelty)
    run = discover_in(
        [archive.path], DiscoverySettings(bootstraps=1), model=str(models["one"])
    ).write_report(tmp_path / "run")
    with (run.parent / "events.csv").open(encoding="utf-8", newline="") as file:
        listed = {row["event_id"]: row for row in csv.DictReader(file)}
    drawn = on_the_page(run.parent)
    assert listed.keys() == said(truth).keys()
    assert drawn.keys() == {*truth.event_id[truth.usable]}
    for event, (name, _, novelty, _, label) in said(truth).items():
        assert listed[event]["class_name"] == name
        if event in drawn:
            assert float(listed[event]["novelty_p"]) == pytest.approx(novelty, rel=1e-6)
            assert drawn[event] == [name, float(f"{novelty:.2g}"), label]


def test_a_label_changes_no_class_and_comes_first_where_things_are_counted(archive):
    before = archive.embeddings()
    archive.label({before.event_id[0]: "Koi_Fish"})
    after = archive.embeddings()
    np.testing.assert_array_equal(after.class_name, before.class_name)
    assert after.class_or_label[0] == "Koi_Fish"
    np.testing.assert_array_equal(after.class_or_label[1:], before.class_name[1:])


def test_parts_hold_no_class_of_today(archive):
    for part in (archive.path / "parts").glob("*.parquet"):
        names = pq.read_schema(part).names
        assert "named_at_embedding" in names
        assert not {"class_name", "class_probability", "novelty", "novelty_p"} & set(names)


def test_a_class_above_the_image_is_not_named(archive):
    rows = archive.embeddings()
    low = rows.f_max < 490
    assert "Violin_Mode" not in set(rows.class_name[low])
    np.testing.assert_array_equal(archive.probabilities(rows)["Violin_Mode"][low & rows.usable], 0)
    assert has_flag(rows.flags, "extrapolated")[rows.usable].all()


def test_a_copy_is_whole_without_the_models_folder(archive, tmp_path, models, monkeypatch):
    truth = said(archive.embeddings())
    shutil.copytree(archive.path, tmp_path / "far" / "copy")
    (tmp_path / "far" / "copy" / CLASSES).unlink()
    assert said(Archive(tmp_path / "far" / "copy").embeddings()) == truth


def test_another_head_under_the_same_codes_names_anew_without_embedding(archive, images, models):
    before = archive.embeddings()
    again = fill_from_images(archive, images, job(models["other-head"], archive))
    after = archive.embeddings()
    assert again.known == COUNT
    assert archive.info().rows == COUNT
    np.testing.assert_array_equal(after.mean, before.mean)
    expected = load_checkpoint(models["other-head"]).prototypes.classify(after.mean, after.f_max)
    np.testing.assert_array_equal(after.class_name, expected.class_name)
    assert "Whistle" in archive.probabilities(after)


def test_a_catalogue_that_changes_is_seen_at_once(archive):
    rows = archive.embeddings()
    made = (archive.path / CLASSES).stat().st_mtime_ns
    archive.embeddings()
    assert (archive.path / CLASSES).stat().st_mtime_ns == made
    add_class(archive, rows.take(np.flatnonzero(rows.usable)[:6]))
    assert "Pearls" in set(archive.embeddings().class_name)
    shutil.rmtree(archive.own_catalog)
    assert said(archive.embeddings()) == said(rows)
    (archive.own_catalog / "classes").mkdir(parents=True)
    (archive.own_catalog / "classes" / "bad.toml").write_text("key = 3")
    with pytest.raises(CatalogError, match=r"bad\.toml"):
        archive.embeddings()


def test_codes_that_pass_in_blocks_get_the_same_classes(archive, images, models, monkeypatch):
    """With rows of another model between, so that some blocks hold none of a model."""
    fill_from_images(archive, images, job(models["two"], archive))
    truth = {name: said(archive.embeddings(model=name)) for name in ("one", "two")}
    (archive.path / CLASSES).unlink()
    monkeypatch.setattr(classes, "_BLOCK", 7)
    assert {name: said(archive.embeddings(model=name)) for name in ("one", "two")} == truth


@pytest.mark.parametrize("damage", [b"", b"nothing", None])
def test_a_damaged_table_of_classes_is_made_again(archive, damage):
    truth, path = said(archive.embeddings()), archive.path / CLASSES
    content = path.read_bytes()
    middle = len(content) // 3
    flipped = content[:middle] + bytes([content[middle] ^ 0xFF]) + content[middle + 1 :]
    path.write_bytes(flipped if damage is None else damage)
    assert said(archive.embeddings()) == truth
    assert list(archive.verify()) == []
    assert len(pq.read_table(path)) == COUNT


def test_reading_where_nothing_can_be_written(archive, monkeypatch):
    truth, path = said(archive.embeddings()), archive.path / CLASSES
    path.unlink()

    def refuse(*_args, **_kwargs):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("tempfile.mkstemp", refuse)
    assert said(archive.embeddings()) == truth
    assert not path.exists()


def test_a_damaged_head_is_named_and_the_models_own_is_used(archive, models, monkeypatch, caplog):
    truth = said(archive.embeddings())
    (kept,) = (archive.path / "models").glob("*")
    (kept / "prototypes.safetensors").write_bytes(b"damaged")
    (archive.path / CLASSES).unlink()
    (problem,) = archive.verify()
    assert "prototypes.safetensors" in problem
    monkeypatch.chdir(models["one"].parent)
    assert said(archive.embeddings()) == truth
    assert "prototypes.safetensors" in caplog.text


def test_without_any_head_events_keep_the_name_of_their_day(archive, tmp_path, monkeypatch, caplog):
    rows = archive.embeddings()
    shutil.rmtree(archive.path / "models")
    monkeypatch.chdir(tmp_path)
    caplog.set_level("INFO")
    bare = archive.embeddings()
    np.testing.assert_array_equal(bare.class_name, rows.class_name)
    assert np.isnan(bare.novelty_p).all()
    assert "the head of model one" in caplog.text
    with pytest.raises(ArchiveError, match="classes of model one are not stored in the archive"):
        archive.probabilities(bare)


def test_a_head_for_other_codes_is_not_used(archive, models, tmp_path, monkeypatch):
    """A model of the same name elsewhere is another model."""
    shutil.rmtree(archive.path / "models")
    shutil.copytree(models["two"], tmp_path / "elsewhere" / "one")
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert np.isnan(archive.embeddings().novelty_p).all()


def test_another_model_encodes_the_pictures_and_everything_else_stays(archive, images, models):
    old = archive.embeddings()
    members = old.take(np.flatnonzero(old.usable)[:6])
    add_class(archive, members)
    archive.label({old.event_id[0]: "Koi_Fish"})
    filled = encode_anew(archive, job(models["two"], archive))
    assert len(filled.rows) == COUNT
    assert encode_anew(archive, job(models["two"], archive)).known == COUNT
    new = archive.embeddings(model="two")
    assert list(new.event_id) == list(old.event_id)
    assert list(new.status) == list(old.status)
    assert new.label[0] == "Koi_Fish"
    np.testing.assert_array_equal(np.isfinite(new.mean).all(axis=1), old.usable)
    from glitchvae.embedding import encode_spectrograms

    direct = encode_spectrograms(images, load_checkpoint(models["two"]))
    spread = np.nanstd(direct.mean, axis=0)
    shift = np.nanmax(np.abs(new.mean - direct.mean) / spread)
    assert 0 < shift < 0.2  # pictures are kept in steps of 0.1
    # The user's class is made of the same events in the codes of the new model.
    assert set(new.take(np.isin(new.event_id, members.event_id)).class_name) == {"Pearls"}
    with pytest.raises(ArchiveError, match="several models"):
        archive.embeddings()
    thumbnails = archive.thumbnails(new)
    assert archive.remove(model="one").rows == COUNT
    np.testing.assert_array_equal(archive.thumbnails(new).images, thumbnails.images)
    assert said(archive.embeddings()) == said(new)
    assert list(archive.verify()) == []
    with pytest.raises(ArchiveError, match="the only model"):
        archive.remove(model="two")


def test_another_head_of_the_same_codes_names_the_archive_anew(archive, models):
    before = archive.embeddings()
    filled = encode_anew(archive, job(models["other-head"], archive))
    assert filled.known == len(filled.rows) == COUNT
    assert "Whistle" in set(archive.embeddings().class_name) - set(before.class_name)
    np.testing.assert_array_equal(archive.embeddings().mean, before.mean)


def test_rows_of_a_part_are_named_as_those_of_the_archive(archive):
    rows = archive.embeddings(ifo="H1")
    origin = (rows.model_digest, rows.imaging_digest)
    found = rows_between(archive.path, "H1", START, START + COUNT, origin, set(rows.event_id))
    assert list(found.class_name) == list(rows.class_name)
    np.testing.assert_array_equal(found.novelty_p, rows.novelty_p)


def test_codes_that_an_earlier_version_named_are_those_of_the_model(archive, images, models):
    """Parts of schema version 1 name a model by codes and head together."""
    truth = said(archive.embeddings())
    card = load_checkpoint(models["one"]).card
    for part in (archive.path / "parts").glob("*.parquet"):
        table = pq.read_table(part)
        model = {"name": "one", "digest": card.older_digest}
        metadata = {
            **table.schema.metadata,
            b"model": json.dumps(model).encode(),
            b"model_digest": card.older_digest.encode(),
        }
        pq.write_table(table.replace_schema_metadata(metadata), part)
    assert said(archive.embeddings()) == truth
    assert said(archive.embeddings(model=card.older_digest[:12])) == truth
    assert fill_from_images(archive, images, job(models["one"], archive)).known == COUNT


def test_a_head_that_a_killed_job_began_is_no_problem(tmp_path):
    from glitchvae.archive.heads import MODELS, head_problems

    folder = tmp_path / MODELS / ("a" * 64)
    folder.mkdir(parents=True)
    (folder / "prototypes.safetensors").touch()
    assert list(head_problems(tmp_path)) == []
    (folder / "card.toml").write_text("no card", encoding="utf-8")
    assert len(list(head_problems(tmp_path))) == 1

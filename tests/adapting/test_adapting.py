"""A model adapted to an archive: what it learns, what it keeps, what it refuses."""

import csv
import shutil
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from glitchvae.adapting import AdaptSettings, Comparison, adapt_model, adapting, comparing
from glitchvae.archive import Archive, create_archive
from glitchvae.archive.known_classes import job_of
from glitchvae.archive.reencoding import encode_anew
from glitchvae.checkpoint import load_checkpoint, read_card
from glitchvae.errors import ArchiveError, GlitchvaeError, InputError, ModelError, StorageError
from glitchvae.spectrogram import SpectrogramSet
from tests.adapting.conftest import COUNT, ENOUGH, FEW, fill, in_little

SMALL = AdaptSettings(
    steps=12,
    batch_size=8,
    simulated=200,
    hold_out=100,
    save_every=4,
    learning_rate=1e-4,
    largest_fall=0.3,  # of a model whose weights are random, on a hundred pictures
)


def run(archive, output, start_model, labels=None, settings=SMALL, **more):
    return adapt_model(
        archive, output, labels, model=start_model, settings=settings, shown=False, **more
    )


@pytest.fixture(scope="module")
def adapted(archive, start_model, labels, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        in_little(patch)
        return run(archive, tmp_path_factory.mktemp("adapted") / "mine", start_model, labels)


def test_an_adapted_model_is_a_model_that_encodes_the_archive_anew(
    adapted, archive, start_model, truth, tmp_path
):
    start = load_checkpoint(start_model)
    assert adapted.checkpoint.digest != start.digest
    assert adapted.checkpoint.head_digest != start.head_digest
    store = Archive(shutil.copytree(archive.path, tmp_path / "copy"))
    job = job_of(adapted.path, catalog=store.own_catalog, uncertainty=False)[0]
    filled = encode_anew(store, job)
    assert len(filled.rows) == COUNT
    rows = store.embeddings(model="mine")
    before = store.embeddings(model=start.digest)
    assert np.mean(rows.class_name == truth) > np.mean(before.class_name == truth)


def test_its_card_says_from_what_on_what_and_how_it_did(adapted, start_model, labels):
    card = read_card(adapted.path).adapted
    start = load_checkpoint(start_model)
    assert (card["from"], card["code_digest"]) == ("start", start.digest)
    assert card["events"] == COUNT
    assert sum(card["labels"].values()) == len(labels)
    assert card["held_out"] == pytest.approx(COUNT / 4, abs=15)
    assert card["settings"]["steps"] == 12
    figures = {(f["events"], f["measure"]): f for f in card["comparison"]["figures"]}
    for measure in ("accuracy", "macro recall", "log-loss", "Brier score"):
        figure = figures[comparing.HELD_OUT, measure]
        for value, low, high in (figure["before"], figure["after"]):
            assert low <= value <= high
    assert (comparing.TAUGHT, "accuracy") in figures
    assert len(figures[comparing.EVERY, "named as before"]["after"]) == 3
    assert any("objective labelled" in note for note in adapted.notes)


def test_novelty_is_measured_against_events_that_taught_nothing(adapted, archive):
    head = adapted.checkpoint.prototypes
    card = read_card(adapted.path).adapted
    # One in four is held out of the weights, and those of them with a label teach the head.
    assert ENOUGH <= head.background_events_real == card["background"] <= card["held_out"]


def test_without_labels_the_objective_is_consistent(quick, archive, start_model, tmp_path):
    found = run(archive, tmp_path / "mine", start_model, "none")
    card = read_card(found.path)
    assert card.objective["name"] == "consistent"
    assert card.adapted["labels"] == {}
    assert card.adapted["self_taught"] > 0
    assert {line.events for line in found.comparison.lines} == {"simulated hold-out", "archive"}


def test_labels_of_the_archive_teach_where_no_table_is_given(
    quick, few, start_model, labels, tmp_path
):
    store = Archive(shutil.copytree(few.path, tmp_path / "copy"))
    store.label(labels)
    found = run(store, tmp_path / "mine", start_model)
    assert sum(read_card(found.path).adapted["labels"].values()) == len(labels)


def test_labels_that_do_not_teach_are_a_test(quick, few, start_model, labels, truth, tmp_path):
    store = Archive(shutil.copytree(few.path, tmp_path / "copy"))
    events = store.embeddings().event_id
    store.label(dict(zip(events, truth, strict=False)))
    found = run(store, tmp_path / "mine", start_model, labels)
    lines = {(x.events, x.measure): x for x in found.comparison.lines}
    line = lines[comparing.OTHERS, "accuracy"]
    codes = {e: i for i, e in enumerate(events)}
    others = np.array([codes[e] for e in events if e not in labels])
    rows = store.embeddings()
    assert line.before.value == pytest.approx(
        np.mean(rows.class_name[others] == truth[others]), abs=0.1
    )
    assert line.after.value > line.before.value
    # Some three dozen events: an exact test can but lean to the side of the gain.
    assert found.comparison.gain_p < 0.5


def test_few_events_keep_the_weights_and_say_so(quick, few, start_model, labels, tmp_path):
    said = []
    found = run(few, tmp_path / "mine", start_model, labels, tell=said.append)
    start = load_checkpoint(start_model)
    assert found.checkpoint.digest == start.digest
    assert found.checkpoint.head_digest != start.head_digest
    assert any("fewer than 100 events: the weights stay" in text for text in said)
    assert not (tmp_path / "mine.adapting" / "run").exists()
    store = Archive(shutil.copytree(few.path, tmp_path / "copy"))
    job = job_of(found.path, catalog=store.own_catalog, uncertainty=False)[0]
    assert encode_anew(store, job).known == FEW


def test_too_few_events_without_labels_are_refused(quick, start_model, pictures, tmp_path):
    store = fill(tmp_path / "archive", start_model, pictures.take(slice(0, 20)))
    with pytest.raises(InputError, match=r"too few events to adapt to.*20 events without labels"):
        run(store, tmp_path / "mine", start_model)
    assert not (tmp_path / "mine").exists()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"Blip": "Blop"}, r"no class 'Blop'.*row 1"),
        ({"Koi_Fish": "Blip", "Whistle": "Blip"}, "all labels are of one class"),
        ({"event": "H1-1.0000"}, r"no event 'H1-1\.0000'"),
        ({"twice": "Whistle"}, "is in row 1 as well, with another class"),
        ({"empty": ""}, "no row has a label"),
    ],
)
def test_labels_that_cannot_teach(change, said, quick, few, start_model, labels, tmp_path):
    rows = [[event, change.get(name, name)] for event, name in labels.items()]
    rows[0][0] = change.get("event", rows[0][0])
    if "twice" in change:
        rows.append([rows[0][0], change["twice"]])
    if "empty" in change:
        rows = [[event, ""] for event, _ in rows]
    with (tmp_path / "labels.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("event_id", "label"), *rows])
    with pytest.raises(InputError, match=f"(?s){said}" if "row 1" not in said else "Blop|row 1"):
        run(few, tmp_path / "mine", start_model, tmp_path / "labels.csv")
    assert not (tmp_path / "mine").exists()


def test_an_archive_of_another_model(few, start_model, save_untrained, tmp_path, rng):
    labels = np.array(["Blip", "Tomte"] * 20, dtype=object)
    other = save_untrained(tmp_path / "other", rng.normal(size=(40, 3)), labels)
    with pytest.raises(
        ArchiveError, match=r"the archive holds codes of another model.*found start"
    ):
        run(few, tmp_path / "mine", other)
    with pytest.raises(ModelError, match=r"'start', is not found by its name.*--model"):
        run(few, tmp_path / "mine", None)


def test_events_of_one_view_are_left_out(quick, start_model, pictures, labels, tmp_path):
    bare = pictures.images[:FEW].copy()
    bare[:, :3] = 0
    one_view = SpectrogramSet(**{**vars(pictures.take(slice(0, FEW))), "images": bare})
    store = fill(tmp_path / "archive", start_model, one_view)
    with pytest.raises(ArchiveError, match=r"no event to adapt to.*all 4 views.*none with one"):
        run(store, tmp_path / "mine", start_model, labels)


def test_an_archive_without_events(start_model, pictures, tmp_path):
    with pytest.raises(ArchiveError, match=r"holds no codes of model|holds no glitch"):
        run(create_archive(tmp_path / "empty"), tmp_path / "mine", start_model)
    gone = pictures.take(slice(0, 5))
    nothing = np.full_like(gone.images, np.nan)
    gaps = SpectrogramSet(**{**vars(gone), "images": nothing, "status": ["gap"] * 5})
    with pytest.raises(ArchiveError, match=r"no event to adapt to.*no event with a code"):
        run(fill(tmp_path / "gaps", start_model, gaps), tmp_path / "mine", start_model)


@pytest.mark.parametrize("share", [0.0, -0.5, 1.0, float("nan")])
def test_a_share_that_is_none(share):
    with pytest.raises(ValueError, match="share"):
        AdaptSettings(share=share)


def files_in(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def old(start_model, tmp_path):
    """A model in the place where the adapted one is to go."""
    shutil.copytree(start_model, tmp_path / "mine")
    return files_in(tmp_path / "mine")


def test_a_model_that_names_simulated_events_worse_is_refused(
    quick, few, start_model, labels, tmp_path, old, monkeypatch
):
    monkeypatch.setattr(comparing, "paired_fall", lambda *_: (0.031, 0.004))
    with pytest.raises(ModelError, match=r"refused.*at most 2 points.*3\.1 points.*p = 0\.004"):
        strict = SMALL.model_copy(update={"largest_fall": 0.02})
        run(few, tmp_path / "mine", start_model, labels, strict)
    assert files_in(tmp_path / "mine") == old
    assert load_checkpoint(tmp_path / "mine.adapting" / "model").prototypes is not None


class KilledError(Exception):
    """Stands for a process that ends without a chance to write."""


@pytest.fixture
def kill(monkeypatch):
    """Ends the training after some steps."""

    def after(steps):
        @contextmanager
        def bars(what, *_, **__):
            left = [steps]

            def report(done):
                left[0] -= done
                if what == "adapting" and left[0] == 0:
                    raise KilledError

            yield report

        monkeypatch.setattr(adapting, "progress_of", bars)

    return after


def test_a_killed_run_goes_on_to_the_same_model_and_the_old_one_stays(
    quick, adapted, archive, start_model, labels, tmp_path, old, kill, monkeypatch
):
    kill(7)
    with pytest.raises(KilledError):
        run(archive, tmp_path / "mine", start_model, labels)
    assert files_in(tmp_path / "mine") == old
    monkeypatch.setattr(adapting, "progress_of", _counting(steps := []))
    again = run(archive, tmp_path / "mine", start_model, labels)
    assert steps == [4, *[1] * 8]  # the state of step 4, and what is left of twelve
    assert again.checkpoint.digest == adapted.checkpoint.digest
    codes = archive.embeddings().mean  # heads differ by rounding, as linear algebra may
    probabilities = [each.checkpoint.prototypes.probabilities(codes) for each in (again, adapted)]
    np.testing.assert_allclose(*probabilities, atol=1e-3)


def _counting(steps):
    @contextmanager
    def bars(what, *_, **__):
        yield steps.append if what == "adapting" else lambda _: None

    return bars


def test_a_run_of_other_labels_is_begun_anew(
    quick, archive, start_model, labels, tmp_path, kill, monkeypatch
):
    kill(7)
    with pytest.raises(KilledError):
        run(archive, tmp_path / "mine", start_model, labels)
    monkeypatch.setattr(adapting, "progress_of", _counting(steps := []))
    run(archive, tmp_path / "mine", start_model, "none")
    assert steps == [1] * 12


def test_a_kill_between_two_places_leaves_the_old_model(
    quick, few, start_model, labels, tmp_path, old, monkeypatch
):
    move, full = Path.replace, [True]

    def fail(self, target):
        if self.name == "model" and full[0]:
            raise OSError(28, "No space left on device")
        return move(self, target)

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(StorageError, match=r"cannot be moved to the output folder.*No space left"):
        run(few, tmp_path / "mine", start_model, labels)
    assert files_in(tmp_path / "mine") == old
    full[0] = False
    # Killed for good between the two: the next call puts the old one back before all else.
    (tmp_path / "mine").rename(tmp_path / "mine.adapting" / "replaced")
    with pytest.raises(GlitchvaeError):
        run(few, tmp_path / "mine", start_model, tmp_path / "missing.csv")
    assert files_in(tmp_path / "mine") == old


def test_something_else_is_not_replaced(few, start_model, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="the output folder holds something other than a model"):
        run(few, tmp_path / "mine", start_model)
    assert (tmp_path / "mine" / "notes.txt").read_text() == "mine"


def test_minutes_become_steps_that_a_second_call_keeps(
    quick, archive, start_model, tmp_path, kill, monkeypatch
):
    from types import SimpleNamespace

    monkeypatch.setattr(adapting, "plan", lambda *_, **__: SimpleNamespace(seconds_per_step=3.0))
    settings = SMALL.model_copy(update={"minutes": 0.5})
    kill(5)
    with pytest.raises(KilledError):
        run(archive, tmp_path / "mine", start_model, "none", settings)
    monkeypatch.setattr(adapting, "plan", lambda *_, **__: SimpleNamespace(seconds_per_step=1.0))
    monkeypatch.setattr(adapting, "progress_of", _counting(steps := []))
    run(archive, tmp_path / "mine", start_model, "none", settings)
    assert sum(steps) == 10


def test_a_comparison_is_refused_by_both_limits():
    def of(fall, p):
        return Comparison(lines=(), fall=fall, fall_p=p, gain_p=np.nan).refused

    assert of(0.021, 0.049)
    assert not of(0.019, 0.0001)  # surely worse, but by less than is allowed
    assert not of(0.05, 0.06)  # as much by chance

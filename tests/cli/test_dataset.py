"""`glitchvae dataset`: what a user sees of good and of bad sets."""

import h5py
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from glitchvae.cli import main
from glitchvae.dataset import read_images, write_gravity_spy
from glitchvae.shapes import IMAGE_SHAPE, VIEWS
from glitchvae.spectrogram import SpectrogramSet

DAY = 86400.0


def run(*arguments):
    return CliRunner().invoke(main, ["dataset", *map(str, arguments)])


def some_set(count=12, **changes):
    rng = np.random.default_rng(4)
    column = np.arange(count, dtype=float)
    values = {
        "images": rng.uniform(0, 25.5, (count, len(VIEWS), *IMAGE_SHAPE)),
        "event_id": [f"event{i}" for i in range(count)],
        "gps": 1.25e9 + DAY * column,
        "ifo": ["H1", "L1"] * (count // 2),
        **dict.fromkeys(("snr", "peak_frequency", "q", "duration", "bandwidth"), column + 1),
        "f_max": np.full(count, 2048.0),
        "block_duration": np.full(count, 8.0),
        "status": ["ok"] * count,
        "label": ["Blip", "Tomte"] * (count // 2),
    }
    return SpectrogramSet(**(values | changes))


@pytest.fixture
def own(tmp_path):
    path = tmp_path / "own.h5"
    some_set().write(path)
    return path


def one_line(result, exit_code=3):
    assert result.exit_code == exit_code, result.output
    assert "Traceback" not in result.output
    return " ".join(result.output.split())


def test_info_counts(own):
    result = run("info", own)
    assert result.exit_code == 0, result.output
    words = " ".join(result.output.split())
    for text in (
        "Blip",
        "detectors H1 6, L1 6",
        "status ok 12",
        "to 2048 Hz 12",
        "GPS 1250000000.000 to 1250950400.000",
        "left out nothing",
        "1.1 MB",
    ):
        assert text in words


def test_layouts_convert_into_each_other(own, tmp_path):
    official, back = tmp_path / "official.h5", tmp_path / "back.h5"
    assert run("split", own, "-o", tmp_path / "split.h5").exit_code == 0
    result = run("convert", tmp_path / "split.h5", "--layout", "gravity-spy", "-o", official)
    assert result.exit_code == 0, result.output
    assert run("convert", official, "-o", back).exit_code == 0
    first, again = SpectrogramSet.read(tmp_path / "split.h5"), SpectrogramSet.read(back)
    again = again.take([list(again.event_id).index(name) for name in first.event_id])
    assert np.allclose(again.images, first.images, atol=0.04)
    for name in ("gps", "ifo", "label", "split"):
        assert list(getattr(again, name)) == list(getattr(first, name))


@pytest.mark.parametrize("size", [(600, 800), (479, 569)])
def test_pictures_of_both_sizes_convert(tmp_path, size):
    folder = tmp_path / "TrainingSet/Blip"
    folder.mkdir(parents=True)
    for view in VIEWS:
        Image.new("RGB", size[::-1], (128, 128, 128)).save(
            folder / f"H1_aaa_spectrogram_{view:.1f}.png"
        )
    assert run("convert", folder.parent, "-o", tmp_path / "a.h5").exit_code == 0
    read = SpectrogramSet.read(tmp_path / "a.h5")
    assert (read.event_id[0], read.label[0], read.ifo[0]) == ("aaa", "Blip", "H1")
    assert read.usable.all()


def test_metadata_are_joined(own, tmp_path):
    some_set(gps=[np.nan] * 12).write(own)
    table = tmp_path / "table.csv"
    lines = [f"event{i},{1.26e9 + i},L1,9.5" for i in range(12)]
    table.write_text("\n".join(["gravityspy_id,event_time,ifo,snr", *lines]))
    assert run("convert", own, "--metadata", table, "-o", tmp_path / "a.h5").exit_code == 0
    assert list(SpectrogramSet.read(tmp_path / "a.h5").gps) == [1.26e9 + i for i in range(12)]


def test_merging_leaves_out_what_is_repeated_or_unreadable_and_goes_on(own, tmp_path):
    broken = tmp_path / "broken.h5"
    broken.write_bytes(own.read_bytes()[:4000])
    some_set(2, event_id=["event0", "new"]).write(tmp_path / "more.h5")
    result = run("merge", own, broken, tmp_path / "more.h5", "-o", tmp_path / "all.h5")
    assert result.exit_code == 1, result.output
    assert f"left out: {broken}" in result.output
    assert "truncated" in result.output
    assert "duplicate_id 1, unreadable_set 1" in result.output
    merged = SpectrogramSet.read(tmp_path / "all.h5")
    assert len(merged) == 13
    assert merged.left_out == {"duplicate_id": 1, "unreadable_set": 1}


def test_splitting_by_time_is_the_default(own, tmp_path):
    result = run("split", own, "--seed", 3, "-o", tmp_path / "a.h5")
    assert result.exit_code == 0, result.output
    assert "time blocks" not in result.output
    split = SpectrogramSet.read(tmp_path / "a.h5").split
    assert set(split) == {"train", "validation", "test"}


def test_a_random_split_warns_of_the_blocks_it_parts(own, tmp_path):
    some_set(200, gps=14_000 * DAY + DAY / 8 * np.arange(200)).write(own)
    words = one_line(run("split", own, "--random", "-o", tmp_path / "a.h5"), 0)
    split = SpectrogramSet.read(tmp_path / "a.h5").split.reshape(25, 8)
    parted = sum(len(set(day)) > 1 for day in split)
    assert parted > 20
    assert f"Warning: {parted} blocks of 86400 s have events in more than one split" in words
    words = one_line(run("split", own, "-o", tmp_path / "b.h5"), 0)
    assert "more than one split" not in words


def test_a_published_split_is_kept(own, tmp_path):
    split = ["test", "train", "validation"] * 4
    some_set(split=split).write(own)
    assert run("split", own, "--published", "-o", tmp_path / "a.h5").exit_code == 0
    assert list(SpectrogramSet.read(tmp_path / "a.h5").split) == split


# Bad input: one line each


def test_truncated_file(own):
    own.write_bytes(own.read_bytes()[:5000])
    assert "truncated" in one_line(run("info", own))


def test_missing_view_and_other_size_and_nan_are_counted_and_stored(tmp_path):
    path = tmp_path / "set.h5"
    write_gravity_spy(some_set(6, split=["train"] * 6), path)
    with h5py.File(path, "a") as file:
        del file["Blip/train/event0/4.0.png"]
        small, empty = np.zeros((1, 9, 9)), np.full((1, 140, 170), np.nan)
        for name, picture in (("event2", small), ("event4", empty)):
            del file[f"Blip/train/{name}/4.0.png"]
            file[f"Blip/train/{name}/4.0.png"] = picture
    result = run("convert", path, "-o", tmp_path / "a.h5")
    assert "missing_view 1, bad_pixels 2" in one_line(result, 0)
    read = SpectrogramSet.read(tmp_path / "a.h5")
    assert read.usable.sum() == 3
    assert read.left_out == {"missing_view": 1, "bad_pixels": 2}
    again = run("convert", tmp_path / "a.h5", "--layout", "gravity-spy", "-o", tmp_path / "b.h5")
    assert "for want of an image: 3" in one_line(again, 0)


def test_unknown_label_is_kept_and_counted(own, tmp_path):
    some_set(label=["Gnome", "TOMTE"] * 6).write(own)
    assert "unknown_label 6" in one_line(run("convert", own, "-o", tmp_path / "a.h5"), 0)
    read = SpectrogramSet.read(tmp_path / "a.h5")
    assert set(read.label) == {"Gnome", "Tomte"}
    assert read.left_out == {"unknown_label": 6}


def test_nan_pixels_of_an_own_set_are_marked(own):
    images = np.full((12, len(VIEWS), *IMAGE_SHAPE), 1.0)
    images[3, 1, 7, 9] = np.nan
    some_set(images=images).write(own)
    assert "left out bad_pixels 1" in one_line(run("info", own), 0)


def test_empty_split_is_told(own, tmp_path):
    some_set(gps=np.full(12, 1.25e9)).write(own)
    words = one_line(run("split", own, "-o", tmp_path / "a.h5"), 0)
    assert words.count("Warning: no event in the split") == 2


def test_table_in_an_unknown_dialect(own, tmp_path):
    table = tmp_path / "table.csv"
    table.write_text("colour,weight\nred,3\n")
    words = one_line(run("convert", own, "--metadata", table, "-o", tmp_path / "a.h5"))
    assert str(table) in words
    assert "colour" in words
    assert not (tmp_path / "a.h5").exists()


def test_splits_that_cannot_be_made(own, tmp_path):
    out = tmp_path / "a.h5"
    assert "no published split" in one_line(run("split", own, "--published", "-o", out))
    some_set(gps=[np.nan] * 12).write(own)
    assert "needs the time of every event" in one_line(run("split", own, "-o", out))
    words = one_line(run("split", own, "--random", "-o", out), 0)
    assert "cannot be told of 12 events without a time" in words


def test_other_imaging_settings_are_refused(own, tmp_path):
    some_set(event_id=[f"b{i}" for i in range(12)], imaging={"name": "light"}).write(
        tmp_path / "b.h5"
    )
    words = one_line(run("merge", own, tmp_path / "b.h5", "-o", tmp_path / "all.h5"))
    assert "other settings" in words


@pytest.mark.data
def test_real_events_convert_to_the_published_layout_and_back(real_data, tmp_path):
    source = real_data / "gravityspy/real_events.h5"
    result = run("convert", source, "--layout", "gravity-spy", "-o", tmp_path / "a.h5")
    assert result.exit_code == 0, result.output
    first, again = read_images(source), read_images(tmp_path / "a.h5")
    assert list(again.event_id) == list(first.event_id)
    assert np.allclose(again.images, first.images, atol=0.02)


def test_some_events_of_a_set_are_kept_and_the_missing_named(own, tmp_path):
    table = tmp_path / "ids.csv"
    table.write_text("event_id,label\nevent3,Blip\nevent7,Blip\n")
    result = run("convert", own, "--events", table, "-o", tmp_path / "two.h5")
    assert result.exit_code == 0, result.output
    assert list(SpectrogramSet.read(tmp_path / "two.h5").event_id) == ["event3", "event7"]
    table.write_text("event_id\nevent3\nelsewhere\n")
    result = run("convert", own, "--events", table, "-o", tmp_path / "one.h5")
    assert "1 of 2 events (elsewhere)" in one_line(result, exit_code=1)
    assert list(SpectrogramSet.read(tmp_path / "one.h5").event_id) == ["event3"]
    table.write_text("event_id\nelsewhere\n")
    result = run("convert", own, "--events", table, "-o", tmp_path / "none.h5")
    assert "the set holds none of the events" in one_line(result)
    assert not (tmp_path / "none.h5").exists()


def test_a_set_of_one_view_is_converted_to_all_four(tmp_path):
    path = tmp_path / "single.h5"
    with h5py.File(path, "w") as file:
        file["Blip/train/event/4.0.png"] = np.full((1, *IMAGE_SHAPE), 0.4)
    assert run("convert", path, "--from-view", 4, "-o", tmp_path / "all.h5").exit_code == 0
    assert list(read_images(tmp_path / "all.h5").status) == ["ok"]
    text = one_line(run("convert", path, "--from-view", 0.5, "-o", tmp_path / "none.h5"))
    assert "expected 4 s, the longest view; found 0.5 s" in text
    assert not (tmp_path / "none.h5").exists()

"""Layouts of image sets: round trips, bad entries that are counted, splits that do not leak."""

import dataclasses
import json
import logging

import h5py
import numpy as np
import pytest
from PIL import Image

from glitchvae.classes.catalog import read_catalog
from glitchvae.dataset import (
    UNKNOWN_LABEL,
    add_metadata,
    count_images,
    empty_splits,
    is_image_set,
    merge_sets,
    name_classes,
    published_split,
    read_images,
    read_picture,
    shared_blocks,
    split_at_random,
    split_by_time_blocks,
    stream_images,
    summarise,
    write_gravity_spy,
)
from glitchvae.errors import CatalogError, ConfigError, InputError
from glitchvae.shapes import IMAGE_SHAPE, VIEWS
from glitchvae.spectrogram import (
    SpectrogramSet,
    energy_to_pixel,
    pixel_to_energy,
    row_frequencies,
)
from glitchvae.status import Status
from glitchvae.triggers import at_times, read_triggers

NAMES = [f"{view:.1f}.png" for view in VIEWS]


def picture(rng):
    return rng.uniform(0.09, 0.86, (1, *IMAGE_SHAPE)).astype(np.float32)


def write_official(path, events, rng):
    """Events as (label, split, id, names of views)."""
    with h5py.File(path, "w") as file:
        for label, split, name, views in events:
            group = file.create_group(f"{label}/{split}/{name}")
            for view in views:
                group[view] = picture(rng)
    return path


def some_set(rng, count=3, **changes):
    column = np.arange(count, dtype=float)
    values = {
        "images": rng.uniform(0, 25.5, (count, 4, *IMAGE_SHAPE)),
        "event_id": [f"event{i}" for i in range(count)],
        "gps": 1.25e9 + column,
        "ifo": ["H1"] * count,
        "snr": 8 + column,
        "peak_frequency": 100 + column,
        "q": column,
        "duration": column,
        "bandwidth": column,
        "f_max": np.full(count, 2048.0),
        "block_duration": np.full(count, 64.0),
        "status": ["ok"] * count,
        "label": ["Blip", "Tomte", "Blip"][:count],
        "split": ["train", "validation", "test"][:count],
    }
    return SpectrogramSet(**(values | changes))


# The published layout


def test_official_pictures_become_energies_with_ascending_frequency(tmp_path, rng):
    path = write_official(tmp_path / "set.h5", [("Blip", "test", "a1", NAMES)], rng)
    read = read_images(path)
    with h5py.File(path) as file:
        pixels = file["Blip/test/a1/2.0.png"][0]
    assert read.images.shape == (1, 4, *IMAGE_SHAPE)
    assert np.allclose(read.images[0, 2, 0], pixel_to_energy(pixels)[-1], atol=0.01)
    assert (read.label[0], read.split[0], read.event_id[0]) == ("Blip", "test", "a1")
    assert read.status[0] == Status.OK
    assert np.isnan(read.gps[0])
    assert len(read.sources["set.h5"]) == 64


def test_bad_events_keep_a_row_and_are_counted(tmp_path, rng, caplog):
    path = write_official(
        tmp_path / "set.h5",
        [
            ("Blip", "train", "good", NAMES),
            ("Blip", "train", "lacking", NAMES[:3]),
            ("Blip", "train", "small", NAMES[:3]),
            ("Blip", "train", "nan", NAMES[:3]),
            ("Blip", "train", "bright", NAMES[:3]),
            ("Blip", "extra", "elsewhere", NAMES),
            ("Tomte", "train", "good", NAMES),
        ],
        rng,
    )
    with h5py.File(path, "a") as file:
        file["Blip/train/small/4.0.png"] = np.full((1, 64, 64), 0.5)
        file["Blip/train/nan/4.0.png"] = np.full((1, *IMAGE_SHAPE), np.nan)
        file["Blip/train/bright/4.0.png"] = np.full((1, *IMAGE_SHAPE), 255.0)
    with caplog.at_level(logging.WARNING):
        read = read_images(path)
    statuses = dict(zip(read.event_id, read.status, strict=True))
    assert statuses == {
        "good": Status.OK,
        "lacking": Status.MISSING_VIEW,
        "small": Status.BAD_PIXELS,
        "nan": Status.BAD_PIXELS,
        "bright": Status.BAD_PIXELS,
        "elsewhere": Status.OK,
    }
    expected = {"missing_view": 1, "bad_pixels": 3, "unknown_split": 1, "duplicate_id": 1}
    assert read.left_out == expected
    assert "bad_pixels 3" in caplog.text
    assert np.isnan(read.images[~read.usable]).all()
    assert np.isfinite(read.images[read.usable]).all()


def test_writing_and_reading_back_keeps_everything(tmp_path, rng):
    images = rng.uniform(0, 25.5, (3, 4, *IMAGE_SHAPE))
    images[1][..., row_frequencies() > 1000, :] = np.nan
    original = some_set(rng, images=images, f_max=[2048, 1000, 2048], status=["ok", "ok", "ok"])
    assert write_gravity_spy(original, tmp_path / "set.h5") == 0
    read = read_images(tmp_path / "set.h5")
    order = [list(read.event_id).index(name) for name in original.event_id]
    read = read.take(order)
    assert np.allclose(read.images, original.images, atol=0.04, equal_nan=True)
    for name in ("gps", "snr", "peak_frequency", "q", "f_max", "ifo", "label", "split", "status"):
        assert list(getattr(read, name)) == list(getattr(original, name)), name


def test_written_files_are_what_others_read(tmp_path, rng):
    original = some_set(rng, 1)
    write_gravity_spy(original, tmp_path / "set.h5")
    with h5py.File(tmp_path / "set.h5") as file:
        pixels = file["Blip/train/event0/0.5.png"][()]
    assert pixels.shape == (1, *IMAGE_SHAPE)
    assert pixels.dtype == np.float32
    expected = energy_to_pixel(original.images[0, 0].astype(np.float32))
    assert np.allclose(pixels[0, ::-1], expected, atol=1e-3)


def test_events_without_image_are_not_written(tmp_path, rng):
    assert write_gravity_spy(some_set(rng, status=["ok", "gap", "ok"]), tmp_path / "set.h5") == 1
    assert len(read_images(tmp_path / "set.h5")) == 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"label": None}, "needs a label"),
        ({"split": None}, "needs a label and a split"),
        ({"event_id": ["a", "b/c", "d"]}, "row 1.*without slashes"),
        ({"label": ["Blip", "", "Blip"]}, "row 1"),
        ({"event_id": ["a", "b", "a"]}, "repeated"),
    ],
)
def test_sets_that_do_not_fit_the_layout_are_refused(tmp_path, rng, changes, message):
    with pytest.raises(InputError, match=message):
        write_gravity_spy(some_set(rng, **changes), tmp_path / "set.h5")
    assert not (tmp_path / "set.h5").exists()


# Telling sets apart


def test_own_sets_are_told_by_content(tmp_path, rng):
    path = tmp_path / "any.name"
    original = some_set(rng)
    original.write(path)
    assert is_image_set(path)
    assert np.array_equal(read_images(path).images, original.images)


def test_other_files_are_no_image_sets(tmp_path):
    text = tmp_path / "text.h5"
    text.write_text("no HDF5")
    strain = tmp_path / "strain.hdf5"
    with h5py.File(strain, "w") as file:
        file["strain/Strain"] = np.zeros(4)
    assert not is_image_set(text)
    assert not is_image_set(strain)
    assert not is_image_set(tmp_path)
    assert not is_image_set(tmp_path / "nothing.h5")
    with pytest.raises(InputError, match="the file is not a set of images"):
        read_images(strain)
    with pytest.raises(InputError, match="not a readable HDF5 file"):
        read_images(text)


def test_truncated_set_says_so(tmp_path, rng):
    path = write_official(tmp_path / "set.h5", [("Blip", "test", "a1", NAMES)], rng)
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(InputError, match="truncated"):
        read_images(path)


# Pictures


def draw(path, luminance):
    """A grey picture of one luminance per pixel."""
    path.parent.mkdir(parents=True, exist_ok=True)
    grey = np.round(255 * luminance).astype(np.uint8)
    Image.fromarray(np.stack([grey] * 3, axis=-1)).save(path)
    return path


def test_both_sizes_of_picture_give_the_same(tmp_path, rng):
    whole = np.clip(np.cumsum(rng.normal(0, 0.01, (600, 800)), axis=1) + 0.5, 0, 1)
    published = read_picture(draw(tmp_path / "a.png", whole))
    recropped = read_picture(draw(tmp_path / "b.png", whole[60:539, 105:674]))
    assert published.shape == IMAGE_SHAPE
    assert np.array_equal(published, recropped)


def test_picture_of_another_size_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"expected 800x600 or 569x479; found 20x10"):
        read_picture(draw(tmp_path / "a.png", np.zeros((10, 20))))
    (tmp_path / "b.png").write_text("no picture")
    with pytest.raises(InputError, match="not a readable picture"):
        read_picture(tmp_path / "b.png")


def test_folder_of_pictures(tmp_path, caplog):
    folder = tmp_path / "TrainingSet"
    for view in NAMES:
        draw(folder / f"Blip/H1_aaa_spectrogram_{view}", np.full((600, 800), 0.5))
    for view in NAMES[:2]:
        draw(folder / f"Tomte/L1_bbb_spectrogram_{view}", np.full((600, 800), 0.5))
    draw(folder / "Tomte/L1_ccc_spectrogram_0.5.png", np.full((10, 10), 0.5))
    (folder / "Tomte/notes.txt").write_text("not a picture")
    assert is_image_set(folder)
    read = read_images(folder)
    assert dict(zip(read.event_id, read.label, strict=True)) == {
        "aaa": "Blip",
        "bbb": "Tomte",
        "ccc": "Tomte",
    }
    assert list(read.ifo) == ["H1", "L1", "L1"]
    assert list(read.status) == [Status.OK, Status.MISSING_VIEW, Status.MISSING_VIEW]
    assert read.left_out == {"missing_view": 2}
    expected = pixel_to_energy(np.array(128 / 255))
    assert np.allclose(read.images[0].astype(float), expected, atol=0.02)


def test_folder_without_pictures_says_what_it_looks_for(tmp_path):
    with pytest.raises(InputError, match=r"<ifo>_<id>_spectrogram"):
        read_images(tmp_path)


# Metadata


def test_metadata_fills_what_the_set_does_not_know(rng):
    images = some_set(
        rng, gps=[np.nan, 7.0, np.nan], ifo=["", "V1", ""], snr=[np.nan] * 3, label=None
    )
    table = at_times([30.0, 20.0, 10.0, 40.0], "H1")
    table = dataclasses.replace(
        table, event_id=["event2", "event1", "other", "event2"], snr=[3.0, 2.0, 1.0, 9.0]
    )
    filled = add_metadata(images, table)
    assert np.array_equal(filled.gps, [np.nan, 7.0, 30.0], equal_nan=True)
    assert np.array_equal(filled.snr, [np.nan, 2.0, 3.0], equal_nan=True)
    assert list(filled.ifo) == ["", "V1", "H1"]
    assert np.isnan(images.gps[2])  # the input is left as it was


def test_metadata_of_another_set_is_refused(rng):
    with pytest.raises(InputError, match="no event_id"):
        add_metadata(some_set(rng), at_times([1.0], "H1"))


# Splits


def test_blocks_of_time_stay_together(rng):
    gps = 1.25e9 + 86400 * rng.uniform(0, 200, 4000)
    split = split_by_time_blocks(gps, rng, fractions=(0.6, 0.2, 0.2))
    assert shared_blocks(gps, split) == 0
    shares = [np.mean(split == name) for name in ("train", "validation", "test")]
    assert np.allclose(shares, (0.6, 0.2, 0.2), atol=0.02)


def test_random_split_has_the_fractions_and_leaks(rng):
    gps = 1.25e9 + 86400 * rng.uniform(0, 20, 1000)
    split = split_at_random(1000, rng)
    assert [(split == name).sum() for name in ("train", "validation", "test")] == [700, 150, 150]
    assert shared_blocks(gps, split) > 0


def test_blocks_that_a_split_parts_are_counted_once():
    gps = np.array([1.0, 2.0, 3.0, 11.0, 12.0, 21.0, np.nan])
    split = ["train", "validation", "test", "train", "train", "test", "test"]
    assert shared_blocks(gps, split, block=10.0) == 1


def test_the_same_generator_gives_the_same_split():
    gps = 1.25e9 + np.arange(1000) * 3600.0
    first, again = (split_by_time_blocks(gps, np.random.default_rng(1)) for _ in range(2))
    assert np.array_equal(first, again)


def test_splitting_needs_times_and_fractions(rng):
    with pytest.raises(InputError, match="1 of 2 not finite"):
        split_by_time_blocks(np.array([1.0, np.nan]), rng)
    with pytest.raises(ConfigError, match="add up to one"):
        split_at_random(10, rng, fractions=(0.5, 0.5, 0.5))


# Real data


@pytest.mark.data
def test_real_events_survive_the_energy_domain(real_data):
    """81 official events, all 22 classes: pixels to energies and back."""
    path = real_data / "gravityspy/real_events.h5"
    read = read_images(path)
    assert len(read) == 81
    assert len(set(read.label)) == 22
    assert set(read.status) == {Status.OK}
    assert read.left_out == {}
    back = energy_to_pixel(read.images.astype(np.float32))[..., ::-1, :]
    worst = 0.0
    with h5py.File(path) as file:
        for row, pixels in enumerate(back):
            group = file[f"{read.label[row]}/{read.split[row]}/{read.event_id[row]}"]
            official = np.stack([group[name][0] for name in NAMES])
            # Below the darkest colour: ticks of the axes that the official cut leaves in.
            clipped = official.clip(*energy_to_pixel(np.array([0.0, 25.5])))
            worst = max(worst, float(np.abs(pixels - clipped).max()))
    assert worst < 5e-4  # float16 at the top of the scale; the file itself has 3 decimals


@pytest.mark.data
def test_real_background_is_that_of_noise(real_data):
    """The median of an official image is near that of exponential energies, 1."""
    read = read_images(real_data / "gravityspy/real_events.h5")
    quiet = read.images[read.label == "No_Glitch"].astype(float)
    assert np.median(quiet) == pytest.approx(1.0, abs=0.4)


@pytest.mark.data
def test_published_metadata_match_published_pictures(real_data):
    folder = real_data / "gravityspy"
    images = read_images(folder / "real_events.h5")
    table = read_triggers(folder / "trainingset_v1d1_metadata_without_urls.csv.gz")
    filled = add_metadata(images, table)
    matched = np.isfinite(filled.gps)
    assert matched.any()
    labels = dict(zip(table.event_id, table.label, strict=True))
    same = [
        labels[name] == label
        for name, label in zip(images.event_id[matched], images.label[matched], strict=True)
    ]
    assert np.mean(same) > 0.8  # labels were revised between the releases
    assert set(filled.ifo[matched]) <= {"H1", "L1"}


# Parts


def test_parts_are_the_set(tmp_path, rng):
    own, official = tmp_path / "own.h5", tmp_path / "official.h5"
    original = some_set(rng, left_out={"duplicate_id": 2})
    original.write(own)
    write_gravity_spy(original, official)
    for path in (own, official):
        parts = list(stream_images(path, size=2))
        assert [len(part) for part in parts] == [2, 1]
        assert count_images(path) == 3
        whole = read_images(path)
        assert np.array_equal(np.concatenate([p.images for p in parts]), whole.images)
    assert read_images(own).left_out == {"duplicate_id": 2}


def test_identifiers_repeated_in_another_part_are_counted(tmp_path, rng):
    events = [("Blip", "train", "a", NAMES), ("Tomte", "train", "a", NAMES)]
    path = write_official(tmp_path / "set.h5", events, rng)
    assert [len(part) for part in stream_images(path, size=1)] == [1, 0]
    assert read_images(path).left_out == {"duplicate_id": 1}


@pytest.mark.parametrize(
    ("hole", "damaged"),
    [
        (np.s_[1, 2, 40:, :], True),  # a view that ends where the others do not
        (np.s_[1, :, 40, :], True),  # a row with computed ones above
        (np.s_[1, 0, 3, 5], True),
        (np.s_[1], True),
        (np.s_[1, :, 100:], False),  # what a low sample rate leaves out
    ],
)
def test_holes_in_an_own_image_are_marked(tmp_path, rng, hole, damaged):
    images = rng.uniform(0, 25.5, (3, 4, *IMAGE_SHAPE))
    images[hole] = np.nan
    some_set(rng, images=images).write(tmp_path / "set.h5")
    read = read_images(tmp_path / "set.h5")
    assert list(read.status == Status.BAD_PIXELS) == [False, damaged, False]
    assert read.left_out == ({"bad_pixels": 1} if damaged else {})
    assert np.isnan(read.images[1]).all() == damaged


# Labels


def test_labels_become_official_names_and_unknown_ones_are_counted(rng):
    images = some_set(rng, label=["1400RIPPLES", "Gnome", ""])
    named = name_classes(images, read_catalog())
    assert list(named.label) == ["1400Ripples", "Gnome", ""]
    assert named.left_out == {UNKNOWN_LABEL: 1}
    assert list(images.label) == ["1400RIPPLES", "Gnome", ""]
    assert name_classes(named, read_catalog()).left_out == named.left_out  # not counted twice


def test_a_taxonomy_limits_the_spellings(rng):
    images = some_set(rng, label=["TMT", "Blip", "Blip"])  # the volunteers' code of Tomte
    catalog = read_catalog()
    volunteers = name_classes(images, catalog, taxonomy="zooniverse")
    assert volunteers.label[0] == "Tomte"
    assert name_classes(images, catalog, taxonomy="training").left_out == {UNKNOWN_LABEL: 1}
    with pytest.raises(CatalogError, match="no taxonomy 'o9'"):
        name_classes(images, catalog, taxonomy="o9")


# Merging


def test_merging_keeps_each_event_once_and_prefers_an_image(rng):
    first = some_set(rng, status=["ok", "gap", "ok"], left_out={"missing_view": 1})
    second = some_set(rng, event_id=["event1", "new", "event0"], label=None)
    merged = merge_sets([first, second])
    assert sorted(merged.event_id) == ["event0", "event1", "event2", "new"]
    assert merged.usable.all()
    assert merged.left_out == {"missing_view": 1, "duplicate_id": 2}
    kept = list(merged.event_id).index("event1")
    assert np.array_equal(merged.images[kept], second.images[0])
    assert merged.label[kept] == ""


def test_other_imaging_settings_are_not_merged(rng):
    sets = [some_set(rng, imaging={"name": "light", "block": b, "trim": 1.0}) for b in (8, 64)]
    with pytest.raises(InputError, match=r"set 2.*expected block 8; found block 64.*train"):
        merge_sets(sets)
    with pytest.raises(InputError, match="nothing to merge"):
        merge_sets([])


# Counting


def test_a_summary_counts_over_parts(rng):
    one = some_set(rng, left_out={"duplicate_id": 1})
    other = some_set(
        rng,
        label=None,
        split=None,
        status=["gap"] * 3,
        gps=[np.nan] * 3,
        ifo=["V1"] * 3,
        left_out={"duplicate_id": 2},
    )
    summary = summarise([one, other])
    assert (summary.events, summary.usable, summary.untimed) == (6, 3, 3)
    assert summary.classes["Blip", "train"] == 1
    assert summary.splits == {"train": 1, "validation": 1, "test": 1, "": 3}
    assert summary.ifos == {"H1": 3, "V1": 3}
    assert summary.statuses == {"ok": 3, "gap": 3}
    assert summary.bands == {2048: 3}
    assert summary.span == (1.25e9, 1.25e9 + 2)
    assert summary.left_out == {"duplicate_id": 3}
    assert summary.resident_bytes == 3 * (4 * 140 * 170 + 140)


def test_empty_and_missing_splits_are_told(rng):
    assert empty_splits(["train", "test"], (0.7, 0.15, 0.15)) == ("validation",)
    assert empty_splits(["train", "test"], (0.7, 0.0, 0.3)) == ()
    with pytest.raises(InputError, match=r"no published split.*1 of 3 events without"):
        published_split(some_set(rng, split=["train", "", "test"]))
    assert list(published_split(some_set(rng))) == ["train", "validation", "test"]


def test_counts_of_what_was_left_out_go_with_the_published_layout(tmp_path, rng):
    write_gravity_spy(some_set(rng, left_out={"missing_view": 4}), tmp_path / "set.h5")
    with h5py.File(tmp_path / "set.h5") as file:
        assert json.loads(file.attrs["left_out"]) == {"missing_view": 4}

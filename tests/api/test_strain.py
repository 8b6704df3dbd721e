"""Strain from Python: what people hold goes in, tables come out, by the road of the command."""

import h5py
import numpy as np
import pytest
from astropy.table import Table
from gwpy.segments import DataQualityDict, DataQualityFlag, Segment, SegmentList
from gwpy.table import EventTable
from gwpy.timeseries import TimeSeries

from glitchvae.api.strain import embed, find_triggers, make_spectrograms
from glitchvae.errors import ConfigError, InputError, ModelError
from glitchvae.simulate import simulate_strain
from glitchvae.strain import Strain, write_gwosc

START = 1_000_000_000.0


@pytest.fixture(scope="module")
def model(save_untrained, tmp_path_factory):
    rng = np.random.default_rng(2)
    labels = np.array(["Blip", "Whistle", "Tomte"] * 20, dtype=object)
    folder = tmp_path_factory.mktemp("models") / "tiny"
    return save_untrained(folder, rng.normal(size=(60, 3)), labels)


@pytest.fixture(scope="module")
def simulated():
    """A minute of H1 strain with three loud glitches."""
    return simulate_strain(64.0, "H1", seed=3, glitches=3, start=START)[0]


@pytest.fixture(scope="module")
def series(simulated):
    return simulated.to_gwpy()


@pytest.fixture(scope="module")
def path(simulated, tmp_path_factory):
    file = tmp_path_factory.mktemp("strain") / "H-H1_SIMULATED.hdf5"
    write_gwosc(file, simulated)
    return file


def options(model):
    return {"model": model, "imaging": "light", "uncertainty": False, "device": "cpu"}


def test_a_series_gives_what_its_file_gives(series, path, model):
    from_memory, from_file = (embed(data, **options(model)) for data in (series, path))
    assert len(from_memory) > 0
    for name in ("event_id", "gps", "snr", "class_name"):
        ours, files = (getattr(e.embeddings, name) for e in (from_memory, from_file))
        np.testing.assert_array_equal(ours, files)
    np.testing.assert_array_equal(from_memory.codes, from_file.codes)


def test_an_archive_holds_what_memory_holds_and_adds_nothing_twice(path, model, tmp_path):
    stored = embed(path, archive=tmp_path / "archive", **options(model))
    again = embed(path, archive=tmp_path / "archive", **options(model))
    kept = embed(path, **options(model))
    for events in (stored, again):
        np.testing.assert_array_equal(events.codes, kept.codes)
        assert events.images.spectrograms.images.shape == (len(kept), 4, 140, 170)


def test_events_become_tables(series, model):
    events = embed(series, **options(model))
    table = events.to_table()
    assert isinstance(table, EventTable)
    frame = events.to_pandas()
    assert list(table["gps"]) == list(frame["gps"]) == events.embeddings.gps.tolist()
    assert "mean" not in frame.columns
    assert set(frame["ifo"]) == {"H1"}


@pytest.fixture(scope="module")
def everything(path):
    return find_triggers(path, device="cpu")


@pytest.mark.parametrize("form", ["file", "files", "list", "mapping", "flag", "flags"])
def test_segments_in_any_form_limit_the_search(path, series, everything, form, tmp_path):
    span = (START + 0.0, float(everything.gps[-1]) - 2.0)
    segments = SegmentList([Segment(*span)])
    flag = DataQualityFlag("H1:SCIENCE:1", active=segments, known=segments)
    (tmp_path / "live.txt").write_text(f"{span[0]} {span[1]}\n")
    given = {
        "file": tmp_path / "live.txt",
        "files": [str(tmp_path / "live.txt")],
        "list": segments,
        "mapping": {"H1": segments},
        "flag": flag,
        "flags": DataQualityDict({"H1:SCIENCE:1": flag}),
    }[form]
    found = find_triggers(path, segments=given, device="cpu")
    assert 0 < len(found) < len(everything)
    assert (found.gps < span[1]).all()
    from_memory = find_triggers(series, segments=given, device="cpu")
    np.testing.assert_array_equal(from_memory.gps, found.gps)


def test_limits_of_embed(path, model, everything, tmp_path):
    """Masks apply by default; segments leave out what lies outside, and nothing may be left."""
    end = float(everything.gps[-1]) - 2.0
    copy = tmp_path / "H-H1_MASKED.hdf5"
    copy.write_bytes(path.read_bytes())
    with h5py.File(copy, "r+") as file:
        file["quality/simple/DQmask"][int(end - START) :] = 0
    limited = embed(path, segments={"H1": [(START, end)]}, **options(model))
    masked = embed(copy, **options(model))
    assert 0 < len(limited) < len(everything)
    np.testing.assert_array_equal(masked.embeddings.gps, limited.embeddings.gps)
    assert len(embed(copy, masks=(), **options(model))) == len(everything)
    assert len(embed(path, segments={"H1": [(5, 6)]}, **options(model))) == 0


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        ({"segments": {"L1": [(1, 2)]}}, "no segments of a detector of the strain"),
        ({"segments": "absent.txt"}, "absent.txt"),
        ({"flags": ["SCIENCE"]}, "is not the name of a flag"),
        ({"flags": "H1:SCIENCE:1"}, "a list of names is needed"),
        ({"masks": ["CBC_CAT9"]}, "no mask 'CBC_CAT9'"),
    ],
)
def test_bad_limits_are_named(path, limits, said):
    with pytest.raises(InputError, match=said):
        find_triggers(path, device="cpu", **limits)


@pytest.mark.parametrize(
    "given",
    [
        START + 30.0,
        [START + 30.0],
        np.array([START + 30.0]),
        EventTable({"time": [START + 30.0], "snr": [9.0]}),
        Table({"GPStime": [START + 30.0], "ifo": ["H1"]}),
    ],
    ids=["number", "list", "array", "EventTable", "Table"],
)
def test_triggers_come_in_any_form(series, model, given):
    events = embed(series, triggers=given, **options(model))
    assert events.embeddings.gps.tolist() == [START + 30.0]
    assert events.embeddings.ifo.tolist() == ["H1"]


def test_triggers_found_are_imaged(series, tmp_path):
    triggers = find_triggers(series, snr=7.5)
    assert {"gps", "snr", "peak_frequency"} <= set(triggers.to_table().colnames)
    images = make_spectrograms(series, triggers, imaging="light")
    assert np.asarray(images).shape == (len(triggers), 4, 140, 170)
    images.plot(tmp_path / "sheet.png")
    assert (tmp_path / "sheet.png").read_bytes().startswith(b"\x89PNG")


def test_single_precision_and_gaps_are_strain(series, model):
    values = series.value.astype("float32") * np.float32(1.0)
    holed = TimeSeries(values, t0=START, sample_rate=series.sample_rate, name="H1:STRAIN")
    holed.value[: 4 * 4096] = np.nan
    triggers = find_triggers(holed, snr=7.5)
    assert (triggers.gps > START + 4).all()


def test_a_bad_input_among_good_ones_is_named(path, model, tmp_path):
    (tmp_path / "bad.hdf5").write_bytes(b"\x89HDF\r\n\x1a\nnot much")
    events = embed([tmp_path / "bad.hdf5", path], **options(model))
    assert len(events) > 0
    assert [problem.where for problem in events.problems] == [str(tmp_path / "bad.hdf5")] or (
        "bad.hdf5" in str(events.problems[0])
    )


def unnamed(series, **changes):
    given = {"t0": START, "sample_rate": 4096, "unit": "strain", **changes}
    return TimeSeries(series.value, **given)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda s: [], "no input"),
        (lambda s: 3, "no strain.*found int"),
        (lambda s: unnamed(s), "the detector is unknown"),
        (lambda s: unnamed(s, name="H1:STRAIN", unit="m"), "not strain.*'m'"),
        (lambda s: TimeSeries(np.ones(8) * 1j, name="H1:STRAIN"), "real samples"),
        (lambda s: "nowhere.hdf5", r"nowhere\.hdf5"),
    ],
    ids=["empty", "number", "no detector", "unit", "complex", "no file"],
)
def test_what_is_no_strain_is_refused(series, model, make, said):
    with pytest.raises(InputError, match=said):
        embed(make(series), **options(model))


def test_two_detectors_keep_their_names(series, model):
    other = unnamed(series, name="L1:STRAIN")
    events = embed([series, other], **options(model))
    assert set(events.embeddings.ifo) == {"H1", "L1"}


@pytest.mark.parametrize(
    ("changes", "error", "said"),
    [
        ({"model": "nope"}, ModelError, "no model 'nope'"),
        ({"imaging": "dark"}, ConfigError, "no imaging settings 'dark'"),
        ({"triggers": [5.0]}, InputError, "no strain at this time"),
        ({"triggers": Table({"snr": [9.0]})}, InputError, "no column of times"),
        ({"triggers": object()}, InputError, "no triggers"),
    ],
    ids=["model", "imaging", "time", "table", "object"],
)
def test_wrong_options_are_refused(series, model, changes, error, said):
    with pytest.raises(error, match=said):
        embed(series, **{**options(model), **changes})


def test_strain_from_gwpy_is_the_series(series, simulated):
    found = Strain.from_gwpy(series)
    np.testing.assert_array_equal(found.values, simulated.values)
    assert (found.start, found.sample_rate, found.ifo) == (START, 4096.0, "H1")

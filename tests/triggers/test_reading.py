"""Reading: every dialect, and a clear sentence for everything that is none."""

import dataclasses
import gzip
import logging
import sys

import h5py
import numpy as np
import pytest

from glitchvae.errors import InputError
from glitchvae.triggers import at_times, read_triggers

GPS = 1262736218.316406

DIALECTS = {
    "training set": (
        "event_time,ifo,peak_time,peak_time_ns,peak_frequency,central_freq,bandwidth,duration,"
        "channel,snr,event_id,gravityspy_id,label\n"
        "1262736218.3,H1,1262736218,316406000,39.8,50.5,20,0.5,GDS-CALIB_STRAIN,9.5,21,abc,Blip\n"
    ),
    "older export": (
        "Unnamed: 0,GPStime,peakFreq,snr,centralFreq,duration,bandwidth,id,ifo,label,Q-value\n"
        f"7,{GPS},39.8,9.5,50.5,0.5,20,abc,H1,Blip,5.657\n"
    ),
    "O3 table": (
        "event_time,ifo,peak_frequency,central_freq,snr,q_value,duration,bandwidth,"
        "gravityspy_id,Blip,Whistle,ml_label,ml_confidence\n"
        f"{GPS},H1,39.8,50.5,9.5,5.657,0.5,20,abc,0.9,0.1,Blip,0.9\n"
    ),
    "HVETO": f"time peak_frequency snr channel\n{GPS} 39.8 9.5 H1:GDS-CALIB_STRAIN\n",
    "commented header": f"# made by hand\n# time frequency snr ifo\n{GPS} 39.8 9.5 H1\n",
    "ECSV": (
        "# %ECSV 1.0\n# ---\n# datatype:\n# - {name: time, unit: s, datatype: float64}\n"
        "# - {name: ifo, datatype: string}\n# - {name: snr, datatype: float32}\n"
        f"# schema: astropy-2.0\ntime ifo snr\n{GPS} H1 9.5\n"
    ),
}


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("dialect", DIALECTS)
def test_dialects_of_text(tmp_path, dialect, packed):
    text = DIALECTS[dialect].encode()
    path = tmp_path / "table"  # no suffix: the content tells
    path.write_bytes(gzip.compress(text) if packed else text)
    triggers = read_triggers(path)
    assert triggers.gps.tolist() == pytest.approx([GPS], abs=1e-6)
    assert triggers.ifo.tolist() == ["H1"]
    assert triggers.snr.tolist() == [9.5]
    for name, value in {"central_frequency": 50.5, "duration": 0.5, "bandwidth": 20}.items():
        if "central" in DIALECTS[dialect]:
            assert getattr(triggers, name).tolist() == [value]
    if "abc" in DIALECTS[dialect]:
        assert triggers.event_id.tolist() == ["abc"]
        assert triggers.label is not None
        assert triggers.label.tolist() == ["Blip"]
    else:
        assert triggers.event_id.tolist() == ["H1-1262736218.3164"]
        assert triggers.label is None
    if "5.657" in DIALECTS[dialect]:
        assert triggers.q.tolist() == pytest.approx([5.657])


@pytest.mark.parametrize("text", [f"{GPS}\n1262736300\n", f"# times\n{GPS}\n\n1262736300.0\n"])
def test_a_list_of_times(tmp_path, text):
    path = tmp_path / "times.txt"
    path.write_text(text)
    assert read_triggers(path, ifo="V1").gps.tolist() == [GPS, 1262736300.0]


def omicron(path, **attributes):
    row = (GPS, 40.0, GPS - 0.1, GPS + 0.3, 30.0, 60.0, 9.5, 5.657)
    names = ["time", "frequency", "tstart", "tend", "fstart", "fend", "snr", "q"]
    with h5py.File(path, "w") as file:
        file["triggers"] = np.array([row], dtype=[(name, "f8") for name in names])
        file.attrs.update(attributes)
    return path


def test_omicron_hdf5_gives_extents_from_their_ends(tmp_path):
    triggers = read_triggers(omicron(tmp_path / "K1_omicron.h5"))
    assert triggers.ifo.tolist() == ["K1"]
    assert triggers.duration == pytest.approx([0.4], abs=1e-6)
    assert triggers.bandwidth == pytest.approx([30.0])
    assert triggers.central_frequency == pytest.approx([45.0])
    assert triggers.q == pytest.approx([5.657])


def test_the_channel_tells_the_detector_before_the_name_does(tmp_path):
    path = omicron(tmp_path / "K1_omicron.h5", channel="L1:GDS-CALIB_STRAIN")
    assert read_triggers(path).ifo.tolist() == ["L1"]


def test_omicron_root(tmp_path):
    uproot = pytest.importorskip("uproot")
    path = tmp_path / "L1-GDS_OMICRON-1262736000-60.root"
    with uproot.recreate(path) as file:
        file["triggers"] = {"time": np.array([GPS]), "snr": np.array([9.5])}
    triggers = read_triggers(path)
    assert (triggers.gps.tolist(), triggers.ifo.tolist()) == ([GPS], ["L1"])


@pytest.mark.parametrize(
    ("package", "content"), [("uproot", b"root"), ("igwn_ligolw", b'<?xml version="1.0"?>')]
)
def test_a_missing_package_is_one_sentence(tmp_path, monkeypatch, read_here, package, content):
    (tmp_path / "a").write_bytes(content)
    monkeypatch.setitem(sys.modules, package, None)
    told = rf"a: cannot be read without {package}.*\.\[triggers\]"
    with pytest.raises(InputError, match=told):
        read_triggers(tmp_path / "a", ifo="H1")


@pytest.mark.parametrize(
    ("name", "ifo"),
    [("H-H1_OMICRON-126-32.csv", "H1"), ("L1-OMICRON-1-2.csv", "L1"), ("v/V1_x.csv", "V1")],
)
def test_the_file_name_tells_the_detector(tmp_path, name, ifo):
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"time,snr\n{GPS},8\n")
    assert read_triggers(path).ifo.tolist() == [ifo]


def test_two_detectors_in_one_table(tmp_path):
    path = tmp_path / "both.csv"
    path.write_text(f"time,ifo\n{GPS},H1\n{GPS + 1},L1\n{GPS + 2},H1\n")
    assert read_triggers(path).ifos == {"H1": 2, "L1": 1}
    assert read_triggers(path, ifo="L1").gps.tolist() == [GPS + 1]
    with pytest.raises(InputError, match=r"no trigger of V1.*2 of H1, 1 of L1"):
        read_triggers(path, ifo="V1")


@pytest.mark.parametrize("bad", ["nan", "soon", "", "-5", "inf"])
def test_a_bad_time_costs_one_row_and_a_warning(tmp_path, caplog, bad):
    path = tmp_path / "H1.csv"
    path.write_text(f"time,snr\n{GPS},8\n{bad},9\n{GPS + 1},10\n")
    with caplog.at_level(logging.WARNING):
        assert read_triggers(path).snr.tolist() == [8.0, 10.0]
    assert "1 of 3 rows left out" in caplog.text
    assert "row 2" in caplog.text


@pytest.mark.parametrize("kind", ["csv", "h5"])
def test_rows_whose_time_is_no_gps_second_are_named(tmp_path, caplog, kind):
    times = [GPS, 0.0, -3.5, np.nan, np.inf, GPS + 1]
    path = tmp_path / f"H1.{kind}"
    if kind == "csv":
        path.write_text("time\n" + "".join(f"{time}\n" for time in times))
    else:
        dataclasses.replace(at_times(np.arange(1.0, 7.0), "H1"), gps=times).write(path)
    triggers = read_triggers(path, ifo="H1")
    assert triggers.gps.tolist() == [GPS, GPS + 1]
    assert f"{path}: 4 of 6 rows left out" in caplog.text
    assert "row 2 with 0, row 3 with -3.5, row 4 with nan, row 5 with inf" in caplog.text


def test_a_search_that_found_nothing_is_no_error(tmp_path):
    at_times([], "H1").write(tmp_path / "none.h5")
    assert len(read_triggers(tmp_path / "none.h5")) == 0


def test_a_cut_last_line_costs_one_row_and_a_warning(tmp_path, caplog):
    path = tmp_path / "H1.csv"
    path.write_text(f"time,snr,channel\n{GPS},8,H1:X\n{GPS + 1},10")
    with caplog.at_level(logging.WARNING):
        assert len(read_triggers(path)) == 1
    assert "line 3" in caplog.text


def test_text_among_numbers_is_unknown_and_said(tmp_path, caplog):
    path = tmp_path / "H1.csv"
    path.write_text(f"time,snr,q\n{GPS},loud,\n{GPS + 1},10,5\n")
    with caplog.at_level(logging.WARNING):
        triggers = read_triggers(path)
    assert np.isnan(triggers.snr[0])
    assert triggers.snr[1] == 10
    assert "row 1: 'loud'" in caplog.text
    assert " q " not in caplog.text


BAD = {
    "empty": ("", "empty"),
    "header alone": ("time,snr\n", "no rows"),
    "no times": ("when,snr\n1,2\n", r"expected one of gps, GPStime.*found columns when, snr"),
    "all times bad": ("time,ifo\nnan,H1\n", "no row holds a usable time"),
    "no detector": (f"time,snr\n{GPS},8\n", r"no detector is named.*Name the detector"),
    "no header": (f"{GPS} 8 9\n", "the columns have no names"),
    "broken XML": ('<?xml version="1.0"?><LIGO_LW>', "sngl_burst"),
    "other XML": ("<html></html>", "sngl_burst"),
    "broken ECSV": ("# %ECSV 1.0\n# ---\n# foo: {\ntime\n1\n", "damaged ECSV"),
}


@pytest.mark.parametrize("kind", BAD)
def test_unusable_text_is_an_error_that_names_the_file(tmp_path, kind):
    text, message = BAD[kind]
    path = tmp_path / "table.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=message) as error:
        read_triggers(path)
    assert str(path) in str(error.value)


BYTES = {
    "binary": (b"\xff\xfe\x00" * 9, "not a trigger file"),
    "cut gzip": (gzip.compress(b"time\n1\n" * 99)[:30], "damaged gzip"),
    "cut HDF5": (b"\x89HDF\r\n\x1a\nxxx", "not a readable HDF5"),
    "cut ROOT": (b"root1234", "no readable tree"),
}


@pytest.mark.parametrize("kind", BYTES)
def test_unusable_bytes_are_an_error(tmp_path, kind):
    content, message = BYTES[kind]
    path = tmp_path / "H1"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_triggers(path)


def test_places_that_are_no_file(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        read_triggers(tmp_path / "none.csv")
    with pytest.raises(InputError, match="directory"):
        read_triggers(tmp_path)


def test_hdf5_without_a_table_lists_what_is_there(tmp_path):
    with h5py.File(tmp_path / "H1.h5", "w") as file:
        file["strain/Strain"] = np.zeros(3)
    with pytest.raises(InputError, match=r"no table of triggers.*\['strain'\]"):
        read_triggers(tmp_path / "H1.h5")


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "rows", "ifos"),
    [
        ("triggers/K1_omicron_triggers.hdf5", 43590, {"K1"}),
        ("triggers/H1-HVETO_RAW_TRIGS_ROUND_0-1262736018-86400.txt", 4163, {"H1"}),
        ("gravityspy/o3a_H1_full_columns_sample.csv", 170, {"H1"}),
        ("gravityspy/o3a_L1_labels.csv.gz", 70743, {"L1"}),
        ("gravityspy/trainingset_v1d1_metadata_without_urls.csv.gz", 7966, {"H1", "L1"}),
        ("strain/labelled/labels.csv", 13, {"L1"}),
    ],
)
def test_real_tables(real_data, name, rows, ifos):
    triggers = read_triggers(real_data / name)
    assert len(triggers) == rows
    assert set(triggers.ifos) == ifos
    assert (triggers.gps > 1e9).all()
    assert len(set(triggers.event_id)) == rows


@pytest.mark.data
def test_real_ligolw(real_data):
    pytest.importorskip("igwn_ligolw")
    (path,) = (real_data / "triggers").glob("*.xml.gz")
    triggers = read_triggers(path)
    assert triggers.gps.tolist() == [1173197715.3125, 1173197716.53125, 1173197717.328125]
    assert triggers.snr == pytest.approx([7.01899, 5.12244, 7.58792])
    assert triggers.ifo.tolist() == ["L1"] * 3


@pytest.mark.data
def test_damaged_files_are_a_sentence(real_data):
    """But for two that ask for more memory than there is."""
    paths = [
        path
        for path in sorted((real_data / "damaged").glob("*-trig_*/*"))
        if "MemoryError" not in str(path)
    ]
    if not paths:
        pytest.skip(f"no damaged trigger files at {real_data / 'damaged'}")
    for path in paths:
        with pytest.raises(InputError) as caught:
            read_triggers(path, ifo="H1")
        assert str(path) in str(caught.value)

import builtins

import numpy as np
import pytest
from gwpy.timeseries import TimeSeries, TimeSeriesDict
from igwn_segments import segment

from glitchvae.errors import InputError
from glitchvae.strain import frames, open_strain

pytest.importorskip("lalframe", reason="GWF needs the extra gwf")
START = 1000000000


def series(name, values, start=START, sample_rate=1024, unit=""):
    return TimeSeries(values, t0=start, sample_rate=sample_rate, name=name, unit=unit)


def write(path, *channels):
    TimeSeriesDict({str(c.name): c for c in channels}).write(path, format="gwf")


@pytest.fixture
def frame(make_strain, tmp_path):
    """An official-looking frame: strain and its two masks, bit 1 off in second 3."""
    path = tmp_path / "L-L1_GWOSC_4KHZ_R1-1000000000-8.gwf"
    mask = np.full(8, 127, dtype=np.uint32)
    mask[3] = 125
    write(
        path,
        series("L1:GWOSC-4KHZ_R1_STRAIN", make_strain().values),
        series("L1:GWOSC-4KHZ_R1_DQMASK", mask, sample_rate=1),
        series("L1:GWOSC-4KHZ_R1_INJMASK", np.full(8, 31, dtype=np.uint32), sample_rate=1),
    )
    return path


def test_samples_times_and_names(frame, make_strain):
    source = open_strain(frame)
    assert (source.ifo, source.sample_rate) == ("L1", 1024)
    assert source.channel == "L1:GWOSC-4KHZ_R1_STRAIN"
    assert source.segments == [segment(START, START + 8)]
    part = source.read(START + 2.5, START + 4)
    np.testing.assert_array_equal(part.values, make_strain().values[2560:4096])


def test_masks_of_an_official_frame(frame):
    flags = open_strain(frame).flags
    assert flags["DATA"] == [segment(START, START + 8)]
    assert flags["CBC_CAT1"] == [segment(START, START + 3), segment(START + 4, START + 8)]
    assert flags["NO_STOCH_HW_INJ"] == flags["DATA"]


def test_name_does_not_matter(frame):
    renamed = frame.rename(frame.with_name("noise.dat"))
    assert open_strain(renamed).ifo == "L1"


def test_several_channels_are_listed(make_strain, tmp_path):
    values = make_strain().values
    write(tmp_path / "a.gwf", series("L1:A", values), series("L1:B", 2 * values))
    with pytest.raises(InputError, match=r"a\.gwf.*L1:A, L1:B.*\(option channel\)"):
        open_strain(tmp_path / "a.gwf")
    with pytest.raises(InputError, match=r"no channel 'L1:C'; found L1:A, L1:B"):
        open_strain(tmp_path / "a.gwf", channel="L1:C")
    read = open_strain(tmp_path / "a.gwf", channel="L1:B").read(START, START + 1)
    np.testing.assert_array_equal(read.values, 2 * values[:1024])


def test_frames_join_in_time(make_strain, tmp_path):
    values = make_strain().values
    paths = [tmp_path / "b.gwf", tmp_path / "a.gwf"]
    write(paths[0], series("L1:X_STRAIN", values[4096:], start=START + 4))
    write(paths[1], series("L1:X_STRAIN", values[:4096]))
    source = open_strain(paths)
    assert source.segments == [segment(START, START + 8)]
    np.testing.assert_array_equal(source.read(START, START + 8).values, values)


def test_a_frame_file_is_read_once(frame, monkeypatch):
    source = open_strain(frame)
    reads = []
    monkeypatch.setattr(TimeSeries, "read", lambda *a, **k: reads.append(a))
    source.read(START, START + 1)
    source.read(START + 1, START + 2)
    assert reads == []


def test_another_unit_is_refused(make_strain, tmp_path):
    write(tmp_path / "a.gwf", series("L1:X", make_strain().values, unit="ct"))
    with pytest.raises(InputError, match="found unit 'ct'"):
        open_strain(tmp_path / "a.gwf")


@pytest.mark.parametrize("kept", [20, 200, 0.5, 0.99])
def test_truncated_frame(frame, kept):
    content = frame.read_bytes()
    frame.write_bytes(content[: kept if kept > 1 else int(kept * len(content))])
    with pytest.raises(InputError, match="truncated or damaged frame file"):
        open_strain(frame)


def test_damaged_frame(frame):
    content = bytearray(frame.read_bytes())
    middle = len(content) // 2
    content[middle - 8000 : middle + 8000] = bytes(16000)
    frame.write_bytes(content)
    with pytest.raises(InputError, match="not a readable frame file"):
        open_strain(frame)


def test_missing_frame_library_names_the_extra(frame, monkeypatch, read_here):
    real_import = builtins.__import__

    def without_frames(name, *args, **kwargs):
        if name.startswith("gwpy.io.gwf"):
            raise ImportError("no GWF backend")
        return real_import(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without_frames)
    with pytest.raises(InputError, match=r'pip install "\.\[gwf\]"'):
        open_strain(frame)


def test_size_is_checked_in_either_byte_order(tmp_path):
    path = tmp_path / "a.gwf"
    for order, mark in (("little", b"\x34\x12"), ("big", b"\x12\x34")):
        head = (b"IGWD\x00\x08" + bytes(6) + mark).ljust(40, b"\0")
        record = (46).to_bytes(8, order) + bytes(10) + (86).to_bytes(8, order) + bytes(20)
        path.write_bytes(head + record)
        frames._require_complete(path)
        path.write_bytes(head + bytes(1) + record)
        with pytest.raises(InputError, match="truncated"):
            frames._require_complete(path)

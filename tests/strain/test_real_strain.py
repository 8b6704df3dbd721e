"""Real detector files against h5py and gwpy."""

import csv

import h5py
import numpy as np
import pytest
from gwpy.timeseries import StateVector, TimeSeries
from igwn_segments import segment

from glitchvae.errors import InputError
from glitchvae.strain import is_strain, open_strain
from glitchvae.strain.masks import DQ_BITS, INJECTION_BITS

pytestmark = pytest.mark.data


def hdf5_files(real_data):
    """Every strain file; what is damaged on purpose lies in another folder."""
    files = sorted(real_data.glob("strain/*/*.hdf5"))
    assert len(files) >= 17
    return files


def test_every_file_reads_as_h5py_reads_it(real_data):
    for path in hdf5_files(real_data):
        source = open_strain(path)
        with h5py.File(path) as file:
            dataset = file["strain/Strain"] if "strain" in file else file["Strain"]
            names = ("Xstart", "Xspacing") if "strain" in file else ("x0", "dx")
            start, step = (float(dataset.attrs[name]) for name in names)
            first = round(1.5 / step)
            expected = dataset[first : first + round(4 / step)]
        part = source.read(start + 1.5, start + 5.5)
        np.testing.assert_array_equal(part.values, expected, err_msg=path.name)
        assert source.sample_rate == 1 / step
        assert part.start == pytest.approx(start + 1.5, abs=1e-6)
        assert source.ifo in path.name


def test_every_gwosc_file_reads_as_gwpy_reads_it(real_data):
    for path in hdf5_files(real_data):
        if path.name == "L1-1187008882-128.hdf5":
            series = TimeSeries.read(path, format="hdf5", path="Strain")
        else:
            series = TimeSeries.read(path, format="hdf5.gwosc")
        source = open_strain(path)
        whole = source.read(*source.segments[0])
        np.testing.assert_array_equal(whole.values, series.value, err_msg=path.name)
        assert whole.start == series.t0.value
        assert whole.sample_rate == series.sample_rate.value


def test_masks_agree_with_gwpy(real_data):
    for path in sorted(real_data.glob("strain/gwosc/*OSC*.hdf5")):
        flags = open_strain(path).flags
        assert set(flags) == {*DQ_BITS, *INJECTION_BITS}
        mask = StateVector.read(path, format="hdf5.gwosc")
        times = mask.times.value + 0.5
        for bit, name in enumerate(DQ_BITS):
            expected = (mask.value >> bit) & 1
            assert [time in flags[name] for time in times] == expected.astype(bool).tolist()


def test_partly_vetoed_segment(real_data):
    flags = open_strain(real_data / "strain/gwosc/L-L1_GWOSC_4KHZ_R1-1264316101-32.hdf5").flags
    assert flags["DATA"] == [segment(1264316101, 1264316133)]
    assert flags["CBC_CAT2"] == [
        segment(1264316101, 1264316116),
        segment(1264316124, 1264316126),
        segment(1264316127, 1264316133),
    ]


def test_frame_reads_as_gwpy_reads_it(real_data):
    pytest.importorskip("lalframe", reason="GWF needs the extra gwf")
    path = real_data / "strain/gwosc/H-H1_GWOSC_O3b_4KHZ_R1-1266281937-128.gwf"
    source = open_strain(path)
    assert (source.ifo, source.channel) == ("H1", "H1:GWOSC-4KHZ_R1_STRAIN")
    assert source.segments == [segment(1266281937, 1266282065)]
    reference = TimeSeries.read(path, source.channel, start=1266281980, end=1266281988)
    part = source.read(1266281980, 1266281988)
    np.testing.assert_array_equal(part.values, reference.value)


def test_fractional_starts_are_those_of_the_samples(real_data):
    path = real_data / "strain/labelled/H-H1_GW190514_065416_1024HZ-1241852018-96.hdf5"
    source = open_strain(path)
    assert source.segments[0][0] == 1241852018.8
    assert source.flags["DATA"] == source.segments


def test_every_labelled_glitch_lies_in_its_file(real_data):
    with (real_data / "strain/labelled/labels.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 13
    for row in rows:
        source = open_strain(real_data / "strain/labelled" / row["file"])
        assert source.ifo == row["ifo"]
        assert float(row["gps"]) in source.segments


def test_one_detector_of_two_rates(real_data):
    paths = sorted(real_data.glob("strain/labelled/L-L1_*.hdf5"))
    with pytest.raises(InputError, match="two sample rates mixed"):
        open_strain(paths)


def test_two_detectors(real_data):
    with pytest.raises(InputError, match="two detectors mixed"):
        open_strain(sorted(real_data.glob("strain/gwosc/*-1126259446-32.hdf5"))[1:])


def test_the_same_second_at_4_and_16_khz(real_data):
    """GWOSC made the 4 kHz file from the 16 kHz one: below 1.5 kHz they are one signal."""
    folder = real_data / "strain/gwosc"
    low, high = (
        open_strain(folder / f"H-H1_LOSC_{khz}_V2-1126259446-32.hdf5").read(1126259450, 1126259458)
        for khz in (4, 16)
    )
    reduced = high.to_gwpy().resample(4096).value
    kept = slice(4096, -4096)
    assert np.corrcoef(low.values[kept], reduced[kept])[0, 1] > 0.999


def test_images_are_no_strain(real_data):
    path = real_data / "gravityspy/real_events.h5"
    assert not is_strain(path)
    with pytest.raises(InputError, match=r"no strain in this HDF5 file.*Blip"):
        open_strain(path)

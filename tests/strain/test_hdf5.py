import shutil

import h5py
import numpy as np
import pytest
from gwpy.timeseries import TimeSeries, TimeSeriesDict
from igwn_segments import segment

from glitchvae.errors import InputError
from glitchvae.strain import open_strain, write_gwosc
from glitchvae.strain.hdf5 import as_rate

START = 1000000000.0


@pytest.fixture
def official(make_strain, tmp_path):
    """A GWOSC file, to be spoilt by the test."""
    path = tmp_path / "L-L1_TEST-1000000000-8.hdf5"
    write_gwosc(path, make_strain(channel="L1:TEST_STRAIN"))
    return path


@pytest.fixture
def plain(make_strain, tmp_path):
    """gwpy's plain HDF5."""
    path = tmp_path / "noise.h5"
    make_strain().to_gwpy().write(path, format="hdf5", path="Strain")
    return path


def spoil(path, name, **attributes):
    with h5py.File(path, "a") as file:
        file[name].attrs.update(attributes)


def test_xstart_wins_over_gpsstart(official, make_strain):
    spoil(official, "strain/Strain", Xstart=START + 0.7)
    source = open_strain(official)
    assert source.segments == [segment(START + 0.7, START + 8.7)]
    np.testing.assert_array_equal(
        source.read(START + 0.7, START + 8.7).values, make_strain().values
    )


def test_attributes_may_be_bytes(official):
    spoil(official, "strain/Strain", Yunits=np.bytes_(b"strain"), Xunits=np.bytes_(b"second"))
    assert open_strain(official).channel == "L1:TEST_STRAIN"


def test_masks_without_attributes_start_with_the_strain(official):
    with h5py.File(official, "a") as file:
        for name in ("quality/simple/DQmask", "quality/injections/Injmask"):
            file[name].attrs.clear()
            file[name][2:4] = 0
    assert open_strain(official).flags["DATA"] == [
        segment(START, START + 2),
        segment(START + 4, START + 8),
    ]


def test_files_may_lack_masks(official):
    with h5py.File(official, "a") as file:
        del file["quality"]
    assert open_strain(official).flags == {}


def test_gaps_stay_nan(make_strain, tmp_path):
    noise = make_strain()
    noise.values[1000:2000] = np.nan
    write_gwosc(tmp_path / "a.hdf5", noise)
    read = open_strain(tmp_path / "a.hdf5").read(START, START + 8)
    np.testing.assert_array_equal(np.isnan(read.values), np.isnan(noise.values))


def test_constant_strain_opens(make_strain, tmp_path):
    noise = make_strain()
    noise.values[:] = 0
    write_gwosc(tmp_path / "a.hdf5", noise)
    assert not open_strain(tmp_path / "a.hdf5").read(START, START + 8).values.any()


def test_plain_gwpy_file(plain, make_strain):
    source = open_strain(plain)
    assert (source.ifo, source.sample_rate) == ("L1", 1024)
    np.testing.assert_array_equal(source.read(START, START + 8).values, make_strain().values)


def test_plain_file_of_several_series(make_strain, tmp_path):
    path = tmp_path / "noise.h5"
    names = ("L1:GDS-CALIB_STRAIN", "L1:AUX")
    series = TimeSeriesDict(
        {
            name: TimeSeries(
                make_strain(seconds=4 + k).values,
                t0=START,
                sample_rate=1024,
                name=name,
                channel=name,
            )
            for k, name in enumerate(names)
        }
    )
    series.write(path, format="hdf5")
    assert open_strain(path).channel == names[0]
    assert open_strain(path, channel=names[1]).segments == [segment(START, START + 5)]
    with pytest.raises(InputError, match=r"noise\.h5.*L1:AUX, L1:GDS-CALIB_STRAIN"):
        open_strain(path, channel="L1:ABSENT")


def test_detector_is_asked_for_where_nothing_tells_it(plain):
    with h5py.File(plain, "a") as file:
        file["Strain"].attrs["name"] = "Strain"
    with pytest.raises(InputError, match=r"noise\.h5: the detector is unknown.*\(ifo\)"):
        open_strain(plain)
    assert open_strain(plain, ifo="V1").ifo == "V1"
    shutil.copy(plain, named := plain.with_name("K1-1000000000-8.h5"))
    assert open_strain(named).ifo == "K1"


def test_detector_that_contradicts_the_file(official):
    with pytest.raises(InputError, match="the file is of another detector; expected H1; found L1"):
        open_strain(official, ifo="H1")


def test_channel_that_contradicts_the_file(official):
    assert open_strain(official, channel="L1:TEST_STRAIN").ifo == "L1"
    with pytest.raises(InputError, match="no channel 'L1:OTHER'; found L1:TEST_STRAIN"):
        open_strain(official, channel="L1:OTHER")


@pytest.mark.parametrize(
    ("fixture", "name", "attribute"),
    [("official", "strain/Strain", "Yunits"), ("plain", "Strain", "unit")],
)
def test_wrong_unit_is_named(fixture, name, attribute, request):
    path = request.getfixturevalue(fixture)
    spoil(path, name, **{attribute: "ct"})
    with pytest.raises(InputError, match="expected unit strain or dimensionless; found unit 'ct'"):
        open_strain(path)


def test_series_over_frequency_is_refused(plain):
    spoil(plain, "Strain", xunit="Hz")
    with pytest.raises(InputError, match="not sampled in time"):
        open_strain(plain)


@pytest.mark.parametrize("value", [0.0, np.nan, -1.0])
def test_bad_step_is_named(official, value):
    spoil(official, "strain/Strain", Xspacing=value)
    with pytest.raises(InputError, match="bad 'Xspacing' of /strain/Strain"):
        open_strain(official)


def test_missing_attribute_is_named_with_those_there(official):
    with h5py.File(official, "a") as file:
        del file["strain/Strain"].attrs["Xstart"]
    with pytest.raises(InputError, match="no attribute 'Xstart'; found Npoints, Xlabel"):
        open_strain(official)


def test_attribute_that_is_no_number(official):
    spoil(official, "strain/Strain", Xstart="soon")
    with pytest.raises(InputError, match="'Xstart' of /strain/Strain is no number; found soon"):
        open_strain(official)


@pytest.mark.parametrize("data", [np.zeros((4, 4)), np.asarray([b"a"]), np.zeros(0)])
def test_dataset_that_is_no_time_series(official, data):
    with h5py.File(official, "a") as file:
        attributes = dict(file["strain/Strain"].attrs)
        del file["strain/Strain"]
        file["strain/Strain"] = data
        file["strain/Strain"].attrs.update(attributes)
    with pytest.raises(InputError, match=r"no time series|no samples"):
        open_strain(official)


def test_group_in_place_of_the_dataset(tmp_path):
    with h5py.File(tmp_path / "a.hdf5", "w") as file:
        file.create_group("strain/Strain")
    with pytest.raises(InputError, match="strain/Strain is a group"):
        open_strain(tmp_path / "a.hdf5", ifo="L1")


def test_file_without_strain_says_what_there_is(tmp_path):
    with h5py.File(tmp_path / "a.hdf5", "w") as file:
        file["codes/mean"] = np.zeros(3)
        file["gps"] = np.zeros(3)
    with pytest.raises(InputError, match=r"a\.hdf5: no strain in this HDF5 file.*codes, gps"):
        open_strain(tmp_path / "a.hdf5")


def test_damaged_samples_are_an_error_of_the_file(official):
    content = bytearray(official.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 4096] = bytes(4096)
    official.write_bytes(content)
    source = open_strain(official)
    with pytest.raises(InputError, match=r"L-L1_TEST.*/strain/Strain cannot be read"):
        source.read(START, START + 8)


def test_rate_is_whole_where_it_is_meant_to_be():
    assert as_rate(1 / 6000) == 6000
    assert as_rate(1 / 4096) == 4096
    assert as_rate(1 / 1000.5) == pytest.approx(1000.5)


@pytest.mark.parametrize(
    ("spoilt", "words"),
    [
        ({"Xstart": START + 1000}, "meta/GPSstart contradicts the samples"),
        ({"Xstart": START - 1}, "meta/GPSstart contradicts the samples"),
        ({"Xspacing": 1 / 2048}, "meta/Duration contradicts the samples"),
    ],
)
def test_a_header_that_tells_another_time_is_refused(official, spoilt, words):
    spoil(official, "strain/Strain", **spoilt)
    with pytest.raises(InputError, match=f"{official.name}.*{words}.*Xspacing"):
        open_strain(official)


def test_a_header_without_times_is_no_contradiction(official):
    with h5py.File(official, "a") as file:
        del file["meta/GPSstart"]
        del file["meta/Duration"]
        file["meta/Duration"] = "eight"
    assert open_strain(official).segments == [segment(START, START + 8)]

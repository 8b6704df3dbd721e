from pathlib import Path

import pytest

from glitchvae.errors import InputError
from glitchvae.strain.naming import choose_channel, detector, require_strain_unit


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("H-H1_GWOSC_O3b_4KHZ_R1-1266281937-128.gwf", "H1"),
        ("L1-1187008882-128.hdf5", "L1"),
        ("V-V1_TEST-1000000000-4.h5", "V1"),
        ("K-K1_TEST-1000000000-4.h5", "K1"),
        ("G1_noise.h5", "G1"),
    ],
)
def test_file_names_tell_the_detector(name, expected):
    assert detector(Path(name), asked=None, told=None, names=()) == expected


def test_channel_wins_over_file_name():
    found = detector(Path("H1-1-1.h5"), asked=None, told=None, names=("Strain", "L1:X"))
    assert found == "L1"


def test_user_wins_over_file_name_alone():
    assert detector(Path("H1-1-1.h5"), asked="L1", told=None, names=()) == "L1"


@pytest.mark.parametrize(
    ("asked", "told", "problem"),
    [
        (None, None, "the detector is unknown.*Name the detector"),
        ("L1", "H1", "the file is of another detector; expected L1; found H1"),
        ("X7", None, "unknown detector.*found X7"),
    ],
)
def test_detector_that_is_unclear_or_contradicted(asked, told, problem):
    with pytest.raises(InputError, match=problem):
        detector(Path("noise.h5"), asked=asked, told=told, names=("Strain",))


def test_only_channel_or_only_strain_is_chosen():
    path = Path("a.gwf")
    assert choose_channel(path, ["H1:ANYTHING"], None) == "H1:ANYTHING"
    assert choose_channel(path, ["H1:X_STRAIN", "H1:X_DQMASK"], None) == "H1:X_STRAIN"
    assert choose_channel(path, ["H1:X_STRAIN", "H1:Y_STRAIN"], "H1:Y_STRAIN") == "H1:Y_STRAIN"


@pytest.mark.parametrize("asked", [None, "H1:C"])
def test_channels_that_are_there_are_listed(asked):
    with pytest.raises(InputError, match=r"a\.gwf.*H1:A, H1:B"):
        choose_channel(Path("a.gwf"), ["H1:A", "H1:B"], asked)


@pytest.mark.parametrize("unit", ["", "strain", "Strain", "dimensionless"])
def test_units_of_strain(unit):
    require_strain_unit(Path("a.h5"), "Strain", unit)


def test_another_unit_is_named():
    with pytest.raises(InputError, match=r"a\.h5: Strain is not strain.*unit 'ct'"):
        require_strain_unit(Path("a.h5"), "Strain", "ct")

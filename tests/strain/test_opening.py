import h5py
import numpy as np
import pytest
from igwn_segments import segment

from glitchvae.errors import InputError
from glitchvae.strain import is_strain, open_strain, write_gwosc

START = 1000000000.0


@pytest.fixture
def write(make_strain, tmp_path):
    def write(name, **fields):
        write_gwosc(tmp_path / name, make_strain(**fields))
        return tmp_path / name

    return write


def test_kind_follows_from_content(write):
    path = write("a.hdf5")
    assert open_strain(path.rename(path.with_suffix(".txt"))).ifo == "L1"


@pytest.mark.parametrize("ifo", ["H1", "L1", "V1", "K1", "G1"])
def test_detectors(write, ifo):
    assert open_strain(write("a.hdf5", ifo=ifo)).ifo == ifo


def test_files_in_any_order(write):
    late, early = write("late.h5", start=START + 8), write("early.h5")
    source = open_strain([late, early])
    assert source.files == (early, late)
    assert source.segments == [segment(START, START + 16)]


def test_two_detectors_are_named(write):
    paths = [write("a.h5"), write("b.h5", ifo="H1", start=START + 50)]
    with pytest.raises(InputError, match=r"a\.h5 and .*b\.h5: two detectors mixed.*L1 and H1"):
        open_strain(paths)


def test_two_rates_are_named(write):
    paths = [write("a.h5"), write("b.h5", sample_rate=2048.0, start=START + 50)]
    with pytest.raises(InputError, match=r"a\.h5 and .*b\.h5.*1024 Hz and 2048 Hz"):
        open_strain(paths)


def test_truncated_hdf5(write):
    path = write("a.h5")
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(InputError, match=r"a\.h5: not a readable HDF5 file"):
        open_strain(path)


@pytest.mark.parametrize(
    ("content", "problem"),
    [(b"", "the file is empty"), (b"GPS,strain\n", "not a strain file; expected HDF5 or GWF")],
)
def test_files_of_no_use(tmp_path, content, problem):
    path = tmp_path / "a.h5"
    path.write_bytes(content)
    with pytest.raises(InputError, match=problem) as caught:
        open_strain(path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


def test_folder_missing_file_and_nothing(tmp_path):
    with pytest.raises(InputError, match=r"the path is not a regular file.*directory"):
        open_strain(tmp_path)
    with pytest.raises(InputError, match=r"absent\.h5: no such file"):
        open_strain(tmp_path / "absent.h5")
    with pytest.raises(InputError, match="no strain file given"):
        open_strain([])


def test_strain_is_told_from_other_files(write, tmp_path):
    assert is_strain(write("a.h5"))
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file["images"] = np.zeros(3)
    assert not is_strain(tmp_path / "b.h5")
    (tmp_path / "c.csv").write_text("gps\n1\n")
    assert not is_strain(tmp_path / "c.csv")

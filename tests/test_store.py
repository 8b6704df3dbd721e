"""Records survive the disk, and a failed write leaves the earlier file alone."""

import errno
from dataclasses import dataclass

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from glitchvae.errors import InputError, StorageError
from glitchvae.store import Record, attribute, column, digest, opened, replacing, schema_of


@dataclass(frozen=True, kw_only=True)
class Sightings(Record):
    schema = "test/sightings"
    schema_version = 2
    gps: np.ndarray = column(np.float64)
    name: np.ndarray = column(str)
    images: np.ndarray = column(np.float16, compress=True)
    label: np.ndarray | None = column(str, optional=True)
    settings: dict = attribute({})


def sightings(n=3, label=None):
    rng = np.random.default_rng(n)
    return Sightings(
        gps=1.2e9 + rng.random(n),
        name=[f"ünit {i}" for i in range(n)],
        images=rng.random((n, 2, 3)),
        label=label,
        settings={"block": 64.0},
    )


def same(a: Record, b: Record) -> bool:
    return all(
        np.array_equal(getattr(a, f.name), getattr(b, f.name))
        for f in a.columns()
        if getattr(a, f.name) is not None
    )


@pytest.mark.parametrize("n", [0, 1, 5])
def test_round_trip_keeps_values_types_and_attributes(tmp_path, n):
    record = sightings(n)
    record.write(tmp_path / "s.h5")
    back = Sightings.read(tmp_path / "s.h5")
    assert same(record, back)
    assert back.images.dtype == np.float16
    assert back.settings == {"block": 64.0}
    assert back.label is None
    assert schema_of(tmp_path / "s.h5") == "test/sightings"


@settings(deadline=None)
@given(hnp.arrays(np.float64, st.integers(0, 20), elements=st.floats(allow_nan=True)))
def test_any_floats_survive(tmp_path_factory, gps):
    path = tmp_path_factory.mktemp("r") / "s.h5"
    n = len(gps)
    Sightings(gps=gps, name=["x"] * n, images=np.zeros((n, 1))).write(path)
    assert np.array_equal(Sightings.read(path).gps, gps, equal_nan=True)


def test_take_and_join_are_inverse():
    record = sightings(6)
    halves = [record.take(slice(0, 2)), record.take(np.arange(6) >= 2)]
    assert same(Sightings.join(halves), record)
    assert len(halves[0]) == 2


def test_join_drops_an_optional_column_that_one_side_lacks():
    joined = Sightings.join([sightings(1, label=["Blip"]), sightings(1)])
    assert joined.label is None


def test_columns_of_different_length_are_refused():
    with pytest.raises(InputError, match="differ in length"):
        Sightings(gps=[1.0], name=["a", "b"], images=np.zeros((1, 1)))


def test_same_record_same_bytes(tmp_path):
    for name in ("a.h5", "b.h5"):
        sightings().write(tmp_path / name)
    assert digest(tmp_path / "a.h5") == digest(tmp_path / "b.h5")


class TestBadFiles:
    def test_missing(self, tmp_path):
        with pytest.raises(InputError, match="no such file"):
            Sightings.read(tmp_path / "none.h5")

    def test_not_hdf5(self, tmp_path):
        (tmp_path / "t.h5").write_text("gps,snr\n")
        with pytest.raises(InputError, match=r"t\.h5: not a readable HDF5 file.*8 bytes|gps,snr"):
            Sightings.read(tmp_path / "t.h5")

    def test_truncated(self, tmp_path):
        sightings(50).write(tmp_path / "t.h5")
        whole = (tmp_path / "t.h5").read_bytes()
        (tmp_path / "t.h5").write_bytes(whole[: len(whole) // 2])
        with pytest.raises(InputError, match="truncated"):
            Sightings.read(tmp_path / "t.h5")

    def test_directory(self, tmp_path):
        with pytest.raises(InputError, match="directory"), opened(tmp_path):
            pass

    def test_other_schema(self, tmp_path):
        with h5py.File(tmp_path / "o.h5", "w") as file:
            file.attrs["schema"] = "other"
        with pytest.raises(InputError, match="expected test/sightings; found other"):
            Sightings.read(tmp_path / "o.h5")

    def test_newer_version(self, tmp_path):
        sightings().write(tmp_path / "n.h5")
        with h5py.File(tmp_path / "n.h5", "a") as file:
            file.attrs["schema_version"] = 3
        with pytest.raises(InputError, match="newer glitchvae"):
            Sightings.read(tmp_path / "n.h5")

    def test_missing_column_names_what_is_there(self, tmp_path):
        sightings().write(tmp_path / "m.h5")
        with h5py.File(tmp_path / "m.h5", "a") as file:
            del file["gps"]
        with pytest.raises(InputError, match=r"no dataset 'gps'.*images"):
            Sightings.read(tmp_path / "m.h5")


class TestReplacing:
    def test_a_failure_keeps_the_earlier_file_and_leaves_no_rubbish(self, tmp_path):
        target = tmp_path / "x.txt"
        target.write_text("earlier")
        with pytest.raises(KeyboardInterrupt), replacing(target) as temporary:
            temporary.write_text("half")
            raise KeyboardInterrupt
        assert target.read_text() == "earlier"
        assert [p.name for p in tmp_path.iterdir()] == ["x.txt"]

    def test_full_disk_is_a_storage_error(self, tmp_path):
        target = tmp_path / "x.txt"
        target.write_text("earlier")
        with (
            pytest.raises(StorageError, match=r"No space left.*earlier files are untouched"),
            replacing(target),
        ):
            raise OSError(errno.ENOSPC, "No space left on device")
        assert target.read_text() == "earlier"

    def test_unwritable_folder(self, tmp_path):
        (tmp_path / "file").write_text("")
        with (
            pytest.raises(StorageError, match="the folder cannot be written"),
            replacing(tmp_path / "file" / "x"),
        ):
            pass

    def test_an_error_of_glitchvae_passes_unchanged(self, tmp_path):
        with pytest.raises(InputError, match="mine"), replacing(tmp_path / "x"):
            raise InputError("mine")


def test_digest_is_sha256():
    assert digest(b"") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})

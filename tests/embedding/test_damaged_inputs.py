"""Damaged files among good ones: each is named, none ends the work on the others."""

import h5py
import numpy as np
import pytest

from glitchvae.archive import image_tasks
from glitchvae.embedding import open_inputs
from glitchvae.spectrogram import SpectrogramSet
from glitchvae.strain import Strain, write_gwosc

GOOD = "L-L1_GOOD.hdf5"


def write_strain(path, *, ifo="L1"):
    values = 1e-21 * np.random.default_rng(1).standard_normal(8 * 1024)
    write_gwosc(path, Strain(values=values, start=1e9, sample_rate=1024.0, ifo=ifo))


def write_images(path):
    columns = ("gps", "snr", "peak_frequency", "q", "duration", "bandwidth", "block_duration")
    SpectrogramSet(
        images=np.ones((2, 4, 140, 170)),
        event_id=["a", "b"],
        ifo=["L1"] * 2,
        **{name: np.ones(2) for name in columns},
        f_max=np.full(2, 2048.0),
        status=["ok"] * 2,
    ).write(path)


def with_a_link_to_itself(path):
    with h5py.File(path, "w") as file:
        file["strain/Strain"] = h5py.SoftLink("/strain/Strain")


def with_a_group_within_itself(path):
    with h5py.File(path, "w") as file:
        group = file.create_group("here")
        group["again"] = group


def with_a_rate_beyond_numbers(path):
    with h5py.File(path, "w") as file:
        file["L1:STRAIN"] = np.zeros(4096)
        file["L1:STRAIN"].attrs.update(x0=1e9, dx=1e-320)


def with_a_rate_of_no_channel(path):
    with h5py.File(path, "w") as file:
        file["L1:STRAIN"] = np.zeros(4096)
        file["L1:STRAIN"].attrs.update(x0=1e9, dx=1e-12)


def with_a_unit_in_no_alphabet(path):
    write_strain(path)
    with h5py.File(path, "a") as file:
        file["strain/Strain"].attrs["Yunits"] = np.bytes_(b"\xff\xfe")


def with_a_mask_of_terabytes(path):
    write_strain(path)
    with h5py.File(path, "a") as file:
        del file["quality/simple/DQmask"]
        file.create_dataset("quality/simple/DQmask", shape=(2**45,), dtype="u4", chunks=(1024,))


def with_no_names_of_bits(path):
    write_strain(path)
    with h5py.File(path, "a") as file:
        del file["quality/simple/DQShortnames"]
        file.create_group("quality/simple/DQShortnames")


def with_no_size(path):
    with h5py.File(path, "w") as file:
        file["strain/Strain"] = h5py.Empty("f8")
        file["strain/Strain"].attrs.update(Xstart=1e9, Xspacing=1 / 1024)


def with_pictures_of_no_size(path):
    write_images(path)
    with h5py.File(path, "a") as file:
        del file["event_id"]
        file["event_id"] = h5py.Empty(h5py.string_dtype())


def with_pictures_in_no_state(path):
    write_images(path)
    with h5py.File(path, "a") as file:
        file["status"][0] = "splendid"


DAMAGES = [
    with_a_link_to_itself,
    with_a_group_within_itself,
    with_a_rate_beyond_numbers,
    with_a_rate_of_no_channel,
    with_a_unit_in_no_alphabet,
    with_a_mask_of_terabytes,
    with_no_names_of_bits,
    with_no_size,
    with_pictures_of_no_size,
    with_pictures_in_no_state,
]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_named_and_the_good_one_is_opened(tmp_path, damage):
    write_strain(tmp_path / GOOD)
    bad = tmp_path / "L-L1_BAD.hdf5"
    damage(bad)
    inputs = open_inputs([bad, tmp_path / GOOD])
    tasks, damaged = image_tasks(inputs.image_sets)
    (problem,) = [*inputs.problems, *damaged]
    assert str(bad) in str(problem)
    assert "\n" not in str(problem)
    assert [path.name for source in inputs.sources for path in source.files] == [GOOD]
    assert not tasks


@pytest.mark.data
def test_every_damaged_file_found_so_far(real_data):
    """One process opens them all, around a good one; some hang, crash, or ask for terabytes."""
    folder = real_data / "damaged"
    if not folder.is_dir():
        pytest.skip(f"no damaged files at {folder}")
    files = [
        path
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "archive-" not in str(path) and path.name != "INDEX.tsv"
    ]
    good = real_data / "strain/labelled/L-L1_GW190512_180714_2048HZ-1241719632-24.hdf5"
    inputs = open_inputs([*files[:30], good, *files[30:]])
    tasks, damaged = image_tasks(inputs.image_sets)
    problems = [str(problem) for problem in (*inputs.problems, *damaged)]
    assert [path for source in inputs.sources for path in source.files] == [good]
    assert not tasks
    assert len(problems) == len(files) > 50
    for path, problem in zip(sorted(map(str, files)), sorted(problems), strict=True):
        assert problem.startswith(path)
        assert "\n" not in problem

"""Glitches to test on: simulated ones stay in memory, those of a table are read."""

import numpy as np
import pytest

from glitchvae.errors import InputError
from glitchvae.strain import write_gwosc
from glitchvae.validation.robustness.strain_events import events_of, read_events, simulate_class


@pytest.fixture(scope="module")
def blips():
    return simulate_class("Blip", 2, spacing=6.0, margin=5.0, sample_rate=1024.0, seed=1)


def test_simulated_glitches_lie_at_equal_distances(blips):
    strain, truth = blips
    assert strain.duration == 16.0
    np.testing.assert_allclose(truth.gps - strain.start, [5.0, 11.0], atol=1e-3)
    events = events_of(strain, truth)
    assert [event.label for event in events] == ["Blip", "Blip"]
    read = events[1].source.read(strain.start + 2, strain.start + 3)
    np.testing.assert_array_equal(read.values, strain.values[2048:3072])


def test_classes_and_seeds_have_noise_of_their_own(blips):
    same, _ = simulate_class("Blip", 2, spacing=6.0, margin=5.0, sample_rate=1024.0, seed=1)
    other, _ = simulate_class("Tomte", 2, spacing=6.0, margin=5.0, sample_rate=1024.0, seed=1)
    np.testing.assert_array_equal(same.values, blips[0].values)
    assert not np.array_equal(other.values, same.values)
    with pytest.raises(InputError, match="no simulated class 'Blob'"):
        simulate_class("Blob", 2, spacing=6.0, margin=5.0, sample_rate=1024.0, seed=1)


def test_a_table_is_read_with_files_beside_it(blips, tmp_path):
    strain, truth = blips
    write_gwosc(tmp_path / "a.hdf5", strain)
    table = tmp_path / "labels.csv"
    table.write_text(f"file,gps,label\na.hdf5,{truth.gps[0]},Blip\n")
    (event,) = read_events(table)
    assert (event.gps, event.label, event.source.ifo) == (truth.gps[0], "Blip", "H1")


@pytest.mark.parametrize("line", ["a.hdf5,now,Blip", "a.hdf5"])
def test_a_bad_line_is_named(line, tmp_path):
    table = tmp_path / "labels.csv"
    table.write_text(f"file,gps,label\n{line}\n")
    with pytest.raises(InputError, match=r"labels\.csv, line 2: the row is not an event"):
        list(read_events(table))
    with pytest.raises(InputError, match="the file is not a table of events"):
        list(read_events(tmp_path / "absent.csv"))

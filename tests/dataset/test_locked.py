"""The lock on real events: its rule, the file it was made for, and what opens."""

import numpy as np
import pytest

from glitchvae.dataset import is_locked, read_o3_events
from glitchvae.dataset.locked import digest_of_ids, locked_sets
from glitchvae.errors import InputError

DAY = 86400.0


def test_odd_days_are_locked_from_their_first_to_their_last_instant():
    gps = np.array([0.0, DAY - 1e-3, DAY, 2 * DAY - 1e-3, 2 * DAY, 14331 * DAY + 5])
    assert is_locked(gps).tolist() == [False, False, True, True, False, True]


def test_an_event_without_a_time_is_refused():
    with pytest.raises(InputError, match="1 of 2 not finite"):
        is_locked(np.array([1e9, np.nan]))


def test_the_digest_depends_on_every_identifier_and_not_on_their_order():
    ids = np.array(["L1-1.0000", "L1-2.0000", "H1-3.0000"], dtype=object)
    assert digest_of_ids(ids) == digest_of_ids(ids[::-1])
    assert len({digest_of_ids(ids), digest_of_ids(ids[:2]), digest_of_ids(ids[1:])}) == 3


def write_events(path, gps, *, without=""):
    count = len(gps)
    columns = {
        "images": np.full((count, 4, 140, 170), 60, np.uint8),
        "label": np.array(["Koi_Fish"] * count),
        "gps": np.array(gps),
        "ifo": np.array(["L1"] * count),
    }
    np.savez(path, **{name: values for name, values in columns.items() if name != without})
    return path


def test_other_events_than_the_locked_ones_are_refused(tmp_path):
    path = write_events(tmp_path / "o3.npz", [1.2e9, 1.2e9 + DAY])
    with pytest.raises(InputError, match=r"451 events, 179 locked.*found 2 events, 1 locked"):
        read_o3_events(path)


@pytest.mark.parametrize("content", [b"", b"no array", b"PK\x03\x04 no archive", None])
def test_another_file_is_an_input_error(tmp_path, content):
    path = tmp_path / "o3.npz"
    if content is None:
        write_events(path, [1.2e9], without="gps")
    else:
        path.write_bytes(content)
    with pytest.raises(InputError, match="the file does not hold real O3 events"):
        read_o3_events(path)


@pytest.mark.data
def test_the_real_file_opens_without_its_locked_events(real_data):
    known = locked_sets()["o3_three_classes"]
    path = real_data / "gravityspy" / known.file
    if not path.exists():
        pytest.skip(f"no file {path}")
    found = read_o3_events(path)
    assert len(found) == known.events - known.locked
    assert found.usable.all()
    assert not is_locked(found.gps).any()
    assert set(found.label) == {"Fast_Scattering", "Koi_Fish", "Scattered_Light"}
    brightest = np.nanmax(found.images.astype(np.float32), axis=(1, 2, 3))
    assert (brightest > 10).all()

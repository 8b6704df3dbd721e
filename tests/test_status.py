"""States say whether a row has a code; remarks are words beside them."""

import numpy as np
import pytest

from glitchvae.status import FLAGS, Status, add_flag, has_flag, join_flags, renew_states


@pytest.mark.parametrize("code", Status)
def test_codes_are_plain_text(code):
    assert Status(str(code)) is code


def test_one_state_has_a_code():
    assert [status for status in Status if status.usable] == [Status.OK]


def test_remarks_are_sorted_words_each_once():
    assert join_flags(["short_block clipped", "", "clipped"]) == "clipped short_block"
    assert join_flags([]) == ""


def test_a_remark_is_added_to_the_rows_meant_and_the_given_array_stays():
    flags = np.array(["", "short_block", ""], dtype=object)
    for rows in ([True, True, False], [0, 1]):
        added = add_flag(flags, rows, "clipped")
        assert list(added) == ["clipped", "clipped short_block", ""]
        assert list(has_flag(added, "clipped")) == [True, True, False]
    assert list(flags) == ["", "short_block", ""]
    assert not has_flag(np.array(["noise_step"], object), "noise").any()
    with pytest.raises(KeyError):
        add_flag(flags, [0], "no_such_remark")


def test_states_of_earlier_versions_become_remarks():
    old = ["ok", "outside_flag", "short_block", "frequency_truncated", "gap"]
    renewed = renew_states(old, None)
    assert renewed["status"] == ["ok", "ok", "ok", "ok", "gap"]
    assert renewed["flags"] == ["", "", "short_block", "", ""]
    assert renew_states(renewed["status"], renewed["flags"]) == renewed
    assert set(renewed["flags"]) <= {"", *FLAGS}

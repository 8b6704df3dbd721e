"""Attempts and their back-off, also where clocks jump."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glitchvae.census.state import Attempt, State


def failed(*ends):
    return State(
        attempts=tuple(
            Attempt(began=end - 1, ended=end, host="a", process=1, reason="why") for end in ends
        )
    )


def test_the_wait_doubles_with_each_attempt_and_runs_down():
    assert failed(100.0).wait(60.0, 100.0) == 60
    assert failed(100.0, 200.0).wait(60.0, 200.0) == 120
    assert failed(100.0, 200.0, 300.0).wait(60.0, 310.0) == 230
    assert failed(100.0).wait(60.0, 161.0) == 0
    assert State().wait(60.0, 0.0) == 0


@given(st.floats(-1e12, 1e12), st.floats(-1e12, 1e12), st.integers(1, 40))
def test_a_clock_that_jumps_cannot_make_a_wait_longer_than_it_is(ended, now, attempts):
    wait = failed(*[ended] * attempts).wait(60.0, now)
    assert 0 <= wait <= min(60 * 2.0 ** (attempts - 1), 3600)


@pytest.mark.parametrize("state", [State(), failed(1.0), State(aside="why")])
def test_a_state_comes_back_from_its_file(state):
    assert State.model_validate_json(state.model_dump_json()) == state

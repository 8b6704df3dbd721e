"""An error is a sentence that names place, expectation, finding and remedy."""

import pytest

from glitchvae import errors


def test_the_parts_stand_in_order():
    error = errors.InputError(
        "no dataset", where="a.h5", expected="strain/Strain", found=["x"], remedy="Check the file."
    )
    assert str(error) == "a.h5: no dataset; expected strain/Strain; found ['x']. Check the file."


def test_missing_parts_leave_no_trace():
    assert str(errors.ConfigError("bad")) == "bad"


@pytest.mark.parametrize("name", [n for n in vars(errors) if n.endswith("Error")])
def test_one_base_for_all(name):
    assert issubclass(getattr(errors, name), errors.GlitchvaeError)

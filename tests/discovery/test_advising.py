"""Advice on a group is by where it lies; what its members are named is a remark."""

import numpy as np
import pytest

from glitchvae.discovery.advising import advise, remark_on

NEAREST = (("Low_Frequency_Lines", 12.0), ("Scattered_Light", 15.0))


def advice_on(count, *, typicality=0.01, groups=None, number=0):
    own = np.random.default_rng(1).normal(size=(count, 4))
    shares = {"Blip": np.zeros(count), "Low_Frequency_Lines": np.full(count, typicality)}
    return advise(number, groups or [own], shares, NEAREST, seed=0)


def remark(names, probability):
    return remark_on(np.array(names, dtype=object), np.array(probability, dtype=np.float32))


def test_members_far_from_known_classes_are_a_new_class():
    advice, reason = advice_on(20)
    assert advice == "new class"
    assert "100% of the members are less typical of every known class than 90%" in reason
    assert "Low_Frequency_Lines, is 12.0 standard deviations away" in reason


def test_groups_that_lie_near_are_one():
    near = [np.random.default_rng(n).normal(size=(20, 4)) for n in (1, 2)]
    assert advice_on(20, groups=near, number=1)[0] == "merge with candidate-1"
    assert advice_on(20, groups=near, number=0)[0] == "new class"


def test_typical_members_are_a_sub_class():
    assert advice_on(20, typicality=0.7)[0] == "sub-class of Low_Frequency_Lines"


def test_most_is_more_than_half_and_sure_is_more_than_the_level():
    names = ["Scattered_Light"] * 12 + ["Koi_Fish"] * 8
    said = "members are named Scattered_Light with probability > "
    assert f"11 of 20 {said}0.9, which alone is no reason" in remark(names, [0.95] * 11 + [0.6] * 9)
    assert f"12 of 20 {said}0.5" in remark(names, [0.95] * 10 + [0.6] * 10)
    assert remark(names, [0.95] * 10 + [0.4] * 10) == ""


@pytest.mark.parametrize("name", ["", "Koi_Fish"])
def test_names_that_say_nothing_leave_no_remark(name):
    assert remark([name] * 20, [0.99 if name == "" else 0.45] * 20) == ""

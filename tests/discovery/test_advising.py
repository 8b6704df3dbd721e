"""Advice on a group: what its members are named comes before how far away they lie."""

import numpy as np
import pytest

from glitchvae.discovery.advising import advise

NEAREST = (("Low_Frequency_Lines", 12.0), ("Scattered_Light", 15.0))


def advice_on(names, probability, *, novelty_p=0.01, groups=None, number=0):
    count = len(names)
    own = np.random.default_rng(1).normal(size=(count, 4))
    return advise(
        number,
        groups or [own],
        np.full(count, novelty_p),
        NEAREST,
        (np.array(names, dtype=object), np.array(probability, dtype=np.float32)),
        seed=0,
    )


def test_members_of_a_known_class_are_no_new_class():
    names = ["Scattered_Light"] * 38 + ["Low_Frequency_Burst"] * 3
    advice, reason = advice_on(names, [0.97] * 41)
    assert advice == (
        "looks known: 38 of 41 members are named Scattered_Light with probability > 0.9"
    )
    assert "100% of the members are more novel" in reason


def test_most_is_more_than_half_and_sure_is_more_than_the_level():
    names = ["Scattered_Light"] * 12 + ["Koi_Fish"] * 8
    assert advice_on(names, [0.95] * 11 + [0.6] * 9)[0].startswith("looks known: 11 of 20")
    assert advice_on(names, [0.95] * 10 + [0.6] * 10)[0] == (
        "perhaps known: 12 of 20 members are named Scattered_Light with probability > 0.5"
    )
    assert advice_on(names, [0.95] * 10 + [0.4] * 10)[0] == "new class"


@pytest.mark.parametrize("name", ["", "Koi_Fish"])
def test_names_that_say_nothing_leave_a_class_new(name):
    probability = [0.99] * 20 if name == "" else [0.45] * 20
    assert advice_on([name] * 20, probability)[0] == "new class"


def test_a_known_class_is_not_merged_with_what_lies_near():
    near = [np.random.default_rng(n).normal(size=(20, 4)) for n in (1, 2)]
    unnamed, named = ([name] * 20 for name in ("", "Scattered_Light"))
    assert advice_on(unnamed, [0.9] * 20, groups=near, number=1)[0] == "merge with candidate-1"
    assert advice_on(named, [0.95] * 20, groups=near, number=1)[0].startswith("looks known")


def test_typical_members_are_a_sub_class_where_names_are_unsure():
    advice, _ = advice_on(["Koi_Fish"] * 20, [0.4] * 20, novelty_p=0.7)
    assert advice == "sub-class of Low_Frequency_Lines"

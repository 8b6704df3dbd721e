"""Which status describes a row to which several apply."""

import itertools

import pytest

from glitchvae.status import Status, worst


def test_an_unusable_status_outweighs_every_usable_one():
    for bad, good in itertools.product(Status, Status):
        if not bad.usable and good.usable:
            assert worst(bad, good) is bad


def test_ok_only_where_nothing_else_applies():
    assert worst() is Status.OK
    assert worst(Status.OK, Status.SHORT_BLOCK) is Status.SHORT_BLOCK


@pytest.mark.parametrize("code", Status)
def test_codes_are_plain_text(code):
    assert Status(str(code)) is code

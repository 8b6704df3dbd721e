"""The band that data of a rate can fill, by formula, as gwpy's tiling has it."""

import math

import pytest
from gwpy.signal.qtransform import QTiling

from glitchvae.qtransform import usable_band


@pytest.mark.parametrize("qrange", [(4.0, 64.0), (4.0, 4.0), (5.5, 7.0), (3.4, 100.0)])
@pytest.mark.parametrize("mismatch", [0.05, 0.2, 0.35])
@pytest.mark.parametrize("sample_rate", [1024.0, 4096.0, 16384.0])
def test_the_highest_frequency_is_that_of_gwpy(qrange, mismatch, sample_rate):
    expected = QTiling(1.0, sample_rate, qrange=qrange, frange=(0, math.inf), mismatch=mismatch)
    found = usable_band(sample_rate, qrange=qrange, frange=(10.0, 1e6), mismatch=mismatch)
    assert found == (10.0, expected.frange[1])

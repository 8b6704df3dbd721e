"""Made-up strain for the tests of this folder."""

import numpy as np
import pytest

from glitchvae.strain import Strain


@pytest.fixture(scope="session")
def make_strain():
    """White noise of 1e-21, the same for the same arguments."""

    def make(*, seconds=8.0, sample_rate=1024.0, start=1000000000.0, ifo="L1", channel=None):
        rng = np.random.default_rng([int(start), int(sample_rate)])
        values = 1e-21 * rng.standard_normal(round(seconds * sample_rate))
        return Strain(values=values, start=start, sample_rate=sample_rate, ifo=ifo, channel=channel)

    return make

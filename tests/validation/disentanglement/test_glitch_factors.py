"""Parameters of simulated glitches as factors."""

import json

import numpy as np
import pytest

from glitchvae.errors import InputError
from glitchvae.simulate import Truth
from glitchvae.validation.disentanglement import Protocol, mig
from glitchvae.validation.disentanglement.glitch_factors import bin_values, factors_of


@pytest.fixture
def truth(rng):
    count = 900
    numbers = {
        name: rng.lognormal(size=count)
        for name in ("snr", "optimal_snr", "peak_frequency", "q", "duration", "bandwidth")
    }
    parameters = [json.dumps({"tau": float(t), "kind": "x"}) for t in rng.random(count)]
    return Truth(
        event_id=[f"H1-{i}" for i in range(count)],
        gps=np.arange(count),
        ifo=["H1"] * count,
        label=["Blip" if i % 3 else "Tomte" for i in range(count)],
        parameters=parameters,
        **numbers,
    )


def test_bins_are_filled_equally_and_keep_the_order(rng):
    x = rng.normal(size=800)
    bins = bin_values(x, 8)
    assert np.bincount(bins).tolist() == [100] * 8
    assert (np.diff(bins[np.argsort(x)]) >= 0).all()
    assert bin_values(np.array([1.0, 1, 1, 1, 5]), 4).tolist() == [0, 0, 0, 0, 1]
    assert bin_values(np.ones(5), 4).tolist() == [0] * 5


def test_events_come_in_the_order_of_the_codes(truth):
    asked = truth.event_id[::-1]
    factors, names = factors_of(
        truth, asked, measures=("snr", "q"), parameters=("tau",), label=True, bins=5
    )
    assert names == ("snr", "q", "tau", "label")
    assert (factors[:, 0] == bin_values(truth.snr[::-1], 5)).all()
    tau = [truth.parameters_of(row)["tau"] for row in range(len(truth))][::-1]
    assert (factors[:, 2] == bin_values(np.array(tau), 5)).all()
    assert factors[:, 3].tolist() == [0 if i % 3 else 1 for i in range(900)][::-1]


def test_codes_that_are_the_parameters_are_disentangled(truth, rng):
    factors, _ = factors_of(truth, truth.event_id, measures=("snr", "duration"), bins=6)
    codes = np.log(np.column_stack([truth.snr, truth.duration]))
    protocol = Protocol(train=900, test=1, groups=5)
    turned = codes @ np.array([[1, 1], [-1, 1]])
    high, low = (mig(c, factors, rng, protocol)["mig"].value for c in (codes, turned))
    assert high > 0.5 > low


def test_bad_input_is_named(truth):
    with pytest.raises(InputError, match=r"1 of 2 events are not in the truth table.*L1-7"):
        factors_of(truth, ["H1-3", "L1-7"])
    with pytest.raises(InputError, match=r"no measure 'loudness'.*bandwidth"):
        factors_of(truth, ["H1-3"], measures=("loudness",))
    with pytest.raises(InputError, match=r"H1-3: no number 'kind'.*tau"):
        factors_of(truth, ["H1-3"], parameters=("kind",))
    with pytest.raises(InputError, match="no factor is requested"):
        factors_of(truth, ["H1-3"], measures=())

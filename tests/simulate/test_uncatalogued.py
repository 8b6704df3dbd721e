"""Shapes of no catalogue: as loud as drawn, of five tones, and never drawn by chance."""

import json
import sys
from importlib.metadata import EntryPoint

import numpy as np
import pytest

from glitchvae import plugins
from glitchvae.classes.catalog import read_catalog
from glitchvae.errors import GlitchvaeError, InputError
from glitchvae.simulate import FAMILIES, UNCATALOGUED, family_of, simulate_strain, strain_of
from glitchvae.simulate.noise import asd

RATE = 4096.0


def test_no_catalogue_and_no_family_has_them():
    names = {name for card in read_catalog() for name in (card.name, *card.aliases)}
    assert not set(UNCATALOGUED) & (names | set(FAMILIES))
    assert all(label == family.label for label, family in UNCATALOGUED.items())
    assert family_of("Blip") is FAMILIES["Blip"]
    with pytest.raises(InputError, match=r"no simulated family 'Snake'.*Blip.*Ladder"):
        family_of("Snake")


@pytest.mark.parametrize("label", UNCATALOGUED)
def test_they_are_silent_at_both_ends_and_as_loud_as_drawn(label):
    rng = np.random.default_rng(5)
    for _ in range(4):
        parameters = UNCATALOGUED[label].draw(rng)
        glitch = strain_of(UNCATALOGUED[label], parameters, RATE, asd("L1"))
        assert np.isfinite(glitch.strain).all()
        assert np.abs(glitch.strain[[0, -1]]).max() < 0.02 * np.abs(glitch.strain).max()
        assert glitch.tile.snr == pytest.approx(parameters["snr"])
        assert json.loads(json.dumps(parameters)) == parameters


def test_a_ladder_is_five_tones_of_one_ratio():
    family = UNCATALOGUED["Ladder"]
    parameters = family.draw(np.random.default_rng(1))
    _, wave = family.waveform(parameters, RATE)
    power = np.abs(np.fft.rfft(wave)) ** 2
    frequencies = np.fft.rfftfreq(len(wave), 1 / RATE)
    tones = parameters["lowest"] * parameters["ratio"] ** np.arange(5)
    inside = np.array([power[np.abs(frequencies - tone) < 6.0].sum() for tone in tones])
    np.testing.assert_allclose(inside / inside.mean(), 1.0, rtol=0.05)
    assert inside.sum() > 0.99 * power.sum()


def test_they_are_added_to_the_known_ones():
    plain, before = simulate_strain(60, "H1", 4, glitches=3)
    again, _ = simulate_strain(60, "H1", 4, glitches=3, also={})
    assert np.array_equal(plain.values, again.values)
    strain, truth = simulate_strain(60, "H1", 4, glitches=3, also={"Ladder": 2})
    assert sorted(set(truth.label) - set(FAMILIES)) == ["Ladder"]
    assert len(truth) == len(before) + 2
    assert truth.simulation["also"] == {"Ladder": 2}
    assert len(strain) == len(plain)
    for also, said in (({"Snake": 1}, "no simulated family"), ({"Ladder": -1}, "is negative")):
        with pytest.raises(InputError, match=said):
            simulate_strain(60, "H1", 4, glitches=3, also=also)


OWN = """
from glitchvae.simulate import Family
from glitchvae.simulate.family import clock, sine_gaussian

def _shape(parameters, sample_rate):
    times = clock(1.0, sample_rate)
    return times, sine_gaussian(times, 0.0, parameters["frequency"], 0.05)

RING = Family(
    label="Ring",
    description="A short tone.",
    source="Made up.",
    frame="whitened",
    draw_shape=lambda rng: {"snr": 25.0, "frequency": 90.0 + rng.random()},
    shape=_shape,
)
NOTHING = 3
BLIP = Family(**{**vars(RING), "label": "Blip"})
"""


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """A made-up package with a family of its own, as an entry point."""
    (tmp_path / "gv_shapes.py").write_text(OWN)
    monkeypatch.syspath_prepend(str(tmp_path))
    names = {"ring": "RING", "nothing": "NOTHING", "blip": "BLIP"}
    points = [EntryPoint(n, f"gv_shapes:{v}", "glitchvae.families") for n, v in names.items()]
    found = lambda group: points if group == "glitchvae.families" else []  # noqa: E731
    monkeypatch.setattr(plugins, "entry_points", found)
    yield
    sys.modules.pop("gv_shapes", None)


def test_a_family_of_a_package_is_injected(installed):
    assert family_of("ring").label == "Ring"
    assert family_of("gv_shapes:RING") is family_of("ring")
    _, truth = simulate_strain(40.0, seed=1, sample_rate=RATE, glitches=0, also={"ring": 2})
    assert truth.label.tolist() == ["Ring", "Ring"]
    assert truth.peak_frequency == pytest.approx([90, 90], rel=0.2)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("rung", r"no simulated family 'rung'.*Ladder, ring.*--import MODULE"),
        ("nothing", r"the object is not a family of glitches.*int"),
        ("blip", r"is taken by another.*Blip"),
        ("gv_elsewhere:RING", r"--import gv_elsewhere"),
        ("gv_shapes:RUNG", r"has no 'RUNG'"),
    ],
)
def test_what_is_no_family_is_told(installed, name, message):
    with pytest.raises(GlitchvaeError, match=message):
        family_of(name)

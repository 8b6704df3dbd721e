"""A user's own waveform as a family."""

import numpy as np
import pytest

from glitchvae.errors import InputError
from glitchvae.simulate import strain_of
from glitchvae.simulate.noise import asd
from glitchvae.simulate.waveforms import read_waveform


def test_a_waveform_is_injected_at_its_loudest_moment_and_snr(tmp_path):
    times = np.arange(0.0, 1.0, 1e-3)
    values = 1e-21 * np.exp(-(((times - 0.7) / 0.02) ** 2)) * np.cos(2 * np.pi * 80 * (times - 0.7))
    path = tmp_path / "burst.txt"
    np.savetxt(path, np.stack([times, values], axis=1), header="time strain")
    family = read_waveform(path)
    assert family.label == "burst"
    glitch = strain_of(family, {"snr": 15.0}, 4096.0, asd("H1"))
    assert glitch.tile.snr == 15.0
    assert glitch.tile.frequency == pytest.approx(80.0, rel=0.25)
    assert abs(glitch.times[np.abs(glitch.strain).argmax()]) < 2e-3
    drawn = family.draw(np.random.default_rng(1))
    assert 8.0 <= drawn["snr"] <= 40.0


def test_commas_part_columns_too(tmp_path):
    path = tmp_path / "shape.csv"
    path.write_text("".join(f"{0.01 * n},{n % 3}\n" for n in range(20)))
    assert read_waveform(path).label == "shape"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1 2\n",
        "0 1 2\n" * 9,
        "0 1\n" * 9,
        "a b\n" * 9,
        "0 nan\n1 1\n2 2\n3 3\n4 4\n5 5\n6 6\n7 7\n",
    ],
)
def test_what_is_no_waveform_is_refused(tmp_path, text):
    path = tmp_path / "shape.txt"
    path.write_text(text)
    with pytest.raises(InputError, match="the file is not a waveform"):
        read_waveform(path)


def test_silence_and_missing_files_are_refused(tmp_path):
    path = tmp_path / "shape.txt"
    path.write_text("".join(f"{n} 0\n" for n in range(9)))
    with pytest.raises(InputError, match="is zero"):
        read_waveform(path)
    with pytest.raises(InputError, match="the file is not a waveform"):
        read_waveform(tmp_path / "none.txt")

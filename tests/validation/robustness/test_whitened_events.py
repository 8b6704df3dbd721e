"""Whitened events are what imaging sees, and what cannot be one is said."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from glitchvae.errors import InputError
from glitchvae.simulate import simulate_strain
from glitchvae.spectrogram import image_strain, imaging_settings
from glitchvae.spectrogram.imaging import tile_snr
from glitchvae.strain import open_strain, write_gwosc
from glitchvae.validation.robustness.whitened_events import cut_event, whiten_event

LIGHT = imaging_settings("light")


@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    """24 s of strain with one glitch in the middle half, and its time."""
    strain, truth = simulate_strain(24.0, "H1", 5, glitches=1, sample_rate=1024.0)
    path = tmp_path_factory.mktemp("strain") / "H-H1_SIMULATED-24.hdf5"
    write_gwosc(path, strain)
    return path, strain, float(truth.gps[0])


def test_images_and_snr_are_those_of_embedding(simulated):
    path, _, gps = simulated
    event = whiten_event(open_strain([path]), gps, LIGHT)
    made = image_strain([cut_event(open_strain([path]), gps, LIGHT)], [gps], LIGHT)
    np.testing.assert_array_equal(event.images(event.block)[0].numpy(), made.views[0])
    assert event.snr == pytest.approx(float(tile_snr(made.peak_energy)[0]))


def written(strain, values, folder):
    path = folder / "H-H1_CHANGED-24.hdf5"
    write_gwosc(path, replace(strain, values=values))
    return open_strain([path])


def test_times_without_an_image_are_told_why(simulated, tmp_path):
    path, strain, gps = simulated
    source = open_strain([path])
    with pytest.raises(InputError, match=r"outside_data.*found strain from GPS 1238166018.000 to"):
        whiten_event(source, gps + 1000, LIGHT)
    with pytest.raises(InputError, match=r"edge_of_segment; expected 2 s"):
        whiten_event(source, strain.start + 0.5, LIGHT)
    gap = strain.values.copy()
    gap[round((gps - strain.start) * 1024)] = np.nan
    with pytest.raises(InputError, match=r"nan_in_block; expected 8 s of finite strain"):
        whiten_event(written(strain, gap, tmp_path), gps, LIGHT)
    with pytest.raises(InputError, match="zero_psd"):
        whiten_event(written(strain, np.zeros(len(strain)), tmp_path), gps, LIGHT)


@pytest.mark.data
def test_real_strain_is_whitened_as_for_imaging(real_data):
    path = real_data / "strain/gwosc/H-H1_LOSC_4_V2-1126259446-32.hdf5"
    event = whiten_event(open_strain([path]), 1126259462.42, LIGHT)
    assert event.block.shape == (1, 8 * 4096)
    assert torch.isfinite(event.block).all()
    assert float(event.block[0, 4096:-4096].std()) == pytest.approx(1, abs=0.2)
    assert event.snr == pytest.approx(12.5, abs=1.5)

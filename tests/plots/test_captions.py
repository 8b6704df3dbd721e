"""Captions name a glitch; the loudest are chosen."""

import dataclasses

import numpy as np

from glitchvae import plots


def test_captions_of_images_name_their_labels(glitches, rng):
    spectrograms = glitches(2)
    assert plots.captions_of(spectrograms)[1] == "H1  ·  1200000001.000  ·  SNR 9.0"
    labelled = dataclasses.replace(spectrograms, label=["Blip", ""])
    assert [c.split("  ·  ")[0] for c in plots.captions_of(labelled)] == ["Blip", "H1"]


def test_loudest_keeps_the_order_and_puts_unknown_last():
    assert plots.loudest(np.array([3.0, np.nan, 9.0, 5.0]), 2) == [2, 3]
    assert plots.loudest(np.array([np.nan, 1.0, np.nan]), 2) == [0, 1]

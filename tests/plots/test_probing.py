"""Pictures of probes can be opened, and refuse to draw nothing."""

import numpy as np
import pytest
from PIL import Image

from glitchvae.errors import InputError
from glitchvae.plots.probing import ranking_bars, reliability_diagram
from glitchvae.probes import RankedMethod, calibrate


def test_reliability_of_several_classifiers(tmp_path, rng):
    confidence = rng.uniform(0.2, 1, 300)
    found = {n: calibrate(confidence, rng.random(300) < confidence) for n in ("codes", "pixels")}
    reliability_diagram(found, tmp_path / "r.png", title="own")
    with Image.open(tmp_path / "r.png") as picture:
        pixels = np.asarray(picture.convert("RGB"))
    assert pixels.shape == (500, 520, 3)
    assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 50


def test_bars_grow_with_methods(tmp_path):
    lines = [
        RankedMethod(
            name=name,
            accuracy=0.7,
            interval=(0.6, 0.8),
            macro_f1=0.6,
            seeds=(0.65, 0.75),
            published=published,
            figures={},
        )
        for name, published in (("beta", None), ("annealed", 0.816))
    ]
    ranking_bars(lines, tmp_path / "two.png")
    ranking_bars(lines[:1], tmp_path / "one.png")
    with Image.open(tmp_path / "two.png") as two, Image.open(tmp_path / "one.png") as one:
        assert two.width > one.width


def test_nothing_to_draw_is_refused(tmp_path):
    for draw in (reliability_diagram, ranking_bars):
        with pytest.raises(InputError, match="nothing to draw"):
            draw({}, tmp_path / "none.png")

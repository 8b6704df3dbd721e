"""Curves of what keeps its class."""

import numpy as np
import pytest
from PIL import Image

from glitchvae.errors import InputError
from glitchvae.plots.corruptions import corruption_panels
from glitchvae.validation.robustness.corruption_test import CorruptionTest


def a_test(names):
    count = 4 * len(names)
    return CorruptionTest(
        event=np.arange(4).repeat(len(names)),
        corruption=names * 4,
        unit=["s"] * count,
        strength=np.ones(count),
        original=["Blip"] * count,
        class_name=["Blip", "Tomte"] * (count // 2),
        cosine=np.ones(count),
        distance=np.zeros(count),
    )


def test_every_change_has_a_panel(tmp_path):
    heights = []
    for names in (["a", "b"], ["a", "b", "c", "d", "e"]):
        corruption_panels(
            {"one": a_test(names), "two": a_test(names)}, tmp_path / "corruptions.png"
        )
        with Image.open(tmp_path / "corruptions.png") as picture:
            heights.append(picture.size[1])
    assert heights[1] > 1.5 * heights[0]


def test_nothing_to_draw_is_said(tmp_path):
    with pytest.raises(InputError, match="nothing to draw"):
        corruption_panels({}, tmp_path / "corruptions.png")

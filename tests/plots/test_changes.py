"""Curves of what keeps its class."""

import numpy as np
import pytest
from PIL import Image

from glitchvae.errors import InputError
from glitchvae.plots.changes import change_panels
from glitchvae.validation.robustness.change_test import ChangeTest


def a_test(names):
    count = 4 * len(names)
    return ChangeTest(
        event=np.arange(4).repeat(len(names)), change=names * 4, unit=["s"] * count,
        strength=np.ones(count), original=["Blip"] * count,
        class_name=["Blip", "Tomte"] * (count // 2), cosine=np.ones(count),
        distance=np.zeros(count),
    )  # fmt: skip


def test_every_change_has_a_panel(tmp_path):
    heights = []
    for names in (["a", "b"], ["a", "b", "c", "d", "e"]):
        change_panels({"one": a_test(names), "two": a_test(names)}, tmp_path / "changes.png")
        with Image.open(tmp_path / "changes.png") as picture:
            heights.append(picture.size[1])
    assert heights[1] > 1.5 * heights[0]


def test_nothing_to_draw_is_said(tmp_path):
    with pytest.raises(InputError, match="nothing to draw"):
        change_panels({}, tmp_path / "changes.png")

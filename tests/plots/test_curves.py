"""Curves show what they were given, with its band."""

import numpy as np
import pytest

from glitchvae import plots
from glitchvae.errors import InputError


def test_every_curve_has_its_values_its_band_and_its_name(tmp_path, saved):
    x = np.array([1.0, 2.0, 4.0])
    lines = {name: plots.Curve(x, k * x, k * x - 1, k * x + 1) for k, name in enumerate("abc")}
    plots.curves(lines, tmp_path / "c.png", xlabel="beta", ylabel="ELBO (nats)", xscale="log")
    (axes,) = saved[0].axes
    assert [t.get_text() for t in axes.get_legend().get_texts()] == ["a", "b", "c"]
    for k, line in enumerate(axes.lines):
        np.testing.assert_array_equal(line.get_ydata(), k * x)
    band = axes.collections[2].get_paths()[0].vertices
    assert (band[:, 1].min(), band[:, 1].max()) == (1.0, 9.0)
    assert (axes.get_xscale(), axes.get_xlabel()) == ("log", "beta")


def test_nothing_to_draw_is_refused(tmp_path):
    with pytest.raises(InputError, match="nothing to draw"):
        plots.curves({}, tmp_path / "c.png", xlabel="", ylabel="")

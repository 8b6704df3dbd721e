"""Pictures of a training show the columns of its log."""

import numpy as np
import pytest

from glitchvae import plots
from glitchvae.errors import InputError
from glitchvae.training.log import dimension_kl


@pytest.fixture
def log():
    """Three dimensions that open at steps 60, 20 and never, while the rate grows."""
    step = np.arange(10.0, 110.0, 10.0)
    kl = {
        "kl_1": np.where(step >= 60, 2.0, 0.1),
        "kl_2": np.where(step >= 20, 1.0, 0.1),
        "kl_3": np.full(10, 0.01),
    }
    rate = sum(kl.values())
    return {
        "step": step,
        "rate": rate,
        "reconstruction": 100 - 3 * rate,
        **kl,
        "weight_beta": np.linspace(5, 1, 10),
    }


def test_dimensions_open_in_the_order_in_which_they_first_carry_information(log):
    assert plots.opening_order(dimension_kl(log)).tolist() == [1, 0, 2]


def test_rate_and_distortion_are_the_axes(log, tmp_path, saved):
    plots.rate_distortion({"a": log, "b": log}, tmp_path / "rd.png")
    (axes,) = saved[0].axes
    way, end = axes.lines[:2]
    np.testing.assert_array_equal(way.get_xdata(), log["rate"])
    np.testing.assert_array_equal(way.get_ydata(), log["reconstruction"])
    assert end.get_xdata()[-1] == log["rate"][-1]
    assert [t.get_text() for t in axes.get_legend().get_texts()] == ["a", "b"]


def test_on_a_dashed_line_rate_and_distortion_have_one_sum(log, tmp_path, saved):
    plots.rate_distortion({"a": log}, tmp_path / "rd.png")
    dashed = [line for line in saved[0].axes[0].lines if line.get_linestyle() == "--"]
    assert len(dashed) > 2
    for line in dashed:
        assert np.ptp(line.get_xdata() + line.get_ydata()) == pytest.approx(0, abs=1e-9)


def test_kl_curves_are_the_columns_and_beta_is_drawn_beside(log, tmp_path, saved):
    plots.kl_per_dimension(log, tmp_path / "kl.png", title="run")
    axes, other = saved[0].axes
    np.testing.assert_array_equal(axes.lines[0].get_ydata(), log["kl_2"])
    np.testing.assert_array_equal(other.lines[0].get_ydata(), log["weight_beta"])
    assert {t.get_text() for t in axes.texts} == {"dim 1", "dim 2"}


def test_an_older_log_has_its_weights_under_their_bare_names(log, tmp_path, saved):
    log["beta"] = log.pop("weight_beta")
    plots.kl_per_dimension(log, tmp_path / "kl.png")
    _, other = saved[0].axes
    np.testing.assert_array_equal(other.lines[0].get_ydata(), log["beta"])


def test_layers_stand_bottom_up_with_their_sums(log, tmp_path, saved):
    plots.layer_kl(log, (2, 1), tmp_path / "layers.png")
    axes = saved[0].axes[0]
    rows = np.ma.filled(axes.get_images()[0].get_array().astype(float), np.nan)
    np.testing.assert_array_equal(rows, [[2.0, 1.0], [0.01, np.nan]])
    assert [t.get_text() for t in axes.get_yticklabels()] == ["z1: 3.0 nats", "z2: 0.0 nats"]


def test_layers_that_do_not_fit_the_log_are_refused(log, tmp_path):
    with pytest.raises(InputError, match="do not belong together"):
        plots.layer_kl(log, (2, 2), tmp_path / "layers.png")


def test_a_missing_column_is_named(log, tmp_path):
    with pytest.raises(InputError, match="'rate'"):
        plots.rate_distortion({"a": {"step": log["step"]}}, tmp_path / "x.png")
    with pytest.raises(InputError, match="kl_1"):
        plots.kl_per_dimension({"step": log["step"]}, tmp_path / "x.png")

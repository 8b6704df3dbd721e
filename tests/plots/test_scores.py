"""Distributions and confusion matrices show what they were given."""

import numpy as np
import pytest

from glitchvae import plots
from glitchvae.errors import InputError
from glitchvae.probes import score


def test_marginals_have_both_curves_in_every_panel(rng, tmp_path, saved):
    samples = (rng.lognormal(size=50), np.append(rng.lognormal(size=40), np.nan))
    pairs = {(c, m): samples for c in ("Blip", "Tomte") for m in ("snr", "duration", "bandwidth")}
    plots.marginals(pairs, tmp_path / "page.png")
    assert [len(axes.lines) for axes in saved[0].axes] == [2] * 6
    real, simulated = saved[0].axes[0].lines
    np.testing.assert_allclose(real.get_xdata()[1:], np.sort(samples[0]))
    assert len(simulated.get_xdata()) == 1 + 40
    assert [axes.get_ylabel() for axes in saved[0].axes[::3]] == ["Blip", "Tomte"]
    with pytest.raises(InputError, match="nothing to draw"):
        plots.marginals({}, tmp_path / "page.png")


def test_confusion_shows_counts_and_shares_of_the_true_class(rng, tmp_path, saved):
    truth = np.array(["Blip"] * 4 + ["Tomte"], dtype=object)
    guess = np.array(["Blip"] * 3 + ["Whistle", "Tomte"], dtype=object)
    plots.confusion_matrix(score(truth, guess, rng, resamples=2), tmp_path / "page.png")
    (axes,) = saved[0].axes
    np.testing.assert_allclose(axes.get_images()[0].get_array(), [[0.75, 0, 0.25], [0, 1, 0]])
    assert sorted(text.get_text() for text in axes.texts) == ["1", "1", "3"]

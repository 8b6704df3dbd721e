"""`gv.adapt`: an archive, a table or a dict in, a model with figures out."""

import numpy as np
import pytest
from astropy.table import Table

import glitchvae as gv
from tests.adapting.conftest import (  # noqa: F401 - fixtures
    few,
    labels,
    pictures,
    quick,
    start_model,
    truth,
)

SMALL = {"simulated": 200, "hold_out": 100, "largest_fall": 0.3, "device": "cpu"}


def test_a_model_comes_with_its_figures(quick, few, start_model, labels, truth):  # noqa: F811
    table = Table({"gravityspy_id": list(labels), "ml_label": list(labels.values())})
    found = gv.adapt(gv.open_archive(few.path), table, model=start_model, **SMALL)
    frame = found.to_pandas()
    line = frame[(frame.events == "simulated hold-out") & (frame.measure == "accuracy")].iloc[0]
    assert line.after_low <= line.after <= line.after_high
    assert "labels that taught, by fold" in repr(found)
    images = gv.Dataset(few.thumbnails(few.embeddings()).images)
    assert np.mean(found.model.predict(found.model.encode(images)) == truth[: len(images)]) > 0.5
    place = found.model.path
    assert place.is_dir()
    del found
    assert not place.exists()  # a model without a folder of its own goes with the result


def test_what_cannot_be_asked(few, start_model, labels):  # noqa: F811
    with pytest.raises(gv.GlitchvaeError, match="share"):
        gv.adapt(few.path, labels, share=0, **SMALL)
    with pytest.raises(gv.GlitchvaeError, match=r"unknown key 'step'.*did you mean 'steps'"):
        gv.adapt(few.path, labels, step=5, **SMALL)
    with pytest.raises(gv.GlitchvaeError, match="all labels are of one class"):
        one = dict.fromkeys(labels, "Blip")
        gv.adapt(few.path, one, model=start_model, **SMALL)

"""Rows of an archive that are made up: one a second, of a model that does not exist."""

import numpy as np

from glitchvae.embedding import Embeddings

START = 1126259462.0


def make_embeddings(
    count,
    ifo="H1",
    start=START,
    *,
    size=8,
    model="one",
    seed=5,
    status="ok",
    unusable=(),
    **columns,
):
    """Embeddings of so many events.

    Args:
        count: N.
        ifo: Detector.
        start: GPS time of the first.
        size: Dimensions of the codes.
        model: Name of the model; its digest begins with it.
        seed: Of all numbers.
        status: Of all rows; without a code where it is not "ok".
        unusable: Rows that are a "gap".
        columns: More of them, (N,).
    """
    rng = np.random.default_rng(seed)
    gps = start + np.arange(count) * 1.0
    measured = ("snr", "peak_frequency", "q", "duration", "bandwidth", "novelty_p")
    mean, log_var = rng.normal(size=(2, count, size))
    states = np.full(count, status, dtype=object)
    states[list(unusable)] = "gap"
    mean[states != "ok"] = log_var[states != "ok"] = np.nan
    return Embeddings(
        event_id=[f"{ifo}-{t:.4f}" for t in gps],
        gps=gps,
        ifo=[ifo] * count,
        **{name: rng.uniform(8, 20, count) for name in measured},
        mean=mean,
        log_var=log_var,
        class_name=np.where(states == "ok", "Blip", "").astype(object),
        class_probability=rng.uniform(size=count),
        f_max=np.full(count, 2048.0),
        block_duration=np.full(count, 64.0),
        status=states,
        model={"name": model, "digest": model.ljust(64, "0")},
        imaging={"name": "light"},
        **columns,
    )

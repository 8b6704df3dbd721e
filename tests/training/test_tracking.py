"""Whoever follows a run is told of its start, its rows and its end."""

import builtins

import pytest

from glitchvae.errors import ConfigError
from glitchvae.training import TensorBoard, train
from glitchvae.training.log import read_log


class Listener:
    def __init__(self):
        self.calls = []

    def start(self, run, config):
        self.calls.append(("start", run.name, config.steps))

    def record(self, step, terms):
        self.calls.append(("record", step, terms["loss"]))

    def finish(self, run):
        self.calls.append(("finish", (run / "card.toml").exists()))


def test_a_follower_is_told_everything_in_order(data, config, tmp_path):
    listener = Listener()
    short = config.model_copy(update={"steps": 20})
    run = train(data, short, tmp_path / "run", trackers=[listener])
    log = read_log(run)
    rows = [("record", int(s), v) for s, v in zip(log["step"], log["loss"], strict=True)]
    assert listener.calls == [("start", "run", 20), *rows, ("finish", True)]
    assert len(rows) == 2


def test_tensorboard_reads_what_the_log_holds(data, config, tmp_path):
    events = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    short = config.model_copy(update={"steps": 20})
    run = train(data, short, tmp_path / "run", trackers=[TensorBoard()])
    found = events.EventAccumulator(str(run / "tensorboard")).Reload()
    log = read_log(run)
    assert [e.step for e in found.Scalars("loss")] == log["step"].tolist()
    assert [e.value for e in found.Scalars("loss")] == pytest.approx(log["loss"].tolist())
    assert "kl/kl_1" in found.Tags()["scalars"]


def test_tensorboard_that_is_not_installed_is_said(monkeypatch):
    real = builtins.__import__

    def missing(name, *arguments):
        if name.startswith("torch.utils.tensorboard"):
            raise ImportError("No module named 'tensorboard'")
        return real(name, *arguments)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(ConfigError, match=r"not installed.*\.\[track\]"):
        TensorBoard()

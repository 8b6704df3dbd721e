"""Every public class of models and objectives, and every metric, has an example that runs."""

import doctest
import importlib
import inspect

import numpy as np
import pytest
import torch

from glitchvae import models, objectives
from glitchvae.validation import disentanglement

PROTOCOLS = {"VAE", "Schedule"}
"""What others are to be like: they are described by their members."""

KNOWN = {"np": np, "torch": torch}
for room in (models, objectives, disentanglement):
    KNOWN |= {name: getattr(room, name) for name in room.__all__}


def documented():
    for room in (models, objectives):
        for name in room.__all__:
            if inspect.isclass(getattr(room, name)) and name not in PROTOCOLS:
                yield getattr(room, name)
    for metric in disentanglement.METRICS:
        yield disentanglement.find_metric(metric) if isinstance(metric, str) else metric
    yield disentanglement.Protocol
    yield disentanglement.Score


@pytest.mark.parametrize("thing", {each.__name__: each for each in documented()}.values())
def test_an_example_runs(thing):
    module = importlib.import_module(thing.__module__)
    (found,) = doctest.DocTestFinder(recurse=False).find(
        thing, thing.__name__, module=module, extraglobs=KNOWN
    )
    assert found.examples, f"{thing.__name__} has no example"
    torch.manual_seed(0)
    assert doctest.DocTestRunner().run(found).failed == 0

"""Examples in the docstrings of the front door give what they say."""

import doctest
import importlib

import pytest

MODULES = ("datasets", "models", "training", "measuring")
SLOW = {"glitchvae.api.datasets.chairs"}


def examples():
    finder = doctest.DocTestFinder()
    for name in MODULES:
        module = importlib.import_module(f"glitchvae.api.{name}")
        for test in finder.find(module):
            if test.examples:
                marks = pytest.mark.slow if test.name in SLOW else ()
                yield pytest.param(test, id=test.name, marks=marks)


@pytest.mark.parametrize("example", list(examples()))
def test_an_example_gives_what_it_says(example, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert doctest.DocTestRunner().run(example).failed == 0

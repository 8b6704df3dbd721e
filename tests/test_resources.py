"""The shipped folders are found in a checkout and in a wheel."""

import pytest
import torch

from glitchvae import resources
from glitchvae.errors import ConfigError, InputError


@pytest.mark.parametrize("name", ["catalog", "pipelines"])
def test_a_checkout_has_both_folders(name):
    assert resources.shipped(name).is_dir()


def test_the_packaged_folder_comes_first(tmp_path, monkeypatch):
    (tmp_path / "glitchvae" / "_shipped" / "catalog").mkdir(parents=True)
    (tmp_path / "catalog").mkdir()
    monkeypatch.setattr(resources, "_PACKAGE", tmp_path / "glitchvae")
    assert resources.shipped("catalog") == tmp_path / "glitchvae" / "_shipped" / "catalog"


def test_missing_data_lists_what_is_there():
    with pytest.raises(InputError, match="no packaged data 'nonsense'"):
        resources.data("nonsense")


@pytest.mark.parametrize("name", ["cpu", torch.device("cpu"), "auto"])
def test_a_device_that_is_here_is_chosen(name):
    assert resources.choose_device(name) in ("cpu", "cuda")


@pytest.mark.parametrize("name", ["gpu", "cuda:99", "meta", "", "cuda:x"])
def test_a_device_that_is_not_here_is_named(name):
    with pytest.raises(
        ConfigError,
        match=rf"the device '{name}' is not available; expected auto, cpu, or cuda; found cpu",
    ):
        resources.choose_device(name)

"""Checkpoints come back as they were written; what cannot be trusted is refused by name."""

import tomllib

import numpy as np
import pytest
import safetensors.torch
import tomli_w
import torch

from glitchvae import resources
from glitchvae.checkpoint import (
    DataCard,
    ModelCard,
    load_checkpoint,
    read_card,
    reconstruct,
    save_checkpoint,
)
from glitchvae.classes.prototypes import Prototypes
from glitchvae.errors import ModelError
from glitchvae.models import (
    GlitchVAE,
    GlitchVAESettings,
    HierarchicalVAE,
    HierarchySettings,
    ImageVAE,
)
from glitchvae.shapes import ENERGY_CEILING
from glitchvae.store import digest

TINY = GlitchVAESettings(image_shape=(12, 10), widths=(4,), hidden=8, latent_size=3)
CARD = ModelCard(
    architecture="", model={}, latent_size=0, objective={"name": "beta"}, steps=5, seed=0,
    data=DataCard(digest="0" * 64, description="made up", events=9), figures={"loss": 1.5},
)  # fmt: skip


@pytest.fixture
def model() -> GlitchVAE:
    torch.manual_seed(0)
    return GlitchVAE(TINY)


@pytest.fixture
def folder(tmp_path, model, rng):
    codes = rng.normal(size=(20, 3))
    labels = np.array(["Blip", "Tomte"] * 10, dtype=object)
    save_checkpoint(tmp_path / "model", model, CARD, Prototypes.fit(codes, labels))
    return tmp_path / "model"


def test_a_checkpoint_comes_back_as_it_was(folder, model, rng):
    opened = load_checkpoint(folder)
    assert not opened.model.training
    for name, value in model.state_dict().items():
        assert torch.equal(opened.model.state_dict()[name], value)
    assert opened.card.figures == {"loss": 1.5}
    assert opened.card.latent_size == 3
    assert opened.name == "model"
    assert opened.prototypes.names == ("Blip", "Tomte")


def test_nothing_in_it_is_pickled(folder):
    assert sorted(p.name for p in folder.iterdir()) == [
        "card.toml", "prototypes.safetensors", "weights.safetensors",
    ]  # fmt: skip
    for path in folder.iterdir():
        assert not path.read_bytes().startswith((b"PK", b"\x80"))


def test_the_digest_names_weights_and_prototypes(folder, model):
    before = load_checkpoint(folder).digest
    save_checkpoint(folder, model, CARD.model_copy(update={"steps": 6}))
    without = load_checkpoint(folder)
    assert without.prototypes is None
    assert without.digest != before
    with torch.no_grad():
        model.encoder[0].bias[0] += 1
    save_checkpoint(folder, model, CARD)
    assert load_checkpoint(folder).digest not in (before, without.digest)


def test_the_digest_ignores_how_the_model_was_made(folder, model):
    save_checkpoint(folder, model, CARD)
    before = load_checkpoint(folder).digest
    save_checkpoint(folder, model, CARD.model_copy(update={"steps": 99, "figures": {}}))
    assert load_checkpoint(folder).digest == before


def test_a_shipped_model_is_found_by_name(folder, monkeypatch):
    monkeypatch.setattr(resources, "_PACKAGE", folder.parent)
    (folder.parent / "data" / "models").mkdir(parents=True)
    folder.rename(folder.parent / "data" / "models" / "default")
    assert load_checkpoint().name == "default"
    with pytest.raises(ModelError, match=r"no model 'other'.*shipped: \['default'\]"):
        load_checkpoint("other")


def test_reconstructions_are_energies(folder, rng):
    images = rng.exponential(2.0, (5, 4, 12, 10)).astype(np.float16)
    images[0, :, 6:] = np.nan
    energies = reconstruct(load_checkpoint(folder), images, batch_size=2)
    assert energies.shape == images.shape
    assert np.isfinite(energies).all()
    assert ((energies >= 0) & (energies <= ENERGY_CEILING)).all()
    assert reconstruct(load_checkpoint(folder), images[:0]).shape == (0, 4, 12, 10)


def test_a_hierarchy_of_the_glitch_network_reconstructs_glitches(tmp_path, rng):
    settings = HierarchySettings(
        network="glitch", glitch={"image_shape": (12, 10), "widths": (4,)}, latent_sizes=(4, 2)
    )
    save_checkpoint(tmp_path / "model", HierarchicalVAE(settings), CARD)
    opened = load_checkpoint(tmp_path / "model")
    assert opened.card.latent_size == 6
    images = rng.exponential(2.0, (3, 4, 12, 10)).astype(np.float16)
    assert reconstruct(opened, images).shape == images.shape


def test_a_model_of_pictures_is_refused_for_glitches(tmp_path, rng):
    save_checkpoint(tmp_path / "model", ImageVAE(), CARD)
    with pytest.raises(ModelError, match=r"of pictures.*found 'image' of images \(1, 64, 64\)"):
        reconstruct(load_checkpoint(tmp_path / "model"), rng.random((3, 4, 12, 10)))


def edit_card(folder, **changes):
    values = tomllib.loads((folder / "card.toml").read_text()) | changes
    (folder / "card.toml").write_text(tomli_w.dumps(values))


def test_another_format_version_is_refused(folder):
    edit_card(folder, format_version=99)
    with pytest.raises(ModelError, match="expected version 1; found 99"):
        load_checkpoint(folder)


def test_a_damaged_card_is_refused(folder):
    edit_card(folder, stepz=3)
    with pytest.raises(ModelError, match=r"card\.toml.*unknown key 'stepz'.*'steps'"):
        load_checkpoint(folder)
    (folder / "card.toml").write_text("steps = [")
    with pytest.raises(ModelError, match=r"card\.toml.*cannot be read"):
        read_card(folder)


@pytest.mark.parametrize("part", ["weights.safetensors", "prototypes.safetensors"])
def test_a_damaged_part_is_refused(folder, part):
    content = bytearray((folder / part).read_bytes())
    content[-1] ^= 1
    (folder / part).write_bytes(content)
    with pytest.raises(ModelError, match=rf"{part}.*damaged"):
        load_checkpoint(folder)
    (folder / part).unlink()
    with pytest.raises(ModelError, match=rf"{part}.*missing"):
        load_checkpoint(folder)


def test_weights_of_another_network_are_refused(folder, model):
    edit_card(folder, model={**TINY.model_dump(mode="json"), "latent_size": 4})
    with pytest.raises(ModelError, match="card and weights do not fit"):
        load_checkpoint(folder)


def test_a_pickled_model_is_refused_unopened(folder, tmp_path, model):
    torch.save(model.state_dict(), folder / "weights.safetensors")
    with pytest.raises(ModelError, match="pickled"):
        load_checkpoint(folder)
    (tmp_path / "theirs").mkdir()
    torch.save(model.state_dict(), tmp_path / "theirs" / "model.pt")
    with pytest.raises(ModelError, match=r"pickled.*refused"):
        load_checkpoint(tmp_path / "theirs")
    with pytest.raises(ModelError, match=r"model\.pt"):
        load_checkpoint(tmp_path / "theirs" / "model.pt")


def test_weights_whose_first_byte_is_that_of_a_pickle_are_opened(folder, model):
    for spaces in range(0, 256, 8):  # the header's length is a multiple of 8
        weights = safetensors.torch.save(model.state_dict(), {"note": " " * spaces})
        if weights[0] == 0x80:
            break
    (folder / "weights.safetensors").write_bytes(weights)
    edit_card(folder, weights_digest=digest(folder / "weights.safetensors"))
    assert weights[0] == 0x80
    assert torch.equal(load_checkpoint(folder).model.encoder[0].bias, model.encoder[0].bias)


def test_a_missing_model_is_named(tmp_path):
    with pytest.raises(ModelError, match=r"absent/model.*no such folder"):
        load_checkpoint(tmp_path / "absent" / "model")
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(ModelError, match=r"no model here.*found \['notes\.txt'\]"):
        load_checkpoint(tmp_path)
    with pytest.raises(ModelError, match=r"notes\.txt: a file"):
        load_checkpoint(tmp_path / "notes.txt")

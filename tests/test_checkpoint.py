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
    decode,
    load_checkpoint,
    read_card,
    reconstruct,
    save_checkpoint,
)
from glitchvae.classes.prototypes import Prototypes
from glitchvae.errors import InputError, ModelError
from glitchvae.models import (
    GlitchVAE,
    GlitchVAESettings,
    HierarchicalVAE,
    HierarchySettings,
    ImageVAE,
    ImageVAESettings,
    prepare,
    wrap_vae,
)
from glitchvae.shapes import ENERGY_CEILING, IMAGE_SHAPE
from glitchvae.store import digest

TINY = GlitchVAESettings(image_shape=(12, 10), widths=(4,), hidden=8, latent_size=3)
CARD = ModelCard(
    architecture="",
    model={},
    latent_size=0,
    objective={"name": "beta"},
    steps=5,
    seed=0,
    data=DataCard(digest="0" * 64, description="made up", events=9),
    figures={"loss": 1.5},
)


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
        "card.toml",
        "prototypes.safetensors",
        "weights.safetensors",
    ]
    for path in folder.iterdir():
        assert not path.read_bytes().startswith((b"PK", b"\x80"))


def test_the_digest_names_what_decides_codes_and_the_head_has_its_own(folder, model):
    first = load_checkpoint(folder)
    before = first.digest
    save_checkpoint(folder, model, CARD.model_copy(update={"steps": 6}))
    without = load_checkpoint(folder)
    assert without.prototypes is None
    assert without.digest == before
    assert (without.head_digest, first.head_digest) == ("", first.card.prototypes_digest)
    assert first.head_digest
    assert without.card.older_digest != first.card.older_digest
    assert all(map(first.card.made, (first.digest, first.card.older_digest)))
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
    shipped = resources.shipped("catalog")
    monkeypatch.setattr(resources, "_PACKAGE", folder.parent)
    (folder.parent / "data" / "models").mkdir(parents=True)
    (folder.parent / "_shipped").mkdir()
    (folder.parent / "_shipped" / "catalog").symlink_to(shipped)
    folder.rename(folder.parent / "data" / "models" / "default")
    assert load_checkpoint().name == "default"
    with pytest.raises(ModelError, match=r"no model 'other'; expected a shipped model \(default\)"):
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
    edit_card(folder, model={**TINY.model_dump(mode="json", exclude_none=True), "latent_size": 4})
    with pytest.raises(ModelError, match="card and weights do not belong together"):
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
    with pytest.raises(ModelError, match=r"the folder is not a model.*found \['notes\.txt'\]"):
        load_checkpoint(tmp_path)
    with pytest.raises(ModelError, match=r"notes\.txt: a file"):
        load_checkpoint(tmp_path / "notes.txt")


def test_codes_are_drawn_as_reconstructions_are(folder, rng):
    opened = load_checkpoint(folder)
    images = rng.exponential(1.0, (3, 4, *IMAGE_SHAPE)).astype(np.float32)
    with torch.inference_mode():
        codes = opened.model.encode(prepare(torch.from_numpy(images))[0]).mean.numpy()
    np.testing.assert_array_equal(decode(opened, codes), reconstruct(opened, images))
    assert decode(opened, codes[:0]).shape == (0, 4, *IMAGE_SHAPE)


def test_pictures_are_drawn_in_the_unit_range(tmp_path, rng):
    torch.manual_seed(0)
    settings = ImageVAESettings(
        network="reference",
        image_shape=(1, 16, 16),
        latent_size=2,
        likelihood="gaussian",
        data_range=(-1, 1),
    )
    save_checkpoint(tmp_path / "model", ImageVAE(settings), CARD)
    opened = load_checkpoint(tmp_path / "model")
    codes = rng.normal(size=(5, 2))
    with torch.inference_mode():
        signed = opened.model.decode(torch.from_numpy(codes).float()).mean.numpy()
    np.testing.assert_allclose(decode(opened, codes), (signed + 1) / 2, rtol=1e-6)
    with pytest.raises(InputError, match=r"expected \(N, 2\); found \(5, 3\)"):
        decode(opened, rng.normal(size=(5, 3)))


class Own(torch.nn.Module):
    """A VAE of the user's own."""

    def __init__(self, size=2):
        super().__init__()
        self.up, self.down = torch.nn.Linear(256, 2 * size), torch.nn.Linear(size, 256)

    def encode(self, x):
        return self.up(x.flatten(1)).chunk(2, dim=1)

    def decode(self, z):
        return self.down(z).sigmoid().view(-1, 1, 16, 16)


def test_weights_of_a_network_of_one_s_own_come_back_into_one(tmp_path):
    torch.manual_seed(0)
    x = torch.rand(3, 1, 16, 16)
    model = wrap_vae(Own(), x)
    card = save_checkpoint(tmp_path / "model", model, CARD)
    assert (card.architecture, card.latent_size) == ("user", 2)
    given = Own()
    before = given.up.weight.clone()
    opened = load_checkpoint(tmp_path / "model", network=given)
    assert torch.equal(opened.model.encode(x).mean, model.eval().encode(x).mean)
    assert torch.equal(given.up.weight, before)


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (Own(3), "card and weights do not belong together.*3 latent variables"),
        (Own, "the class Own"),
        (torch.nn.Linear(2, 2), "no method encode and no method decode"),
    ],
)
def test_weights_of_one_s_own_want_their_network(network, message, tmp_path):
    save_checkpoint(tmp_path / "model", wrap_vae(Own(), torch.rand(3, 1, 16, 16)), CARD)
    with pytest.raises(ModelError, match=message):
        load_checkpoint(tmp_path / "model", network=network)


def test_a_model_of_ours_wants_no_network(folder):
    with pytest.raises(ModelError, match=r"needs no network.*Leave network out"):
        load_checkpoint(folder, network=Own())

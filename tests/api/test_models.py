"""Models encode, name, draw and come back from disk as the rooms below do."""

import dataclasses

import numpy as np
import pytest
import torch

import glitchvae as gv
from glitchvae.checkpoint import load_checkpoint, reconstruct
from glitchvae.embedding import encode_spectrograms
from glitchvae.errors import ConfigError, InputError, ModelError
from glitchvae.models import UserVAE

ENERGIES = np.ones((2, 4, 140, 170), np.float32)


def test_codes_are_those_of_embed_bit_by_bit(default, glitches):
    found = encode_spectrograms(glitches.record, load_checkpoint())
    for images in (glitches, glitches.record, glitches.images, torch.from_numpy(glitches.images)):
        np.testing.assert_array_equal(default.encode(images), found.mean)
    np.testing.assert_array_equal(default.transform(glitches), found.mean)
    np.testing.assert_array_equal(default.posterior(glitches).log_var, found.log_var)
    np.testing.assert_array_equal(default.predict(found.mean), found.class_name)


def test_glitches_as_torch_loads_them_have_the_same_codes(default, glitches):
    x = torch.stack([image for image, _ in glitches.torch()])
    np.testing.assert_allclose(default.encode(x), default.encode(glitches), rtol=1e-4, atol=1e-4)


def test_events_without_an_image_have_no_code(default, glitches):
    status = glitches.record.status.copy()
    status[2] = "gap"
    codes = default.encode(dataclasses.replace(glitches.record, status=status))
    assert np.isnan(codes[2]).all()
    assert np.isfinite(np.delete(codes, 2, axis=0)).all()
    assert default.predict(codes)[2] == ""
    assert np.isnan(default.predict_proba(codes)[2]).all()


def test_probabilities_name_the_class(default, glitches):
    codes = default.encode(glitches)
    share = default.predict_proba(codes)
    assert share.shape == (24, len(default.classes_))
    np.testing.assert_allclose(share.sum(axis=1), 1)
    np.testing.assert_array_equal(default.classes_[share.argmax(axis=1)], default.predict(codes))


def test_glitches_are_reconstructed_as_below(default, glitches):
    expected = reconstruct(load_checkpoint(), glitches.images)
    np.testing.assert_allclose(default.reconstruct(glitches), expected, rtol=1e-5, atol=1e-5)


def test_pictures_have_the_codes_of_the_module(model, pictures, data):
    with torch.inference_mode():
        posterior = model.module.encode(data.inputs())
    for images in (data, pictures, pictures[:, None], pictures.astype(float)):
        np.testing.assert_allclose(model.encode(images), posterior.mean, rtol=1e-4, atol=1e-5)
    with torch.inference_mode():
        drawn = model.module.decode(posterior.mean).mean
    np.testing.assert_allclose(model.reconstruct(pictures), drawn, rtol=1e-4, atol=1e-5)


def test_a_model_for_signed_pictures_takes_and_gives_the_unit_range(pictures):
    settings = {"likelihood": "gaussian", "data_range": (-1, 1)}
    signed = gv.train(
        pictures, "beta", steps=2, model="chen-mlp", latent_size=2, device="cpu", **settings
    )
    with torch.inference_mode():
        x = 2 * torch.from_numpy(pictures[:5, None]).float() - 1
        expected = signed.module.encode(x).mean
    np.testing.assert_allclose(signed.encode(pictures[:5]), expected, rtol=1e-4, atol=1e-6)
    drawn = signed.reconstruct(pictures[:5])
    assert 0 <= drawn.min() <= drawn.max() <= 1


def test_a_saved_model_comes_back(model, pictures, tmp_path):
    model.save(tmp_path / "copy")
    again = gv.load_model(tmp_path / "copy", device="cpu")
    np.testing.assert_array_equal(again.encode(pictures), model.encode(pictures))
    assert again.card.code_digest == model.card.code_digest
    with pytest.raises(InputError, match="holds a run already"):
        model.save(tmp_path / "copy")


def test_it_says_what_it_is(default, model):
    assert repr(default).startswith("Model 'default': VAE of glitches, 64 latent dimensions")
    assert "24 classes" in repr(default)
    assert repr(model).startswith("Model 'beta': VAE of pictures (1, 16, 16), 4 latent dim")
    assert (model.latent_size, model.image_shape) == (4, (1, 16, 16))
    assert default.image_shape == (4, 140, 170)
    assert not model.module.training


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m: m.encode(np.zeros((3, 17, 17))), r"another shape.*\(N, 1, 16, 16\).*17, 17\)"),
        (lambda m: m.encode(np.zeros((1, 16, 16))), None),
        (lambda m: m.encode(np.zeros((16, 16))), r"found \(16, 16\)"),
        (lambda m: m.encode(ENERGIES), "another shape than those of the model"),
        (lambda m: m.encode(gv.Dataset(ENERGIES)), "expected pictures.*found glitches"),
        (lambda m: m.encode("set.h5"), "images: the values are not numbers"),
        (lambda m: m.encode(np.full((2, 16, 16), np.nan)), "not a number in row 0"),
        (lambda m: m.encode([]), "another shape"),
        (lambda m: m.predict(np.zeros((3, 4))), "without class prototypes"),
        (lambda m: m.predict_proba(np.zeros((3, 4))), "without class prototypes"),
        (lambda m: m.classes_, "without class prototypes"),
        (lambda m: m.decode(np.zeros((3, 5))), r"expected \(N, 4\); found \(3, 5\)"),
        (lambda m: m.decode(np.full((3, 4), np.nan)), "row 0: codes are not finite"),
        (lambda m: m.decode("codes"), "codes: the values are not numbers"),
        (lambda m: m.save("/proc/nowhere"), "the folder cannot be written"),
        (lambda m: m.save(None), "folder: the value is not a path"),
    ],
)
def test_bad_input_to_a_model_of_pictures_is_named(call, message, model):
    if message is None:
        assert call(model).shape == (1, 4)
        return
    with pytest.raises(gv.GlitchvaeError, match=message):
        call(model)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (ENERGIES[0], r"found \(4, 140, 170\). A single image needs an axis.*images\[None\]"),
        (ENERGIES[:, :3], r"expected \(N, 4, 140, 170\); found \(2, 3, 140, 170\)"),
        (ENERGIES * np.nan, "row 0 is not an image of a glitch"),
        (-ENERGIES, "row 0 is not an image of a glitch"),
        (np.full((2, 5, 140, 170), 2.0), "range in row 0"),
        (np.zeros((4, 16, 16)), "another shape"),
    ],
)
def test_bad_input_to_a_model_of_glitches_is_named(images, message, default):
    with pytest.raises(gv.GlitchvaeError, match=message):
        default.encode(images)


def test_images_are_no_codes(default):
    with pytest.raises(InputError, match=r"expected \(N, 64\).*model\.encode\(images\)"):
        default.predict(ENERGIES)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (
            ("defalt",),
            ModelError,
            r"no model 'defalt' \(did you mean 'default'\?\).*annealed, default, seatbelt",
        ),
        (("/nowhere/run",), ModelError, "/nowhere/run: no such folder"),
        ((None,), InputError, "model: the value is not a path"),
        (("default", "gpu"), ConfigError, "the device 'gpu'"),
    ],
)
def test_what_is_no_model_is_named(arguments, error, message):
    with pytest.raises(error, match=message):
        gv.load_model(*arguments)


def test_the_module_of_a_network_of_ones_own_is_that(pictures, own_vae):
    trained = gv.train(pictures, "beta", steps=1, model=own_vae, device="cpu")
    assert type(trained.module) is type(own_vae)
    assert isinstance(trained.network, UserVAE)
    assert trained.card.architecture == "user"

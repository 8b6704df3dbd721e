"""What is attacked was not trained on, and fits the models."""

from dataclasses import replace

import numpy as np
import pytest
from glitchvae_recipe_seatbelt_robustness import material
from glitchvae_recipe_seatbelt_robustness.material import MATERIALS, Wanted

from glitchvae.errors import InputError
from glitchvae.spectrogram import SpectrogramSet
from glitchvae.validation.images.factors import FactorData, grid_of


def wanted(tmp_path, **changes):
    given = {"path": None, "events": 40, "images": 10, "reduction": 2, "folder": tmp_path}
    return Wanted(**{**given, **changes})


@pytest.fixture
def numbered(monkeypatch):
    """Sixty sprites, each as bright as its number."""
    pixels = np.broadcast_to(np.arange(60, dtype=np.uint8)[:, None, None, None], (60, 1, 32, 32))
    made = FactorData(
        name="made",
        pixels=pixels.copy(),
        binary=False,
        factors=grid_of((6, 10)),
        names=("a", "b"),
        values=(np.arange(6.0), np.arange(10.0)),
        description="made",
    )
    monkeypatch.setattr(material, "draw_dsprites", lambda: made)
    monkeypatch.setattr(material, "drawn_chairs", lambda count: made)
    return made


@pytest.mark.parametrize("name", ["dsprites", "chairs"])
def test_pictures_are_reduced_and_apart(numbered, tmp_path, name):
    found = MATERIALS[name](wanted(tmp_path))
    assert found.network == {"network": "burgess", "image_shape": [1, 16, 16]}
    assert found.images.shape == (10, 1, 16, 16)
    trained = found.training.batch(slice(None)).x[:, 0, 0, 0].mul(255).round().tolist()
    attacked = found.images[:, 0, 0, 0].mul(255).round().long().tolist()
    assert len({*trained, *attacked}) == 50
    np.testing.assert_array_equal(found.factors, numbered.factors[attacked])


def test_pictures_to_attack_are_set_aside_first(numbered, tmp_path):
    found = MATERIALS["dsprites"](wanted(tmp_path, events=1000))
    assert (len(found.training), len(found.images)) == (50, 10)
    with pytest.raises(InputError, match="too few images"):
        MATERIALS["dsprites"](wanted(tmp_path, images=60))


def test_factors_that_hardly_vary_are_left_out(numbered, tmp_path, monkeypatch):
    rare, often = np.zeros((2, 60), int)
    rare[::20], often[::5] = 1, 1
    made = replace(
        numbered,
        factors=np.column_stack([rare, often]),
        names=("rare", "often"),
        values=(np.arange(2.0),) * 2,
    )
    monkeypatch.setattr(material, "draw_dsprites", lambda: made)
    found = MATERIALS["dsprites"](wanted(tmp_path, images=40, events=20))
    attacked = found.images[:, 0, 0, 0].mul(255).round().long().numpy()
    np.testing.assert_array_equal(found.factors, often[attacked][:, None])


def test_published_faces_are_read_from_their_tensor(published_faces, tmp_path):
    found = MATERIALS["faces"](wanted(tmp_path, path=published_faces.path, reduction=1))
    assert found.network == {"network": "burgess", "image_shape": [1, 64, 64]}
    assert (len(found.training), len(found.images)) == (14, 10)
    images = published_faces.tensor.reshape(-1, 64, 64)
    for picture, factors in zip(found.images, found.factors, strict=True):
        row = np.flatnonzero((images == picture[0].mul(255).round()).all(dim=(1, 2)))
        assert factors.tolist() == list(np.unravel_index(int(row[0]), (2, 3, 2, 2)))


def test_celeba_keeps_its_published_parts_apart(published_celeba, tmp_path):
    given = wanted(tmp_path, path=published_celeba, images=2, reduction=2)
    found = MATERIALS["celeba"](given)
    assert found.network == {"network": "burgess", "image_shape": [3, 32, 32]}
    brightness = found.images[:, 0, 8:-8, 8:-8].mul(255).mean(dim=(1, 2))
    assert brightness.tolist() == pytest.approx([60, 70], abs=8)  # pictures 4 and 5
    trained = found.training.batch(slice(None)).x[:, 0, 8:-8, 8:-8].mul(255).mean(dim=(1, 2))
    assert trained.tolist() == pytest.approx([20, 30], abs=8)
    # Of 40 attributes the first alone differs between 4 and 5.
    assert found.factors.tolist() == [[0], [1]]


@pytest.mark.parametrize("name", ["faces", "celeba"])
def test_what_cannot_be_drawn_needs_a_path(tmp_path, name):
    with pytest.raises(InputError, match=f"no path to the published {name}"):
        MATERIALS[name](wanted(tmp_path))


def glitches(rng, split):
    count, numbers = len(split), np.full(len(split), 10.0)
    names = ("snr", "peak_frequency", "q", "duration", "bandwidth", "block_duration")
    return SpectrogramSet(
        images=rng.uniform(0, 20, (count, 4, 140, 170)),
        event_id=[f"e{k}" for k in range(count)],
        gps=1000.0 + np.arange(count),
        ifo=["H1"] * count,
        f_max=np.full(count, 2048.0),
        status=["ok"] * count,
        label=["Blip", "Koi_Fish"] * (count // 2),
        split=split,
        **dict.fromkeys(names, numbers),
    )


def test_test_events_of_a_set_are_attacked(rng, tmp_path):
    path = tmp_path / "set.h5"
    glitches(rng, ["train", "test", "test", "train", "validation", "test"]).write(path)
    found = MATERIALS["glitches"](wanted(tmp_path, path=path, images=2))
    assert found.network["glitch"] == {"image_shape": [70, 85]}
    assert found.images.shape == (2, 5, 70, 85)
    assert found.factors.tolist() == [[1], [0]]
    assert len(found.training.rows("train")) == 2


def test_a_set_without_test_events_is_refused(rng, tmp_path):
    path = tmp_path / "set.h5"
    glitches(rng, ["train", "train"]).write(path)
    with pytest.raises(InputError, match=r"no test events to attack.*dataset split"):
        MATERIALS["glitches"](wanted(tmp_path, path=path))


def test_images_are_fitted_to_a_model_or_refused(numbered):
    assert numbered.fitted((1, 32, 32)) is numbered
    assert numbered.fitted((1, 8, 8)).shape == (1, 8, 8)
    for shape in ((1, 64, 64), (3, 32, 32), (1, 24, 24)):
        with pytest.raises(InputError, match=r"images do not fit the model.*found \(1, 32, 32\)"):
            numbered.fitted(shape)

"""A model meets the pictures that its card names, and no others."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from glitchvae.errors import InputError
from glitchvae.validation.images import picture_sets
from glitchvae.validation.images.factors import FactorData, grid_of
from glitchvae.validation.images.picture_sets import training_pictures


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
    monkeypatch.setattr(picture_sets, "draw_dsprites", lambda: made)
    monkeypatch.setattr(picture_sets, "draw_chairs", lambda *places: made)
    return made


def trained_on(description, shape=(1, 16, 16)):
    """What is asked of a checkpoint of pictures."""
    card = SimpleNamespace(data=SimpleNamespace(description=description))
    model = SimpleNamespace(settings=SimpleNamespace(image_shape=shape))
    return SimpleNamespace(card=card, model=model, path=Path("mine"))


@pytest.mark.parametrize(
    ("description", "path", "expected"),
    [
        ("dSprites, drawn", None, "draw_dsprites"),
        ("dSprites, dsprites.npz, 1/2 size", None, "draw_dsprites"),
        ("dSprites, drawn", "d.npz", "read_dsprites d.npz"),
        ("parametric chairs, drawn, 1/2 size", None, "draw_chairs"),
        ("3D Chairs, rendered_chairs", "chairs", "read_chairs chairs"),
        ("3D Faces, basel.pth", "basel.pth", "read_faces basel.pth"),
        ("CelebA, train", "celeba", "read_celeba celeba"),
    ],
)
def test_a_model_meets_the_pictures_its_card_names(
    numbered, monkeypatch, description, path, expected
):
    called = []
    for name in ("dsprites", "chairs"):
        drawn = f"draw_{name}"
        monkeypatch.setattr(picture_sets, drawn, lambda *_, n=drawn: called.append(n) or numbered)
    for name in ("dsprites", "chairs", "faces", "celeba"):
        read = f"read_{name}"
        monkeypatch.setitem(
            picture_sets._READ, name, lambda p, n=read: called.append(f"{n} {p}") or numbered
        )
    found = training_pictures(trained_on(description), 10, path and Path(path))
    assert called == [expected]
    assert found.shape == (1, 16, 16)


@pytest.mark.parametrize("description", ["", "made up", "dSprites of mine", "set.h5"])
def test_pictures_that_the_card_does_not_name_are_not_guessed(numbered, description):
    with pytest.raises(InputError, match=r"mine: the card does not tell .*--set dsprites\|chairs"):
        training_pictures(trained_on(description), 10)
    assert training_pictures(trained_on(description), 10, None, "chairs").shape == (1, 16, 16)


@pytest.mark.parametrize(
    "description", ["3D Chairs, rendered_chairs", "3D Faces, a.pth", "CelebA, all"]
)
def test_published_pictures_are_not_replaced_by_drawn_ones(numbered, description):
    with pytest.raises(InputError, match=r"that cannot be drawn.*--data"):
        training_pictures(trained_on(description), 10)

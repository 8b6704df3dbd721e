"""Views cut out of the longest one: the same times, the same rows, from every layout."""

import h5py
import numpy as np
import pytest
import torch
from PIL import Image

from glitchvae.dataset import read_images
from glitchvae.dataset.zooming import zoom_energies, zoom_views
from glitchvae.errors import ConfigError
from glitchvae.shapes import IMAGE_SHAPE, VIEWS
from glitchvae.spectrogram import SpectrogramSet, energy_to_pixel
from glitchvae.spectrogram.canvas import PICTURE, view_canvas, zoom_weights


def drawn(duration, at, width):
    """The image that Gravity Spy's canvas makes of an energy that rises and falls in time."""
    canvas = view_canvas(duration)
    energy = 1 + 15 * np.exp(-0.5 * ((canvas.grid.times - at) / width) ** 2)
    rows = np.repeat(energy[None, None], len(canvas.grid.frequencies), axis=1)
    return canvas.image(torch.from_numpy(rows.astype(np.float32)))[0].numpy()


@pytest.mark.parametrize("at", [0.0, 0.11, -0.2])
@pytest.mark.parametrize("duration", VIEWS[:-1])
def test_a_zoomed_view_shows_the_event_at_its_time(duration, at):
    views = zoom_views(energy_to_pixel(drawn(4.0, at, 0.08)), 4.0)
    expected = energy_to_pixel(drawn(duration, at, 0.08))
    assert np.abs(views[duration] - expected).max() < 0.03


def test_a_view_out_of_itself_is_itself():
    np.testing.assert_allclose(zoom_weights(1.0, 1.0, 85), np.eye(85), atol=1e-4)


def test_every_column_is_an_average_of_columns():
    weights = zoom_weights(4.0, 0.5, 170)
    np.testing.assert_allclose(weights.sum(axis=0), 1.0, atol=1e-5)
    assert (weights >= 0).all()
    assert np.flatnonzero(weights.any(axis=1)).size == pytest.approx(170 / 8, abs=2)


def test_rows_that_were_not_computed_stay_missing(rng):
    images = rng.uniform(0, 20, (2, 4, *IMAGE_SHAPE)).astype(np.float16)
    images[0, :, 120:] = np.nan
    images[1] = np.nan
    zoomed = zoom_energies(images, 4.0)
    assert zoomed.dtype == images.dtype
    assert np.isnan(zoomed[0, :, 120:]).all()
    assert np.isfinite(zoomed[0, :, :120]).all()
    assert np.isnan(zoomed[1]).all()
    np.testing.assert_allclose(zoomed[0, 3, :120], images[0, 3, :120], atol=0.02)


def official(path, views):
    with h5py.File(path, "w") as file:
        for view, pixels in views.items():
            file[f"Blip/train/event/{view:.1f}.png"] = pixels[None]
    return path


def test_a_published_set_of_one_view_has_all_four(tmp_path, rng):
    picture = rng.uniform(0.1, 0.8, IMAGE_SHAPE)
    path = official(tmp_path / "single.h5", {4.0: picture})
    assert list(read_images(path).status) == ["missing_view"]
    found = read_images(path, from_view=4.0)
    assert list(found.status) == ["ok"]
    middle = energy_to_pixel(found.images[0, 2].astype(np.float32))[::-1]
    np.testing.assert_allclose(middle, picture @ zoom_weights(4.0, 2.0, 170), atol=0.01)


def test_an_event_without_the_longest_view_misses_it(tmp_path, rng):
    views = {view: rng.uniform(0.1, 0.8, IMAGE_SHAPE) for view in (0.5, 1.0, 2.0)}
    path = official(tmp_path / "short.h5", views)
    assert list(read_images(path, from_view=4.0).status) == ["missing_view"]


def test_a_longest_view_of_another_size_is_marked(tmp_path):
    path = official(tmp_path / "small.h5", {4.0: np.full((60, 71), 0.5)})
    assert list(read_images(path, from_view=4.0).status) == ["bad_pixels"]


def test_a_large_picture_is_cut_before_it_is_reduced(tmp_path):
    """Stripes narrower than a column of the classifier input survive in the 0.5 s view."""
    grey = np.full(PICTURE, 0.3)
    grey[:, 388 - 24 : 388 + 24 : 4] = 0.7
    grey[:, 388 - 23 : 388 + 24 : 4] = 0.7
    colours = np.repeat((255 * grey[..., None]).astype(np.uint8), 3, axis=2)
    folder = tmp_path / "pictures" / "Blip"
    folder.mkdir(parents=True)
    Image.fromarray(colours).save(folder / "H1_abc_spectrogram_4.0.png")
    found = read_images(tmp_path / "pictures", from_view=4.0)
    assert list(found.status) == ["ok"]
    shortest, longest = energy_to_pixel(found.images[0, [0, 3], 70].astype(np.float32))
    of_the_input = longest @ zoom_weights(4.0, 0.5, IMAGE_SHAPE[1])
    edges = [np.count_nonzero(np.diff(view[40:130] > 0.5)) for view in (shortest, of_the_input)]
    stripes = 90 / 170 * (566 / 8) / 4  # that the middle of the view holds, two edges each
    assert edges[0] == pytest.approx(2 * stripes, abs=2)
    assert edges[1] < stripes


def test_an_own_set_is_zoomed_part_by_part(tmp_path, rng):
    count = 3
    column = np.ones(count)
    names = ("snr", "peak_frequency", "q", "duration", "bandwidth", "f_max", "block_duration")
    own = SpectrogramSet(
        images=rng.uniform(0, 20, (count, 4, *IMAGE_SHAPE)),
        event_id=["a", "b", "c"],
        gps=column,
        ifo=["H1"] * count,
        status=["ok", "gap", "ok"],
        **dict.fromkeys(names, column),
    )
    own.write(tmp_path / "own.h5")
    found = read_images(tmp_path / "own.h5", from_view=4.0)
    np.testing.assert_array_equal(found.images[0], zoom_energies(own.images, 4.0)[0])
    assert list(found.status) == ["ok", "gap", "ok"]


@pytest.mark.parametrize("view", [2.0, 8.0, np.nan])
def test_only_the_longest_view_holds_the_others(tmp_path, view):
    with pytest.raises(ConfigError, match="4 s, the longest view"):
        read_images(tmp_path, from_view=view)

"""Thumbnails: the right way up, in viridis, and none where there is no image."""

import base64
from io import BytesIO

import numpy as np
from PIL import Image

from glitchvae.report.pictures import draw_rows, draw_within, montage, strip
from glitchvae.shapes import ENERGY_CEILING


def views(value=0.0):
    return np.full((4, 140, 170), value, dtype=np.float32)


def test_low_and_high_energy_are_the_ends_of_viridis():
    assert tuple(strip(views(0.0))[0, 0]) == (68, 1, 84)
    assert tuple(strip(views(ENERGY_CEILING))[0, 0]) == (253, 231, 37)


def test_high_frequencies_are_on_top_and_what_was_not_computed_is_grey():
    images = views()
    images[:, 100:] = np.nan
    images[:, :10] = ENERGY_CEILING
    picture = strip(images)
    assert picture.shape == (140, 4 * 170 + 3 * 4, 3)
    assert tuple(picture[0, 0]) == (220, 220, 224)
    assert tuple(picture[-1, 0]) == (253, 231, 37)


def test_a_montage_has_the_shortest_view_first():
    images = views()
    images[1] = ENERGY_CEILING
    picture = montage(images)
    assert picture.shape == (142, 172, 3)
    assert tuple(picture[0, -1]) == (253, 231, 37)
    assert tuple(picture[0, 0]) == tuple(picture[-1, 0]) == tuple(picture[-1, -1]) == (68, 1, 84)


def test_rows_without_an_image_are_left_out(discovery, pictures):
    events = discovery.embeddings
    missing = (
        int(np.flatnonzero(events.event_id == "H1-000000")[0])
        if ("H1-000000" in events.event_id)
        else None
    )
    found = draw_rows(events, range(5), pictures, montage)
    assert set(found) == set(range(5)) - {missing}
    kind, data = found[4].split(",")
    assert kind == "data:image/webp;base64"
    assert Image.open(BytesIO(base64.b64decode(data))).size == (172, 142)
    assert draw_rows(events, range(5), None, montage) == {}


def test_as_many_pictures_as_the_bytes_hold_the_first_of_them_first(discovery, pictures):
    events, rows = discovery.embeddings, np.arange(5, 25)[::-1]
    everything = draw_within(events, rows, pictures, 10**7)
    assert list(everything) == rows.tolist()
    some = draw_within(events, rows, pictures, 20_000)
    assert 0 < len(some) < len(rows)
    assert list(some) == rows[: len(some)].tolist()
    assert sum(map(len, some.values())) <= 20_000
    data = base64.b64decode(next(iter(some.values())).split(",")[1])
    assert Image.open(BytesIO(data)).size == (86, 71)

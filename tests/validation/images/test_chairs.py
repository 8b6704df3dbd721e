"""3D Chairs: the published tree read, parametric chairs drawn."""

import shutil

import numpy as np
import pytest
from PIL import Image

from glitchvae.errors import InputError
from glitchvae.validation.images.chairs import AZIMUTHS, ELEVATIONS, VIEWS, draw_chairs, read_chairs
from glitchvae.validation.images.raycasting import Box, Camera, nearest, see

AZIMUTH_NAMES = [int(a) for a in AZIMUTHS]


@pytest.fixture(scope="module")
def drawn():
    return draw_chairs(AZIMUTHS[[3]], ELEVATIONS[:1])


def write_tree(folder, chairs=2, leave_out=()):
    for chair in range(chairs):
        renders = folder / f"chair{chair}" / "renders"
        renders.mkdir(parents=True)
        for number, (elevation, azimuth) in enumerate(
            (e, a) for e in (20, 30) for a in AZIMUTH_NAMES
        ):
            if (chair, elevation, azimuth) in leave_out:
                continue
            picture = np.full((60, 60, 3), 255, np.uint8)
            picture[20:40, 20:40] = (chair + 1) * 40 + (elevation == 30)
            name = f"image_{number + 1:03d}_p{elevation:03d}_t{azimuth:03d}_r096.png"
            Image.fromarray(picture).save(renders / name)
    (folder / "all_chair_names.mat").write_bytes(b"")
    return folder


def test_the_published_tree_is_read_with_its_factors(tmp_path):
    chairs = read_chairs(write_tree(tmp_path))
    assert chairs.sizes == (2, 31, 2)
    assert len(chairs) == 2 * VIEWS
    assert chairs.shape == (1, 64, 64)
    assert np.array_equal(chairs.factors.T, np.indices(chairs.sizes).reshape(3, -1))
    assert chairs.values[2].tolist() == [20, 30]
    middle = chairs.pixels[:, 0, 32, 32]
    expected = (chairs.factors[:, 0] + 1) * 40 + chairs.factors[:, 2]
    assert (middle == expected).all()
    # The outer sixth of each side is cut away: 20 of 40 pixels are dark, 32 of 64.
    assert (chairs.pixels[0, 0, 32] < 200).sum() == 32


def test_missing_views_are_counted_and_named(tmp_path):
    gone = {(1, 20, AZIMUTH_NAMES[3]), (1, 30, AZIMUTH_NAMES[4])}
    with pytest.raises(InputError, match=r"of 1 of 2 chairs.*62 of each.*chair1 lacks 2") as error:
        read_chairs(write_tree(tmp_path, leave_out=gone))
    assert f"p020_t{AZIMUTH_NAMES[3]:03d}, p030_t{AZIMUTH_NAMES[4]:03d}" in str(error.value)


def test_a_chair_without_any_view_is_missed_too(tmp_path):
    tree = write_tree(tmp_path)
    shutil.rmtree(tree / "chair1" / "renders")
    with pytest.raises(InputError, match=r"1 of 2 chairs.*chair1 lacks 62 \(p020_t011"):
        read_chairs(tree)


def test_a_view_that_every_chair_lacks_is_missed_too(tmp_path):
    gone = {(chair, 20, AZIMUTH_NAMES[3]) for chair in range(2)}
    with pytest.raises(
        InputError, match=r"expected 62 of a chair, 31 at.*found 61: 30 at p020, 31 at"
    ):
        read_chairs(write_tree(tmp_path, leave_out=gone))


def test_a_folder_without_chairs_and_a_damaged_picture_are_named(tmp_path):
    with pytest.raises(InputError, match="the folder holds no chairs"):
        read_chairs(tmp_path)
    tree = write_tree(tmp_path / "tree", chairs=1)
    victim = sorted((tree / "chair0" / "renders").iterdir())[0]
    victim.write_bytes(b"no picture")
    with pytest.raises(InputError, match=rf"{victim.name}: not a readable picture"):
        read_chairs(tree)


def test_every_mixture_of_parts_is_drawn_and_differs(drawn):
    assert drawn.names[:5] == ("width", "height", "back", "legs", "arms")
    assert drawn.sizes == (3, 3, 4, 3, 2, 1, 1)
    assert np.array_equal(drawn.factors.T, np.indices(drawn.sizes).reshape(7, -1))
    flat = drawn.pixels.reshape(len(drawn), -1)
    assert len(np.unique(flat, axis=0)) == len(drawn)


def test_chairs_stand_inside_the_picture_on_white(drawn):
    images = drawn.pixels[:, 0]
    edges = np.concatenate([images[:, 0], images[:, -1], images[:, :, 0], images[:, :, -1]], axis=1)
    assert (edges == 255).all()
    assert ((images < 250).mean(axis=(1, 2)) > 0.02).all()


def test_wider_and_taller_chairs_cover_more(drawn):
    dark = (drawn.pixels[:, 0] < 250).sum(axis=(1, 2))
    for factor in (0, 4):
        means = [dark[drawn.factors[:, factor] == v].mean() for v in range(drawn.sizes[factor])]
        assert means == sorted(means)


def test_a_box_is_seen_at_its_distance_and_size():
    cube = Box(centre=(0, 0, 0.5), half=(0.2, 0.2, 0.2), turn=np.eye(3))
    camera = Camera(azimuth=0, elevation=0, target=0.5, distance=4, view=1.0, pixels=101)
    depth, shade = see((cube,), camera)
    assert depth[50, 50] == pytest.approx(3.8, abs=1e-4)
    seen = np.isfinite(depth[50]).sum()
    assert seen == pytest.approx(101 * 0.2 * 4 / 3.8, abs=1)  # the near face, in perspective
    assert (shade[~np.isfinite(depth)] == 1).all()


def test_a_turned_box_is_the_same_from_a_camera_turned_with_it(rng):
    angle = np.radians(35)
    turn = np.array(
        [[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]]
    )
    straight = Box(centre=(0, 0, 0.5), half=(0.3, 0.1, 0.2), turn=np.eye(3))
    turned = Box(centre=(0, 0, 0.5), half=(0.3, 0.1, 0.2), turn=turn)
    a = see((straight,), Camera(azimuth=20, elevation=25, pixels=64)).depth
    b = see((turned,), Camera(azimuth=55, elevation=25, pixels=64)).depth
    assert (np.isfinite(a) == np.isfinite(b)).mean() > 0.999
    both = np.isfinite(a) & np.isfinite(b)
    assert a[both] == pytest.approx(b[both], abs=1e-3)


def test_the_nearer_of_two_boxes_hides_the_other():
    near = Box(centre=(0, -1, 0.5), half=(0.1, 0.1, 0.1), turn=np.eye(3), grey=0.2)
    far = Box(centre=(0, 1, 0.5), half=(0.4, 0.1, 0.4), turn=np.eye(3), grey=0.9)
    camera = Camera(azimuth=0, elevation=0, target=0.5, pixels=65)
    together = see((far, near), camera)
    apart = nearest((see((near,), camera), see((far,), camera)))
    assert (together.depth == apart.depth).all()
    assert together.shade[32, 32] < 0.2 < together.shade[32, 22]

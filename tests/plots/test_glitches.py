"""Contact sheets and reconstructions: every glitch is there, legible, and the file is a PNG."""

import math

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib import colormaps
from PIL import Image

from glitchvae import plots
from glitchvae.errors import InputError, StorageError
from glitchvae.shapes import ENERGY_CEILING, IMAGE_SHAPE, VIEWS
from glitchvae.spectrogram import row_frequencies
from glitchvae.status import Status


def panels(figure):
    """Images in the blocks of a page; the first axes is the scale of colours."""
    return [image for axes in figure.axes[1:] for image in axes.get_images()]


def texts(figure):
    return [t.get_text() for axes in figure.axes for t in (*axes.texts, axes.title)] + [
        axes.get_title(loc="left") for axes in figure.axes
    ]


@pytest.mark.parametrize("count", [1, 3, 13])
def test_sheet_shows_four_panels_of_every_glitch(glitches, count, tmp_path, saved):
    lines = [f"caption {n}" for n in range(count)]
    plots.contact_sheet(glitches(count), lines, tmp_path / "sheet.png")
    assert len(panels(saved[0])) == len(VIEWS) * count
    assert set(lines) <= set(texts(saved[0]))
    with Image.open(tmp_path / "sheet.png") as picture:
        picture.verify()
        assert picture.format == "PNG"


def test_blocks_lie_on_the_page_and_apart(glitches, tmp_path, saved):
    plots.contact_sheet(glitches(17), [""] * 17, tmp_path / "sheet.png")
    boxes = [axes.get_position() for axes in saved[0].axes]
    assert all(0 <= b.x0 < b.x1 <= 1 and 0 <= b.y0 < b.y1 <= 1 for b in boxes)
    apart = [
        a.x1 <= b.x0 or b.x1 <= a.x0 or a.y1 <= b.y0 or b.y1 <= a.y0
        for n, a in enumerate(boxes)
        for b in boxes[:n]
    ]
    assert all(apart)


def test_more_glitches_than_fit_shows_the_loudest_and_says_so(glitches, tmp_path, saved):
    spectrograms = glitches(plots.EVENTS_PER_SHEET + 5)
    captions = [f"caption {n}" for n in range(len(spectrograms))]
    plots.contact_sheet(spectrograms, captions, tmp_path / "sheet.png")
    assert len(panels(saved[0])) == len(VIEWS) * plots.EVENTS_PER_SHEET
    assert "caption 4" not in texts(saved[0])  # SNR grows with the number
    assert "caption 5" in texts(saved[0])
    footer = " ".join(t.get_text() for t in saved[0].texts)
    assert f"{plots.EVENTS_PER_SHEET} loudest of {len(spectrograms)}" in footer


def test_unusable_row_is_grey_with_its_status(glitches, tmp_path, saved):
    plots.contact_sheet(glitches(1, Status.NAN_IN_BLOCK), ["x"], tmp_path / "sheet.png")
    assert panels(saved[0]) == []
    assert len(saved[0].axes[1].patches) == len(VIEWS)
    assert "nan in block" in texts(saved[0])


def test_rows_above_the_band_are_hatched(glitches, tmp_path, saved):
    spectrograms = glitches(1)
    spectrograms.images[:, :, 105:] = np.nan  # the upper quarter
    plots.contact_sheet(spectrograms, ["x"], tmp_path / "sheet.png")
    axes = saved[0].axes[1]
    low, high = axes.get_ylim()
    assert [p.get_hatch() is not None for p in axes.patches] == [True] * len(VIEWS)
    assert axes.patches[0].get_height() == pytest.approx((high - low) / 4)


def test_frequency_axis_is_that_of_the_images(glitches, tmp_path, saved):
    """A row that the images place at 256 Hz lies at the tick of 256 Hz."""
    plots.contact_sheet(glitches(1), ["x"], tmp_path / "sheet.png")
    axes = saved[0].axes[1]
    low, high = axes.get_ylim()
    row = int(np.argmin(abs(row_frequencies() - 256)))
    drawn = low + (row + 0.5) / IMAGE_SHAPE[0] * (high - low)
    assert 2**drawn == pytest.approx(row_frequencies()[row])
    assert [round(2**tick) for tick in axes.get_yticks()] == [16, 64, 256, 1024]


def test_colours_are_viridis_of_energy_with_frequency_upwards(glitches, tmp_path):
    """The picture itself: a bright lower half is bright below, and saturates at the ceiling."""
    spectrograms = glitches(1)
    spectrograms.images[:] = 0
    spectrograms.images[:, :, :70] = ENERGY_CEILING
    plots.contact_sheet(spectrograms, [""], tmp_path / "sheet.png")
    with Image.open(tmp_path / "sheet.png") as picture:
        pixels = np.asarray(picture.convert("RGB"), dtype=int)
    bright, dark = (np.rint(255 * np.array(colormaps["viridis"](e)[:3])) for e in (1.0, 0.0))
    rows_bright = np.nonzero((abs(pixels - bright).max(axis=2) <= 1).sum(axis=1) > 400)[0]
    rows_dark = np.nonzero((abs(pixels - dark).max(axis=2) <= 1).sum(axis=1) > 400)[0]
    assert rows_dark.max() < rows_bright.min()
    assert len(rows_dark) == pytest.approx(len(rows_bright), abs=4)


def test_one_glitch_has_axes_of_time_and_frequency(glitches, tmp_path):
    events = glitches(1)
    figure = plots.glitch_picture(
        events.images[0], tmp_path / "one.png", title="Blip 93 %", subtitle="H1-1"
    )
    views, bar = figure.axes[:4], figure.axes[4]
    for axes, seconds in zip(views, VIEWS, strict=True):
        assert axes.get_xlim() == (-seconds / 2, seconds / 2)
        assert axes.get_xlabel() == "Time from the trigger (s)"
        (image,) = axes.get_images()
        assert image.get_extent()[:2] == [-seconds / 2, seconds / 2]
        low, high = axes.get_ylim()
        centres = np.log2(row_frequencies())
        assert low < centres[0] < centres[-1] < high
    assert views[0].get_ylabel() == "Frequency (Hz)"
    shown = dict(zip(views[0].get_yticks(), views[0].get_yticklabels(), strict=True))
    assert all(2**tick == float(label.get_text()) for tick, label in shown.items())
    assert bar.get_ylabel() == "Normalised energy"
    assert {"Blip 93 %", "H1-1"} <= {text.get_text() for text in figure.texts}
    with Image.open(tmp_path / "one.png") as picture:
        picture.verify()


@pytest.mark.parametrize(
    ("status", "said"), [(Status.GAP, "gap"), (Status.OK, "no picture is kept")]
)
def test_one_glitch_without_a_picture_says_why(status, said):
    nothing = np.full((len(VIEWS), *IMAGE_SHAPE), np.nan)
    figure = plots.glitch_picture(nothing, None, title="x", status=status)
    assert not [image for axes in figure.axes[:4] for image in axes.get_images()]
    assert said in {text.get_text() for text in figure.texts}


def test_reconstructions_stand_beside_their_originals(glitches, tmp_path, saved):
    images = glitches(3).images
    plots.reconstructions(images, images / 2, ["a", "b", "c"], tmp_path / "page.png")
    left, right = (np.asarray(i.get_array()) for i in (panels(saved[0])[0], panels(saved[0])[4]))
    np.testing.assert_allclose(right, left / 2, rtol=1e-2)
    assert saved[0].axes[1].get_position().x1 < saved[0].axes[2].get_position().x0


def test_drawing_leaves_matplotlib_as_it_was(glitches, tmp_path):
    before = dict(mpl.rcParams)
    plots.contact_sheet(glitches(1), ["x"], tmp_path / "sheet.png")
    assert dict(mpl.rcParams) == before


def test_caption_leaves_out_what_is_unknown():
    line = plots.caption(
        gps=1126259462.42, ifo="H1", snr=18.63, status="ok", class_name="Chirp", probability=0.934
    )
    assert line == "Chirp 93%  ·  H1  ·  1126259462.420  ·  SNR 18.6"
    assert plots.caption(gps=math.nan, ifo="L1", snr=math.nan, status="gap") == "L1  ·  gap"


@pytest.mark.parametrize(("count", "captions"), [(2, ["one"]), (0, [])])
def test_wrong_numbers_are_refused(glitches, count, captions, tmp_path):
    with pytest.raises(InputError, match=r"sheet\.png"):
        plots.contact_sheet(glitches(count), captions, tmp_path / "sheet.png")


def test_unwritable_place_is_a_storage_error(glitches, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageError):
        plots.contact_sheet(glitches(1), ["x"], tmp_path / "file" / "sheet.png")


def test_the_defaults_of_other_libraries_do_not_change_the_page(glitches, tmp_path):
    set_ = glitches(2)
    plots.contact_sheet(set_, ["x", "y"], tmp_path / "plain.png")
    with mpl.rc_context({"axes.grid": True, "font.size": 30}):
        plots.contact_sheet(set_, ["x", "y"], tmp_path / "other.png")
    assert (tmp_path / "plain.png").read_bytes() == (tmp_path / "other.png").read_bytes()

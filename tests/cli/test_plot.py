"""`glitchvae plot`: from image sets and archives to a PNG."""

import dataclasses

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from glitchvae.archive import Archive, create_archive
from glitchvae.checkpoint import save_checkpoint
from glitchvae.cli import main
from glitchvae.embedding import Embeddings
from glitchvae.models import GlitchVAE, GlitchVAESettings
from glitchvae.plots import headlines_of
from glitchvae.shapes import IMAGE_SHAPE, VIEWS
from glitchvae.spectrogram import SpectrogramSet
from tests.cards import blank_card


def run(*arguments):
    return CliRunner(env={"COLUMNS": "300"}).invoke(main, ["plot", "sheet", *map(str, arguments)])


@pytest.fixture
def spectrograms(rng):
    numbers = np.arange(4.0)
    return SpectrogramSet(
        images=rng.uniform(0, 25.5, (4, len(VIEWS), *IMAGE_SHAPE)),
        event_id=list("abcd"),
        gps=1.2e9 + numbers,
        ifo=["H1"] * 4,
        snr=8 + numbers,
        peak_frequency=numbers,
        q=numbers,
        duration=numbers,
        bandwidth=numbers,
        f_max=np.full(4, 2048.0),
        block_duration=np.full(4, 8.0),
        status=["ok"] * 4,
        label=["Blip", "Tomte", "Blip", "Blip"],
    )


@pytest.fixture
def archive(spectrograms, tmp_path):
    codes = Embeddings(
        **spectrograms.event_columns(),
        mean=np.zeros((4, 2)),
        log_var=np.zeros((4, 2)),
        class_name=spectrograms.label,
        class_probability=np.ones(4),
        novelty_p=np.zeros(4),
        model={"name": "fake", "digest": "0" * 64},
    )
    archive = create_archive(tmp_path / "archive")
    archive.append(codes, spectrograms)
    return archive.path


@pytest.fixture(params=["archive", "file"])
def source(request, spectrograms, tmp_path):
    if request.param == "archive":
        return request.getfixturevalue("archive")
    spectrograms.write(tmp_path / "set.h5")
    return tmp_path / "set.h5"


def height(path):
    with Image.open(path) as picture:
        return picture.size[1]


def test_sheet_of_a_class_is_smaller_than_that_of_all(source, tmp_path):
    for name, options in (("all", ()), ("tomte", ("--class", "TMT"))):
        result = run(source, "-o", tmp_path / f"{name}.png", *options)
        assert result.exit_code == 0, result.output
    assert height(tmp_path / "tomte.png") < height(tmp_path / "all.png")


def test_a_glitch_of_an_archive_is_drawn_and_named(archive, tmp_path):
    def glitch(*arguments):
        command = ["plot", "glitch", *arguments, "--archive", str(archive)]
        return CliRunner(env={"COLUMNS": "300"}).invoke(main, command)

    result = glitch("b", "-o", str(tmp_path / "b.png"))
    assert result.exit_code == 0, result.output
    with Image.open(tmp_path / "b.png") as picture:
        picture.verify()
    title, subtitle = headlines_of(Archive(archive).get("b"), 0)
    assert title.split("  ·  ")[:4] == ["Tomte", "labelled Tomte", "H1", "SNR 9.0"]
    assert subtitle.startswith("b  ·  2018-01-14 21:19:43.000 UTC  ·  GPS 1200000001.0000")
    result = glitch("bb", "-o", str(tmp_path / "bb.png"))
    assert result.exit_code == 3
    assert "no event 'bb'" in result.output


def test_no_glitch_of_the_class_is_one_line(source, tmp_path):
    result = run(source, "-o", tmp_path / "sheet.png", "--class", "Whistle")
    assert result.exit_code == 3
    assert "no glitch to draw" in result.output
    assert not (tmp_path / "sheet.png").exists()


def test_a_set_without_labels_has_no_class(spectrograms, tmp_path):
    dataclasses.replace(spectrograms, label=None).write(tmp_path / "set.h5")
    assert run(tmp_path / "set.h5", "-o", tmp_path / "a.png").exit_code == 0
    assert run(tmp_path / "set.h5", "-o", tmp_path / "b.png", "--class", "Blip").exit_code == 3


def test_another_file_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("no images")
    result = run(tmp_path / "notes.txt", "-o", tmp_path / "sheet.png")
    assert result.exit_code == 3
    assert "notes.txt" in result.output


def test_reconstructions_show_one_glitch_of_each_class(tiny_model, spectrograms, tmp_path):
    spectrograms.write(tmp_path / "set.h5")
    out = tmp_path / "page.png"
    arguments = ["plot", "reconstructions", tmp_path / "set.h5", "--model", tiny_model, "-o", out]
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    with Image.open(out) as picture:
        two_classes = picture.height
    arguments[2] = tmp_path / "one.h5"
    spectrograms.take([0]).write(tmp_path / "one.h5")
    CliRunner().invoke(main, [str(argument) for argument in arguments])
    with Image.open(out) as picture:
        assert picture.height < two_classes


def test_no_event_of_a_split_is_said(tiny_model, spectrograms, tmp_path):
    dataclasses.replace(spectrograms, split=["train"] * 4).write(tmp_path / "set.h5")
    arguments = [
        "plot",
        "reconstructions",
        tmp_path / "set.h5",
        "--model",
        tiny_model,
        "--split",
        "test",
        "-o",
        tmp_path / "page.png",
    ]
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exit_code == 3
    assert "found split test" in result.stderr


def test_traversals_tell_the_kl_of_each_row_and_draw_all_views(tmp_path, spectrograms, monkeypatch):
    """A shipped model has no log: its KL is that of the images."""
    images = tmp_path / "set.h5"
    spectrograms.write(images)
    drawn = {}

    def keep(pictures, names, values, path, *, title):
        drawn.update(shape=pictures.shape, names=names, values=values)

    monkeypatch.setattr("glitchvae.plots.glitch_traversals", keep)
    command = ["plot", "traversals", "annealed", "--dimensions", "3", "-o", str(tmp_path / "t.png")]
    assert CliRunner().invoke(main, [*command, "--images", str(images)]).exit_code == 0
    assert drawn["shape"] == (3, 5, 4, 70, 85)
    kl = [float(name.split("\n")[1].removesuffix(" nats")) for name in drawn["names"]]
    assert kl == sorted(kl, reverse=True)
    assert all(name.startswith("dim ") for name in drawn["names"])
    assert CliRunner().invoke(main, command).exit_code == 0
    assert drawn["names"] == ["dim 1", "dim 2", "dim 3"]


def test_no_kl_from_the_standard_normal_is_told_of_a_learnt_prior(
    tmp_path, spectrograms, monkeypatch
):
    images, drawn = tmp_path / "set.h5", []
    spectrograms.write(images)
    small = GlitchVAESettings(widths=(4,), hidden=8, latent_size=3, pseudo_inputs=2)
    save_checkpoint(tmp_path / "run", GlitchVAE(small), blank_card(data="0" * 64))
    monkeypatch.setattr("glitchvae.plots.glitch_traversals", lambda *a, **k: drawn.extend(a[1]))
    command = ["plot", "traversals", str(tmp_path / "run"), "--images", str(images)]
    assert CliRunner().invoke(main, [*command, "-o", str(tmp_path / "t.png")]).exit_code == 0
    assert drawn == ["dim 1", "dim 2", "dim 3"]

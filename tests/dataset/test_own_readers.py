"""Sets of images in a layout of a user's own, read by a made-up package."""

import gc
import sys
from importlib.metadata import EntryPoint

import numpy as np
import pytest

from glitchvae import plugins
from glitchvae.dataset import count_images, is_image_set, read_images, stream_images
from glitchvae.dataset.own_readers import has_readers
from glitchvae.errors import ConfigError, InputError

PACKAGE = '''
import numpy as np

from glitchvae.dataset import ImageReader
from glitchvae.spectrogram import SpectrogramSet

NUMBERS = ("gps", "snr", "peak_frequency", "q", "duration", "bandwidth", "f_max", "block_duration")


class Plain(ImageReader):
    """Energies (N, 4, 140, 170) in a file of numpy."""

    def accepts(self, path):
        return path.suffix == ".npy"

    def count(self, path):
        return len(np.load(path, mmap_mode="r"))

    def stream(self, path, size):
        images = np.load(path, mmap_mode="r")
        for start in range(0, len(images), size):
            part = np.asarray(images[start : start + size])
            yield SpectrogramSet(
                images=part.astype(np.float16),
                event_id=np.array([f"{path.stem}-{start + i}" for i in range(len(part))]),
                ifo=np.array(["H1"] * len(part)),
                status=np.array(["ok"] * len(part)),
                imaging={"name": "light"},
                **{name: np.full(len(part), 1.0) for name in NUMBERS},
            )
'''


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Writes the package and installs its reader, which is forgotten afterwards."""

    def install(text=PACKAGE, value="gv_layout:Plain"):
        (tmp_path / "gv_layout.py").write_text(text)
        monkeypatch.syspath_prepend(str(tmp_path))
        point = EntryPoint("layout", value, "glitchvae.readers")
        known = lambda group: [point] if group == point.group else []  # noqa: E731
        monkeypatch.setattr(plugins, "entry_points", known)

    yield install
    sys.modules.pop("gv_layout", None)
    gc.collect()  # classes live in circles
    monkeypatch.undo()
    assert not has_readers()


@pytest.fixture
def energies(tmp_path, rng):
    images = rng.exponential(1.0, (5, 4, 140, 170)).astype(np.float32)
    np.save(tmp_path / "set.npy", images)
    return tmp_path / "set.npy", images


def test_an_installed_reader_is_asked_of_what_is_in_no_layout_of_ours(package, energies):
    path, images = energies
    assert not is_image_set(path)
    with pytest.raises(InputError):
        read_images(path)
    package()
    assert is_image_set(path)
    assert count_images(path) == 5
    assert [len(part) for part in stream_images(path, size=2)] == [2, 2, 1]
    found = read_images(path)
    assert found.event_id.tolist() == [f"set-{i}" for i in range(5)]
    assert np.array_equal(found.images, images.astype(np.float16))
    (path.parent / "other.txt").write_text("no images")
    assert not is_image_set(path.parent / "other.txt")


def test_an_imported_reader_needs_no_entry_point(package, energies, monkeypatch):
    path, _ = energies
    package()
    monkeypatch.setattr(plugins, "entry_points", lambda group: [])
    plugins.import_modules(["gv_layout"])
    assert len(read_images(path)) == 5


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (("return path.suffix", "return 1 / 0 or path.suffix"), InputError, "ZeroDivisionError"),
        (("yield SpectrogramSet(", "yield dict("), InputError, "returns no images.*dict"),
        (("def count(", "def number("), ConfigError, "not complete.*count"),
        (("class Plain(ImageReader)", "class Plain"), ConfigError, "the object is not a reader"),
    ],
)
def test_a_bad_reader_is_one_sentence(package, energies, change, error, message):
    package(PACKAGE.replace(*change))
    with pytest.raises(error, match=message):
        read_images(energies[0])

"""An archive of made-up glitches, a tiny model that encoded it, and a quick simulator."""

import numpy as np
import pytest

from glitchvae.adapting import adapting, head, replay
from glitchvae.archive import create_archive, fill_from_images
from glitchvae.archive.known_classes import job_of
from glitchvae.checkpoint import load_checkpoint, save_checkpoint
from glitchvae.classes.prototypes import Prototypes
from glitchvae.embedding import encode_spectrograms
from glitchvae.models import GlitchVAE, GlitchVAESettings
from glitchvae.shapes import IMAGE_SHAPE
from glitchvae.simulate.truth import truth_of
from glitchvae.spectrogram import SpectrogramSet
from tests.cards import blank_card

CLASSES = ("Blip", "Koi_Fish", "No_Glitch", "Tomte", "Whistle")
COUNT, FEW, START = 160, 60, 1.2e9
ENOUGH, FEWEST = 25, 100  # in the place of 100 and 300, for speed


def draw_pictures(labels, rng, strength=12.0):
    """A bright band for each class, at a height of its own, in noise."""
    images = rng.exponential(1.0, (len(labels), 4, *IMAGE_SHAPE)).astype(np.float32)
    for image, name in zip(images, labels, strict=True):
        if name != "No_Glitch":
            row = 10 + 28 * CLASSES.index(name) + int(rng.integers(-3, 4))
            image[:, row : row + 8, 60:110] += strength * rng.uniform(0.3, 1.0)
    return images.clip(0, 25.5).astype(np.float16)


def make_set(labels, rng, *, ifo="H1", start=START, apart=700.0, split=None, strength=12.0):
    count = len(labels)
    gps = start + apart * np.arange(count)
    columns = ("snr", "peak_frequency", "q", "duration", "bandwidth")
    return SpectrogramSet(
        images=draw_pictures(labels, rng, strength),
        event_id=[f"{ifo}-{t:.4f}" for t in gps],
        gps=gps,
        ifo=[ifo] * count,
        **{name: rng.uniform(8, 20, count) for name in columns},
        f_max=np.full(count, 2048.0),
        block_duration=np.full(count, 64.0),
        status=np.full(count, "ok", dtype=object),
        label=labels,
        split=split,
        imaging={"name": "light"},
    )


def simulate_quickly(stretches, imaging, *, device="cpu"):
    """Pictures of the classes above in the place of simulated strain."""
    for stretch in stretches:
        rng = np.random.default_rng(stretch.seed)
        labels = np.array(CLASSES, dtype=object)[rng.integers(0, 5, len(stretch.labels))]
        split = np.full(len(labels), stretch.split, dtype=object)
        start = 1e9 + 512 * stretch.number
        made = make_set(labels, rng, ifo=stretch.ifo, start=start, apart=9.0, split=split)
        numbers = ("snr", "optimal_snr", "peak_frequency", "q", "duration", "bandwidth")
        rows = [
            {"gps": t, "label": n, "parameters": {}, **dict.fromkeys(numbers, 1.0)}
            for t, n in zip(made.gps, labels, strict=True)
        ]
        yield made, truth_of(stretch.ifo, rows, {})


def in_little(patch):
    """Quick simulation, and few events that are enough."""
    patch.setattr(replay, "simulate_dataset", simulate_quickly)
    for module in (adapting, head):
        patch.setattr(module, "ENOUGH_REAL", ENOUGH)
    patch.setattr(adapting, "FEWEST_EVENTS", FEWEST)


@pytest.fixture
def quick(monkeypatch):
    in_little(monkeypatch)


@pytest.fixture(scope="session")
def start_model(tmp_path_factory):
    """Folder of an untrained model whose head knows the classes of the pictures."""
    import torch

    torch.manual_seed(3)
    settings = GlitchVAESettings(image_shape=(20, 24), widths=(4, 8), hidden=64, latent_size=24)
    model, folder = GlitchVAE(settings), tmp_path_factory.mktemp("models") / "start"
    save_checkpoint(folder, model, blank_card(seed=3))
    rng = np.random.default_rng(11)
    labels = np.repeat(np.array(CLASSES, dtype=object), 30)
    rows = encode_spectrograms(make_set(labels, rng), load_checkpoint(folder))
    save_checkpoint(folder, model, blank_card(seed=3), Prototypes.fit(rows.mean, labels))
    return folder


def fill(folder, model, images):
    archive = create_archive(folder)
    job = job_of(model, catalog=archive.own_catalog, uncertainty=False)[0]
    fill_from_images(archive, images, job)
    return archive


@pytest.fixture(scope="session")
def truth():
    """Classes of the glitches in the archive, in the order of time."""
    kinds = np.array(["Blip", "Koi_Fish", "Whistle"], dtype=object)
    return kinds[np.random.default_rng(5).integers(0, 3, COUNT)]


@pytest.fixture(scope="session")
def pictures(truth):
    """Fainter than the simulated ones, and nobody labelled them."""
    made = make_set(truth, np.random.default_rng(6), strength=7.0)
    return SpectrogramSet(**{**vars(made), "label": None})


@pytest.fixture(scope="session")
def archive(tmp_path_factory, start_model, pictures):
    return fill(tmp_path_factory.mktemp("many") / "archive", start_model, pictures)


@pytest.fixture(scope="session")
def few(tmp_path_factory, start_model, pictures):
    """An archive of fewer glitches than the weights need."""
    place = tmp_path_factory.mktemp("few") / "archive"
    return fill(place, start_model, pictures.take(slice(0, FEW)))


@pytest.fixture(scope="session")
def labels(truth, pictures):
    """A few of each class."""
    rows = np.concatenate([np.flatnonzero(truth == n)[:8] for n in ("Blip", "Koi_Fish", "Whistle")])
    return {str(pictures.event_id[i]): str(truth[i]) for i in rows if i < FEW}

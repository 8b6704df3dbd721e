"""Fixtures shared by all tests: real data, figures that were drawn, a generator, a server."""

import http.server
import json
import os
import threading
from contextlib import contextmanager
from pathlib import Path

# Before torch is imported: a test that forks after torch has started threads would hang.
os.environ.setdefault("OMP_NUM_THREADS", "1")

from types import SimpleNamespace
from urllib.parse import urlsplit

import numpy as np
import pytest
import torch
from PIL import Image

from glitchvae import guard
from glitchvae.checkpoint import save_checkpoint
from glitchvae.classes.prototypes import Prototypes
from glitchvae.models import GlitchVAE, GlitchVAESettings
from glitchvae.plots import page
from glitchvae.validation.images import faces
from tests.cards import blank_card
from tests.emulated_cuda import emulated_cuda

DEFAULT_DATA = Path(__file__).parents[1] / ".." / "shared" / "data"


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real detector data, or a skip that says what is missing."""
    folder = Path(os.environ.get("GLITCHVAE_TEST_DATA", DEFAULT_DATA)).resolve()
    if not (folder / "strain").is_dir():
        pytest.skip(f"no real data at {folder}; set GLITCHVAE_TEST_DATA to the folder that has it")
    return folder


@pytest.fixture(scope="session")
def save_untrained():
    """Writes an untrained little model, for tests in which its codes may be anything."""

    def save(folder, codes=None, labels=None, *, latent_size=3, seed=0):
        torch.manual_seed(seed)
        model = GlitchVAE(GlitchVAESettings(widths=(4,), hidden=8, latent_size=latent_size))
        card = blank_card(seed=seed)
        prototypes = None if codes is None else Prototypes.fit(codes, labels)
        save_checkpoint(folder, model, card, prototypes)
        return folder

    return save


@pytest.fixture(params=["emulated", pytest.param("real", marks=pytest.mark.gpu)])
def cuda(request):
    """A CUDA device: one that is emulated, and with `-m gpu` the machine's own."""
    if request.param == "emulated":
        with emulated_cuda() as device:
            yield device
    elif torch.cuda.is_available():
        yield torch.device("cuda", 0)
    else:
        pytest.skip("no CUDA device")


@pytest.fixture
def read_here(monkeypatch):
    """Files are read in this process, where what a test patches is patched."""
    monkeypatch.setattr(guard._Reader, "serving", True)


@pytest.fixture
def saved(monkeypatch):
    """The figures that were drawn, beside being written."""
    figures = []
    write = page.save

    def keep(figure, path):
        figures.append(figure)
        write(figure, path)

    monkeypatch.setattr(page, "save", keep)
    return figures


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20260914)


@pytest.fixture
def published_faces(monkeypatch, tmp_path):
    """A file of 3D Faces in the published layout with fewer faces, turns and lights."""
    monkeypatch.setattr(faces, "SIZES", (2, 3, 2, 2))
    monkeypatch.setattr(faces, "_SHAPE", (2, 3, 2, 2, 64, 64))
    tensor = torch.randint(256, (2, 3, 2, 2, 64, 64), dtype=torch.uint8)
    torch.save(tensor, tmp_path / "basel_face_renders.pth")
    return SimpleNamespace(path=tmp_path / "basel_face_renders.pth", tensor=tensor)


@pytest.fixture
def published_celeba(tmp_path):
    """A folder of CelebA in the published layout with six pictures, two of each part.

    Picture i has the red 20 + 10 i in its middle and the binary digits of i as attributes.
    """
    folder = tmp_path / "celeba"
    (folder / "img_align_celeba").mkdir(parents=True)
    names = [f"{i + 1:06d}.jpg" for i in range(6)]
    lines = ["6", " ".join(f"attribute_{k}" for k in range(40))]
    for i, name in enumerate(names):
        picture = np.zeros((218, 178, 3), np.uint8)
        picture[35:183, 15:163] = (10 * i + 20, 100, 200)  # the middle 148 x 148
        Image.fromarray(picture).save(folder / "img_align_celeba" / name, quality=95)
        lines.append(f"{name}  " + " ".join("1" if (i >> k) & 1 else "-1" for k in range(40)))
    (folder / "list_attr_celeba.txt").write_text("\n".join(lines) + "\n")
    parts = [f"{name} {i // 2}" for i, name in enumerate(names)]
    (folder / "list_eval_partition.txt").write_text("\n".join(parts) + "\n")
    return folder


class Cut(bytes):
    """An answer of which the server sends only the first half."""


@pytest.fixture
def cut_short():
    return Cut


@pytest.fixture(scope="session")
def serve():
    """A server on loopback: `with serve({path: JSON value or bytes}) as (host, asked):`.

    For all else it answers with the status `missing`.
    """

    @contextmanager
    def serving(answers, missing=404):
        asked = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                asked.append(self.path)
                answer = answers.get(urlsplit(self.path).path)
                body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
                self.send_response(missing if answer is None else 200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body[: len(body) // 2] if isinstance(answer, Cut) else body)

            def log_message(self, *_):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", asked
        finally:
            server.shutdown()
            server.server_close()
            thread.join()

    return serving


@pytest.fixture
def direct(monkeypatch):
    """Requests to loopback pass by any proxy of the environment."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")

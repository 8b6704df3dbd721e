"""Made-up strain for the tests of this folder."""

import http.server
import json
import threading
from contextlib import contextmanager
from urllib.parse import urlsplit

import numpy as np
import pytest

from glitchvae.strain import Strain


class Cut(bytes):
    """An answer of which the server sends only the first half."""


@pytest.fixture
def cut_short():
    return Cut


@pytest.fixture(scope="session")
def make_strain():
    """White noise of 1e-21, the same for the same arguments."""

    def make(*, seconds=8.0, sample_rate=1024.0, start=1000000000.0, ifo="L1", channel=None):
        rng = np.random.default_rng([int(start), int(sample_rate)])
        values = 1e-21 * rng.standard_normal(round(seconds * sample_rate))
        return Strain(values=values, start=start, sample_rate=sample_rate, ifo=ifo, channel=channel)

    return make


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

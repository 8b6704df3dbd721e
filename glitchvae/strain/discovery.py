"""Discovery of strain data by GWOSC and gwdatafind."""

from __future__ import annotations

import logging
import math
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlparse

from igwn_segments import segment, segmentlist

from glitchvae.errors import InputError
from glitchvae.store import digest, replacing
from glitchvae.strain.opening import open_strain
from glitchvae.strain.source import StrainSource

GWOSC_HOST = "https://gwosc.org"
GWOSC_RATES: tuple[int, ...] = (4096, 16384)
"""Sample rates in Hz that GWOSC publishes."""

_SERVERS = ("GWDATAFIND_SERVER", "LIGO_DATAFIND_SERVER")
_LOG = logging.getLogger(__name__)
_REFUSALS = {
    401: "the server asks for a token",
    403: "the server refuses this token",
}
_SIGN_IN = "Get a SciToken with htgettoken, or a certificate, and try again."
_TIMEOUT = 60.0  # seconds without a byte from the server
_LARGEST_FILE = 2**30  # bytes; 4096 s at 16384 Hz are half of it
_LARGEST_ANSWER = 100  # files of one request, 4.7 days of strain
_CHUNK = 2**20  # bytes written at a time
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


def open_gwosc(
    ifo: str,
    start: float,
    end: float,
    *,
    host: str = GWOSC_HOST,
    sample_rate: int = 4096,
    cache: str | Path | None = None,
) -> StrainSource:
    """Open GWOSC data of a detector between two GPS times, downloaded once and kept.

    Args:
        ifo: Detector.
        start: GPS seconds.
        end: GPS seconds.
        host: The server.
        sample_rate: 4096 or 16384 Hz.
        cache: Where downloads are kept; by default `cache_folder()`.

    Raises:
        InputError: nothing was recorded or released then, the server cannot be reached, it is
            not asked by https, or it sends more than a file of strain has.
    """
    _require_interval(start, end)
    if sample_rate not in GWOSC_RATES:
        raise InputError(
            "GWOSC has no such sample rate",
            expected=" or ".join(map(str, GWOSC_RATES)),
            found=sample_rate,
        )
    folder = Path(cache) if cache is not None else cache_folder()
    _require_https(host)
    with network_errors(host):
        urls = _locate(ifo, start, end, host, sample_rate)
    if len(urls) > _LARGEST_ANSWER:
        raise InputError(
            "the time range is too long for one download",
            where=host,
            expected=f"at most {_LARGEST_ANSWER} files",
            found=f"{len(urls):,} files in GPS {start} to {end}",
            remedy="Ask for shorter spans, one after the other.",
        )
    files = [_download(url, folder / "gwosc") for url in urls]
    return open_strain(files, ifo=ifo).crop(start, end)


def find_strain(
    ifo: str,
    frametype: str,
    channel: str | None,
    start: float,
    end: float,
    *,
    host: str | None = None,
) -> StrainSource:
    """Frames of a site between two GPS times, found by a gwdatafind server.

    Args:
        ifo: Detector.
        frametype: Name of the data set, such as "H1_HOFT_C00".
        channel: Needed where the frames hold several.
        start: GPS seconds.
        end: GPS seconds.
        host: The server; by default that of the environment (GWDATAFIND_SERVER). Times
            for which it has no frames are warned of.

    Raises:
        InputError: no frames, or the server cannot be asked.
    """
    import gwdatafind

    _require_interval(start, end)
    host = host or next(filter(None, map(os.environ.get, _SERVERS)), None)
    if host is None:
        raise InputError(
            "no gwdatafind server is named",
            remedy=f"Set {_SERVERS[0]} to the server of your site, or give files.",
        )
    with network_errors(host):
        urls = gwdatafind.find_urls(
            ifo[0],
            frametype,
            math.floor(start),
            math.ceil(end),
            urltype="file",
            on_gaps="ignore",
            host=host,
        )
    if not urls:
        raise InputError(
            f"no frames {frametype} of {ifo}",
            where=host,
            found=f"none in GPS {start} to {end}",
            remedy="Check the frame type and the times.",
        )
    files = [Path(unquote(urlparse(url).path)) for url in urls]
    source = open_strain(files, ifo=ifo, channel=channel).crop(start, end)
    for gap in segmentlist([segment(start, end)]) - source.segments:
        _LOG.warning("%s: no frames %s of %s in GPS %s to %s", host, frametype, ifo, *gap)
    return source


def cache_folder() -> Path:
    """Folder of downloads: $GLITCHVAE_CACHE, else `glitchvae` in the platform's cache."""
    if named := os.environ.get("GLITCHVAE_CACHE"):
        return Path(named)
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "glitchvae"
    variable = "LOCALAPPDATA" if sys.platform == "win32" else "XDG_CACHE_HOME"
    return Path(os.environ.get(variable) or Path.home() / ".cache") / "glitchvae"


def _require_interval(start: float, end: float) -> None:
    if not (math.isfinite(start) and math.isfinite(end) and start < end):
        raise InputError(
            "the time range is empty", expected="start before end", found=f"{start} to {end}"
        )


def _locate(ifo: str, start: float, end: float, host: str, sample_rate: int) -> list[str]:
    """Addresses of the files that cover a time range, as few as possible."""
    from gwosc.locate import get_urls
    from gwosc.utils import url_segment

    first, last = math.floor(start), math.ceil(end)
    try:
        urls = get_urls(ifo, first, last, sample_rate=sample_rate, host=host.rstrip("/"))
    except ValueError as error:
        raise InputError(
            f"no open data of {ifo}",
            where=host,
            found=f"none that cover GPS {start} to {end}",
            remedy="Ask for a time within one released stretch, or open files you have.",
        ) from error
    spans = {url: url_segment(url) for url in urls}
    whole = [url for url, (a, b) in spans.items() if a <= first and b >= last]
    shortest = sorted(whole, key=lambda url: spans[url][1] - spans[url][0])[:1]
    return shortest or [url for url, (a, b) in spans.items() if a < last and b > first]


def _download(url: str, folder: Path) -> Path:
    """Path of the file at `url`, downloaded if it was not before."""
    import requests

    _require_https(url)
    name = PurePosixPath(urlparse(url).path).name
    path = folder / digest(url.encode())[:16] / name  # releases differ under the same name
    if path.exists():
        return path
    # inside `replacing`, for what requests raises is an OSError, yet not one of the disk
    with (
        replacing(path) as temporary,
        network_errors(url),
        requests.get(url, stream=True, timeout=_TIMEOUT) as response,
        temporary.open("wb") as stream,
    ):
        response.raise_for_status()
        _require_https(response.url)  # it may have been sent on
        for received, chunk in enumerate(response.iter_content(chunk_size=_CHUNK)):
            if received * _CHUNK >= _LARGEST_FILE:
                raise InputError(
                    "the server sends too much",
                    where=url,
                    expected=f"at most {_LARGEST_FILE:,} bytes",
                )
            stream.write(chunk)
    return path


def _require_https(url: str) -> None:
    """Refuse addresses without HTTPS, whose content could be changed on the way."""
    parts = urlparse(url)
    if parts.scheme != "https" and parts.hostname not in _LOOPBACK:
        raise InputError("not an address to download from", where=url, expected="https://…")


@contextmanager
def network_errors(
    host: str, *, remedy: str = "Files already on disk can be given instead."
) -> Iterator[None]:
    """Convert exceptions of the clients to one line that names the server.

    Args:
        host: What is asked.
        remedy: What the user can do where there is no answer.

    Raises:
        InputError: in place of what the clients raise.
    """
    import requests
    import tenacity
    from igwn_auth_utils import IgwnAuthError

    try:
        yield
    except (requests.ConnectionError, requests.Timeout, tenacity.RetryError) as error:
        raise InputError(
            "the server does not answer; is there a network?",
            where=host,
            found=_reason(error),
            remedy=remedy,
        ) from error
    except IgwnAuthError as error:
        raise InputError(
            "no access token is found", where=host, found=_reason(error), remedy=_SIGN_IN
        ) from error
    except requests.HTTPError as error:
        code = error.response.status_code if error.response is not None else None
        problem = _REFUSALS.get(code or 0, "the request failed")
        raise InputError(
            problem,
            where=host,
            found=_reason(error),
            remedy=_SIGN_IN if code in (401, 403) else None,
        ) from error
    except (requests.RequestException, ValueError) as error:
        raise InputError("the request failed", where=host, found=_reason(error)) from error


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0]

"""Strain that is not on disk yet, or not known where: GWOSC and gwdatafind."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlparse

from glitchvae.errors import InputError
from glitchvae.store import digest, replacing
from glitchvae.strain.opening import open_strain
from glitchvae.strain.source import StrainSource

GWOSC_HOST = "https://gwosc.org"
GWOSC_RATES: tuple[int, ...] = (4096, 16384)
"""Sample rates in Hz that GWOSC publishes."""

_TIMEOUT = 60.0  # seconds without a byte from the server


def open_gwosc(
    ifo: str,
    start: float,
    end: float,
    *,
    host: str = GWOSC_HOST,
    sample_rate: int = 4096,
    cache: str | Path | None = None,
) -> StrainSource:
    """Open data of a detector between two GPS times, downloaded once and kept.

    Args:
        ifo: Detector.
        start: GPS seconds.
        end: GPS seconds.
        host: The server.
        sample_rate: 4096 or 16384 Hz.
        cache: Where downloads are kept; by default `cache_folder()`.

    Raises:
        InputError: nothing was recorded or released then, or the server cannot be reached.
    """
    _require_interval(start, end)
    if sample_rate not in GWOSC_RATES:
        raise InputError(
            "GWOSC has no such sample rate",
            expected=" or ".join(map(str, GWOSC_RATES)),
            found=sample_rate,
        )
    folder = Path(cache) if cache is not None else cache_folder()
    with _network_errors(host):
        urls = _locate(ifo, start, end, host, sample_rate)
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
    """Frames of a site between two GPS times, found by its gwdatafind server.

    Args:
        ifo: Detector.
        frametype: Name of the data set, such as "H1_HOFT_C00".
        channel: Needed where the frames hold several.
        start: GPS seconds.
        end: GPS seconds.
        host: The server; by default that of the environment (GWDATAFIND_SERVER).

    Raises:
        InputError: no frames, or the server cannot be asked.
    """
    import gwdatafind

    _require_interval(start, end)
    with _network_errors(host or "the gwdatafind server"):
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
    return open_strain(files, ifo=ifo, channel=channel).crop(start, end)


def cache_folder() -> Path:
    """Where downloads are kept: $GLITCHVAE_CACHE, else `glitchvae` in the platform's cache."""
    if named := os.environ.get("GLITCHVAE_CACHE"):
        return Path(named)
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "glitchvae"
    variable = "LOCALAPPDATA" if sys.platform == "win32" else "XDG_CACHE_HOME"
    return Path(os.environ.get(variable) or Path.home() / ".cache") / "glitchvae"


def _require_interval(start: float, end: float) -> None:
    if not (math.isfinite(start) and math.isfinite(end) and start < end):
        raise InputError("no time span", expected="start before end", found=f"{start} to {end}")


def _locate(ifo: str, start: float, end: float, host: str, sample_rate: int) -> list[str]:
    """Addresses of the files that cover the time, the shortest one where one is enough."""
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
    """The file at `url`, fetched unless it was before."""
    import requests

    name = PurePosixPath(urlparse(url).path).name
    path = folder / digest(url.encode())[:16] / name  # releases differ under the same name
    if path.exists():
        return path
    # inside `replacing`, for what requests raises is an OSError, yet not one of the disk
    with (
        replacing(path) as temporary,
        _network_errors(url),
        requests.get(url, stream=True, timeout=_TIMEOUT) as response,
        temporary.open("wb") as stream,
    ):
        response.raise_for_status()
        stream.writelines(response.iter_content(chunk_size=1 << 20))
    return path


@contextmanager
def _network_errors(host: str) -> Iterator[None]:
    """What the clients raise, as one line that says what could not be reached."""
    import requests
    import tenacity

    try:
        yield
    except (requests.ConnectionError, requests.Timeout, tenacity.RetryError) as error:
        raise InputError(
            "no answer; is there a network?",
            where=host,
            found=_reason(error),
            remedy="Files already on disk can be given instead.",
        ) from error
    except (requests.RequestException, ValueError) as error:
        raise InputError("the request failed", where=host, found=_reason(error)) from error


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0]

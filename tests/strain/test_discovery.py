from pathlib import Path

import numpy as np
import pytest
from igwn_segments import segment

from glitchvae.errors import InputError
from glitchvae.strain import discovery, find_strain, open_gwosc, write_gwosc
from glitchvae.strain.discovery import cache_folder

START = 1000000000
NAME = "L-L1_GWOSC_O9_4KHZ_R1-1000000000-8.hdf5"
NOTHING = {"num_pages": 1, "next": None, "results": []}

pytestmark = pytest.mark.usefixtures("direct")


def page(*results):
    return NOTHING | {"results": list(results)}


@pytest.fixture
def files(make_strain, tmp_path):
    """Two adjoining files as GWOSC would name them, by name."""
    content = {}
    for start in (START, START + 8):
        path = tmp_path / NAME.replace(str(START), str(start))
        write_gwosc(path, make_strain(start=float(start), sample_rate=4096.0))
        content[path.name] = path.read_bytes()
    return content


@pytest.fixture
def gwosc(files, serve):
    """The parts of GWOSC's API that a search by time touches, with one run and no event."""
    answers = {f"/data/{name}": content for name, content in files.items()} | {
        "/api/v2/event-versions": NOTHING,
        "/api/v2/runs": page(
            {"name": "O9", "gps_start": START, "gps_end": START + 16, "detectors": ["H1", "L1"]}
        ),
    }
    with serve(answers) as (host, asked):
        answers["/api/v2/runs/O9/strain-files"] = page(
            *({"hdf5_url": f"{host}/data/{name}"} for name in files)
        )
        yield host, asked, answers


def test_open_data_by_name(gwosc, make_strain, tmp_path):
    host, asked, _ = gwosc
    source = open_gwosc("L1", START + 1, START + 5, host=host, cache=tmp_path / "cache")
    assert source.segments == [segment(START + 1, START + 5)]
    expected = make_strain(start=float(START), sample_rate=4096.0).crop(START + 1, START + 5)
    np.testing.assert_array_equal(source.read(START + 1, START + 5).values, expected.values)
    assert any("detector=L1" in path and "sample-rate=4" in path for path in asked)
    assert [path for path in asked if path.startswith("/data")] == [f"/data/{NAME}"]


def test_files_are_downloaded_once(gwosc, tmp_path, monkeypatch):
    host, asked, _ = gwosc
    monkeypatch.setenv("GLITCHVAE_CACHE", str(tmp_path / "kept"))
    for _ in range(2):
        source = open_gwosc("L1", START + 6, START + 10, host=host)
    assert len([path for path in asked if path.startswith("/data")]) == 2
    assert source.segments == [segment(START + 6, START + 10)]
    assert all(tmp_path / "kept" in path.parents for path in source.files)


def test_event_releases_come_first_and_the_shortest_file(gwosc, files, tmp_path):
    host, asked, answers = gwosc
    event = {
        "shortName": "GW1-v1",
        "gps": START + 4,
        "catalog": "GWTC-9-confident",
        "version": 1,
        "detectors": ["L1"],
    }
    long = f"{host}/long/L-L1_GWOSC_4KHZ_R1-{START - 2000}-4096.hdf5"
    answers["/api/v2/event-versions"] = page(event)
    answers["/api/v2/event-versions/GW1-v1/strain-files"] = page(
        {"gps_start": START - 2000, "duration": 4096, "download_url": long},
        {"gps_start": START, "duration": 8, "download_url": f"{host}/data/{NAME}"},
    )
    source = open_gwosc("L1", START + 1, START + 5, host=host, cache=tmp_path)
    assert [path.name for path in source.files] == [NAME]
    assert not any(path.startswith("/long") for path in asked)


def test_time_without_open_data(gwosc, tmp_path):
    host = gwosc[0]
    with pytest.raises(InputError, match=r"no open data of L1.*none that cover GPS 900000000"):
        open_gwosc("L1", 900000000, 900000008, host=host, cache=tmp_path)


def test_download_that_fails_leaves_no_file(gwosc, tmp_path):
    host, _, answers = gwosc
    del answers[f"/data/{NAME}"]
    with pytest.raises(InputError, match=r"the request failed.*404"):
        open_gwosc("L1", START + 1, START + 5, host=host, cache=tmp_path / "cache")
    assert not [path for path in tmp_path.glob("cache/**/*") if path.is_file()]


def test_download_cut_short_leaves_no_file(gwosc, cut_short, tmp_path):
    host, _, answers = gwosc
    answers[f"/data/{NAME}"] = cut_short(answers[f"/data/{NAME}"])
    with pytest.raises(InputError, match=NAME):
        open_gwosc("L1", START + 1, START + 5, host=host, cache=tmp_path / "cache")
    assert not [path for path in tmp_path.glob("cache/**/*") if path.is_file()]


def test_downloads_come_by_https_alone(gwosc, tmp_path):
    with pytest.raises(InputError, match=r"expected https://"):
        open_gwosc("L1", START, START + 4, host="http://gwosc.org", cache=tmp_path)
    host, asked, answers = gwosc
    answers["/api/v2/runs/O9/strain-files"] = page({"hdf5_url": f"http://example.org/{NAME}"})
    with pytest.raises(InputError, match=rf"http://example.org/{NAME}: .*expected https://"):
        open_gwosc("L1", START + 1, START + 5, host=host, cache=tmp_path)
    answers["/api/v2/runs/O9/strain-files"] = page({"hdf5_url": f"file:///etc/{NAME}"})
    with pytest.raises(InputError, match=r"expected https://"):
        open_gwosc("L1", START + 1, START + 5, host=host, cache=tmp_path)
    assert not any(path.startswith("/data") for path in asked)


def test_a_server_that_sends_too_much_leaves_no_file(gwosc, tmp_path, monkeypatch):
    host = gwosc[0]
    monkeypatch.setattr(discovery, "_CHUNK", 1000)
    monkeypatch.setattr(discovery, "_LARGEST_FILE", 10_000)
    with pytest.raises(InputError, match=rf"{NAME}: the server sends too much"):
        open_gwosc("L1", START + 1, START + 5, host=host, cache=tmp_path / "cache")
    assert not [path for path in tmp_path.glob("cache/**/*") if path.is_file()]


def test_more_files_than_one_request_may_have(gwosc, tmp_path, monkeypatch):
    monkeypatch.setattr(discovery, "_LARGEST_ANSWER", 1)
    with pytest.raises(InputError, match=r"at most 1 files; found 2 files"):
        open_gwosc("L1", START + 6, START + 10, host=gwosc[0], cache=tmp_path)


def test_no_network_says_so(tmp_path):
    with pytest.raises(InputError, match="is there a network") as caught:
        open_gwosc("L1", START, START + 4, host="http://127.0.0.1:9", cache=tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"start": START + 4, "end": START}, "expected start before end"),
        ({"sample_rate": 2048}, "expected 4096 or 16384; found 2048"),
    ],
)
def test_bad_requests(arguments, problem, tmp_path):
    with pytest.raises(InputError, match=problem):
        open_gwosc(**({"ifo": "L1", "start": START, "end": START + 4} | arguments), cache=tmp_path)


def test_frames_found_by_gwdatafind(files, serve, tmp_path, make_strain):
    urls = [f"file://localhost{tmp_path / name}" for name in files]
    path = f"/api/v1/gwf/L/L1_TEST/{START + 6},{START + 11}/file.json"
    with serve({path: urls}) as (host, asked):
        source = find_strain("L1", "L1_TEST", None, START + 6.5, START + 10.5, host=host)
    assert asked == [path]
    assert source.segments == [segment(START + 6.5, START + 10.5)]
    first = make_strain(start=float(START), sample_rate=4096.0)
    read = source.read(START + 6.5, START + 8)
    np.testing.assert_array_equal(read.values, first.crop(START + 6.5, START + 8).values)


def test_no_frames(serve):
    path = f"/api/v1/gwf/L/L1_TEST/{START},{START + 4}/file.json"
    with serve({path: []}) as (host, _), pytest.raises(InputError, match="no frames L1_TEST of L1"):
        find_strain("L1", "L1_TEST", None, START, START + 4, host=host)


def test_no_gwdatafind_server(monkeypatch):
    with pytest.raises(InputError, match="is there a network"):
        find_strain("L1", "L1_TEST", None, START, START + 4, host="http://127.0.0.1:9")
    monkeypatch.delenv("GWDATAFIND_SERVER", raising=False)
    monkeypatch.delenv("LIGO_DATAFIND_SERVER", raising=False)
    with pytest.raises(InputError, match=r"no gwdatafind server is named.*GWDATAFIND_SERVER"):
        find_strain("L1", "L1_TEST", None, START, START + 4)


def test_cache_folder_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("GLITCHVAE_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path
    monkeypatch.delenv("GLITCHVAE_CACHE")
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", "/cache")
    assert cache_folder() == Path("/cache/glitchvae")

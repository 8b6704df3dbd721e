"""glitchvae report: the page of a day, of any archive, and what it refuses."""

import dataclasses

import numpy as np
import pytest
from click.testing import CliRunner
from igwn_segments import segment, segmentlist

from glitchvae.archive import create_archive
from glitchvae.archive.ledger import FileContent, Search, SearchedFile, add_to_ledger, table_of
from glitchvae.cli import main
from tests.report.conftest import START, make_events


def report(*arguments):
    return CliRunner().invoke(main, ["report", *map(str, arguments)])


def fill(count=60, *, searched=("H1", "L1"), **options):
    events, _ = make_events(count, np.random.default_rng(1), **options)
    archive = create_archive("glitch-archive")
    archive.append(dataclasses.replace(events, label=None))
    keep_searched(archive, searched)
    return events


def keep_searched(archive, ifos):
    own = segmentlist([segment(START, START + 2e5)])
    rows = [
        SearchedFile(
            search=Search(ifo=ifo, snr=7.5, settings={}, sample_rate=4096.0),
            content=FileContent(path="strain.hdf5"),
            extent=own[0],
            examined=own,
            covered=own,
            searched=own,
        ).row()
        for ifo in ifos
    ]
    if rows:
        add_to_ledger(archive.path, [("searched", table_of("searched", rows))])


def test_a_day_holds_what_happened_on_it(home):
    events = fill()
    result = report("--day", "2019-04-02", "--link", "https://a.org/{gps}")
    assert result.exit_code == 0, result.output
    page = (home / "report-20190402.html").read_text(encoding="utf-8")
    first = 1238198418  # midnight
    own = (events.gps >= first) & (events.gps < first + 86400)
    assert 0 < own.sum() < len(events)
    assert f"{own.sum()} glitches" in page
    assert "2019-04-02 00:00" in page
    assert "H1 24 h" in page
    assert "https://a.org/12381" in page or "https://a.org/12382" in page
    assert "groups of unknown glitches were not looked for" in page
    assert "Traceback" not in result.output


def test_the_whole_archive_and_any_time_of_it(home):
    events = fill()
    assert report().exit_code == 0
    assert "60 glitches" in (home / "report.html").read_text(encoding="utf-8")
    result = report("--since", START + 1e5, "--until", START + 1.5e5, "-o", "some.html")
    assert result.exit_code == 0, result.output
    own = (events.gps >= START + 1e5) & (events.gps < START + 1.5e5)
    assert f"{own.sum()} glitches" in (home / "some.html").read_text(encoding="utf-8")


def test_a_page_gives_way_to_the_next_and_nothing_else_does(home):
    fill(20)
    assert report("-o", "page.html").exit_code == 0
    assert report("-o", "page.html").exit_code == 0
    (home / "thesis.html").write_text("<html>mine</html>")
    result = report("-o", "thesis.html")
    assert result.exit_code == 3
    assert "the path holds something other than a page of glitchvae" in result.output
    assert (home / "thesis.html").read_text() == "<html>mine</html>"
    assert "the name is not that of a page" in report("-o", "page.txt").output


@pytest.mark.parametrize("count", [3, 19])
def test_a_few_glitches_of_one_detector_are_a_page(home, count):
    events, _ = make_events(count, np.random.default_rng(2))
    one = dataclasses.replace(events, label=None, ifo=np.array(["L1"] * count, object))
    archive = create_archive("glitch-archive")
    archive.append(one)
    keep_searched(archive, ["L1"])
    result = report()
    assert result.exit_code == 0, result.output
    assert f"{count} glitches of L1" in (home / "report.html").read_text(encoding="utf-8")


def test_strain_without_a_glitch_has_live_time(home):
    archive = create_archive("glitch-archive")
    keep_searched(archive, ["H1"])
    (archive.path / "models" / "digest").mkdir(parents=True)
    result = report()
    assert result.exit_code == 0, result.output
    assert "no model" not in result.output  # without codes none is looked for
    page = (home / "report.html").read_text(encoding="utf-8")
    assert "0 glitches of H1" in page
    assert "H1 55.6 h" in page


def test_a_day_that_was_not_searched_says_so(home):
    fill()
    result = report("--day", "2019-05-01")
    assert result.exit_code == 0, result.output
    page = (home / "report-20190501.html").read_text(encoding="utf-8")
    assert "0 glitches of H1, L1" in page
    assert "nothing searched" in page
    assert "no strain of this time was searched" in result.output
    assert "no strain" not in report().output


def test_images_without_times(home):
    fill(30, timed=False, searched=())
    assert report().exit_code == 0
    page = (home / "report.html").read_text(encoding="utf-8")
    assert "The times of these glitches are unknown." in page
    result = report("--day", "2019-04-02")
    assert result.exit_code == 0, result.output
    assert "30 time unknown" in result.output


def test_equal_codes_within_a_minute(home):
    events, _ = make_events(40, np.random.default_rng(1))
    same = dataclasses.replace(
        events,
        label=None,
        gps=START + np.linspace(0, 50, 40),
        mean=np.ones_like(events.mean),
        class_name=np.array(["Blip"] * 40, object),
    )
    create_archive("glitch-archive").append(same)
    result = report()
    assert result.exit_code == 0, result.output


def test_two_models_are_not_mixed(home):
    fill()
    other, _ = make_events(20, np.random.default_rng(3))
    other = dataclasses.replace(other, label=None, model={"name": "other", "digest": "b" * 64})
    create_archive("glitch-archive").append(other)
    result = report()
    assert result.exit_code == 3
    assert "several models" in result.output
    assert report("--model", "other").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "said", "status"),
    [
        (("--day", "2019-04-31"), "the day is not valid", 3),
        (("--day", "today", "--since", "1e9"), "Give --day, or", 2),
        (("--since", "2e9", "--until", "1e9"), "the time range is empty", 3),
        (("--since", "soon"), "no GPS time", 2),
        (("--link", "javascript:alert(1)"), "the template of a link is not valid", 3),
        (("nowhere",), "not an archive", 3),
    ],
)
def test_what_cannot_be_is_one_line(home, arguments, said, status):
    create_archive("glitch-archive")
    result = report(*arguments)
    assert result.exit_code == status
    assert said in " ".join(result.output.split())
    assert "Traceback" not in result.output
    assert not list(home.glob("*.html"))

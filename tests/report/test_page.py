"""The page: whole, offline, and safe to open whatever the labels of the events are."""

import dataclasses
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from igwn_segments import segment, segmentlist

from glitchvae.discovery.displacement import VERDICT
from glitchvae.report import render_report, score_vetoes
from glitchvae.report.links import Link
from glitchvae.report.page import _chance, _figures, _share, environment
from glitchvae.report.plane import PICTURE_BYTES
from tests.report.conftest import START

EVIL = "</script><script>alert(1)</script><img src=x onerror=alert(2)>"


class Page(HTMLParser):
    """Tags that fetch something, and how they nest."""

    def __init__(self, text):
        super().__init__()
        self.sources, self.tags, self.text = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.sources += [v for k, v in attributes if k in {"src", "href", "srcset", "data"} and v]

    def handle_data(self, data):
        self.text.append(data)


def test_nothing_is_fetched(discovery, pictures):
    page = render_report(discovery, pictures=pictures, vetoes=score_vetoes(discovery))
    sources = Page(page).sources
    assert sources
    assert all(source.startswith(("data:", "#")) for source in sources)
    linked = render_report(discovery, pictures=pictures, link=Link("https://a.org/{gps}"))
    beyond = [s for s in Page(linked).sources if not s.startswith(("data:", "#"))]
    assert beyond
    assert all(source.startswith("https://a.org/1238") for source in beyond)
    assert "@import" not in page
    assert not re.search(r"<(script|link)[^>]+(src|href)=[\"']http", page)


@pytest.mark.parametrize("name", ["report.html", "audit.html"])
def test_a_browser_is_told_to_fetch_nothing(name):
    """What escaping might miss is not loaded either."""
    source, _, _ = environment().loader.get_source(environment(), name)
    policy = re.search(r'"Content-Security-Policy" content="([^"]*)"', source)
    assert policy
    directives = dict(part.split(maxsplit=1) for part in policy[1].split("; "))
    assert directives.pop("default-src") == "'none'"
    allowed = {word for sources in directives.values() for word in sources.split()}
    assert allowed <= {"'none'", "'unsafe-inline'", "'unsafe-eval'", "data:", "blob:"}


def test_every_section_says_what_was_found(discovery):
    text = " ".join("".join(Page(render_report(discovery)).text).split())
    for said in (
        "candidate-1",
        "Nothing known lies near it.",
        "new class",
        "Whistle",
        "Live time and rates",
        "Loudest",
        "Time, frequency, SNR",
        "Tomte",
        "90 %",
        "gap 2",
        "Run card",
    ):
        assert said in text, said


@pytest.mark.parametrize("where", ["label", "class_name", "event_id", "ifo"])
def test_a_tag_in_a_column_is_text(discovery, where):
    events = discovery.embeddings
    values = getattr(events, where).copy()
    values[[0, 3]] = EVIL
    page = render_report(
        dataclasses.replace(discovery, embeddings=dataclasses.replace(events, **{where: values}))
    )
    assert "<script>alert" not in page
    assert "<img src=x" not in page


def test_a_tag_in_a_name_or_in_a_setting_is_text(discovery):
    candidate = dataclasses.replace(
        discovery.candidates[0], name=EVIL, reason=EVIL, advice=EVIL, nearest=((EVIL, 1.0),)
    )
    known = (dataclasses.replace(discovery.known[0], name=EVIL + "2"), *discovery.known[1:])
    audit = (dataclasses.replace(discovery.audit[0], label=EVIL, suggested=EVIL),)
    changed = dataclasses.replace(
        discovery, candidates=(candidate,), known=known, audit=audit, excluded={EVIL: 1}
    )
    page = render_report(changed, notes={EVIL: EVIL}, card={EVIL: {EVIL: EVIL}})
    assert "<script>alert" not in page
    assert "<img src=x" not in page
    assert page.count("&lt;script&gt;alert(1)") >= 10


@pytest.mark.parametrize("count", [20, 60])
def test_without_times_and_pictures_the_page_says_so(make, count):
    page = render_report(make(count, timed=False))
    assert "The times of these glitches are unknown." in page
    assert "no picture" in page
    assert "live time unknown" in page
    assert 'id="from"' not in page


def text_of(page):
    return " ".join("".join(Page(page).text).split())


def lead_of(page):
    """The first paragraph after the title."""
    return text_of(page[page.index('<p class="lead">') : page.index("<nav")])


def test_the_first_paragraph_says_what_p_values_are_relative_to(discovery):
    lead = lead_of(render_report(discovery))
    assert "p-values are relative to simulated glitches" in lead
    assert "Live time H1 55.6 h, L1 55.6 h" in lead
    assert "live time unknown" not in lead.lower()


def test_without_live_time_there_is_no_rate(make):
    discovery = make(searched=False)
    page = render_report(discovery, vetoes=score_vetoes(discovery))
    assert "Live time unknown" in lead_of(page)
    text = text_of(page[page.index("<main") :])
    for said in ("/h ", "a month", "dead time", "drift", "never changed", "per hour over time"):
        assert said not in text, said
    assert "episodes over time" in text
    assert "efficiency" in text
    known = make()
    text = text_of(render_report(known, vetoes=score_vetoes(known)))
    for said in ("/h ", "a month", "dead time", "drift", "per hour over time"):
        assert said in text, said


def test_bars_of_a_rate_count_what_lies_in_live_time(discovery):
    events = discovery.embeddings
    middle = segmentlist([segment(START + 5e4, START + 1e5)])
    page = render_report(dataclasses.replace(discovery, live={"H1": middle, "L1": segmentlist()}))
    bars = re.findall(r'<span class="top">([\d.e+]+) /h', page)
    own = (events.ifo == "H1") & (events.gps >= START + 5e4) & (events.gps <= START + 1e5)
    times = events.gps[np.isfinite(events.gps)]
    bin_hours = (max(times.max(), START + 1e5) - times.min()) / 60 / 3600
    assert bars
    assert max(map(float, bars)) <= own.sum() / bin_hours


def test_nothing_found_is_a_page_too(discovery):
    nothing = dataclasses.replace(
        discovery,
        candidates=(),
        known=(),
        audit=(),
        excluded={},
        cluster=np.full(len(discovery.embeddings), -1),
    )
    assert "No group of glitches" in render_report(nothing)


def test_the_numbers_are_short():
    assert _figures(float("nan")) == _figures(None) == "–"
    assert _figures(1234.5, "Hz") == "1,234 Hz"
    assert _figures(0.012345) == "0.0123"
    assert _chance(0.00123) == "0.0012"
    assert _chance(1.34e-7) == "1.3·10⁻⁷"
    assert _chance(1e-10) == "< 1·10⁻¹⁰"
    assert _chance(float("nan")) == _share(float("nan")) == "unknown"
    assert _share(0.1234) == "12.3 %"
    assert _share(0.001234) == "0.12 %"


def test_what_is_unknown_is_not_listed(discovery):
    events = discovery.embeddings
    blank = dataclasses.replace(events, ifo=np.full(len(events), "", dtype=object))
    unknown = (float("nan"),) * 3
    known = dataclasses.replace(
        discovery.known[0],
        members=discovery.known[0].members[:1],
        episodes=1,
        properties=dict.fromkeys(discovery.known[0].properties, unknown),
    )
    page = render_report(
        dataclasses.replace(
            discovery,
            embeddings=blank,
            candidates=(),
            cluster=np.full(len(events), -1),
            known=(known,),
            live={},
        )
    )
    assert "60 glitches in 60 episodes" in lead_of(page)
    text = text_of(page[page.index('<section id="known">') : page.index('<section id="map">')])
    assert "1 event, 1 episode" in text
    assert "peak frequency" not in text


def test_candidates_stand_before_everything_else(discovery):
    page = render_report(discovery)
    head = text_of(page[page.index("<header") : page.index("</header>")])
    assert "candidate-1" in head
    assert "new class" in head
    assert page.index('id="candidates"') < page.index('id="rates"') < page.index('id="known"')


def test_a_displaced_class_stands_above_the_fold_and_is_no_candidate(discovery):
    (group,) = discovery.candidates
    told = {"name": "displaced-1", "verdict": VERDICT, "advice": f"{VERDICT}: Tomte"}
    moved = dataclasses.replace(group, **told, reason="41 of 100 rendered Tomte land on the group.")
    page = render_report(dataclasses.replace(discovery, candidates=(), displaced=(moved,)))
    head = text_of(page[page.index("<header") : page.index("</header>")])
    assert "No group of glitches that the known classes leave unexplained" in head
    assert "displaced-1" in head
    assert f"is no new class: {VERDICT}: Tomte" in head
    assert "41 of 100 rendered Tomte land on the group." in text_of(page)


def test_gps_stands_beside_utc(discovery, pictures):
    text = text_of(render_report(discovery, pictures=pictures))
    assert "2019-04-01 15:00 to 2019-04-03 22:33 UTC (GPS 1238166018 to 1238366018)" in text
    captions = re.findall(r"GPS (\d{10}\.\d{3}) · 2019-04-0\d \d\d:\d\d:\d\d UTC", text)
    assert len(captions) >= 10


def test_without_a_search_nothing_is_said_of_groups(discovery):
    plain = dataclasses.replace(
        discovery,
        candidates=(),
        cluster=np.full(len(discovery.embeddings), -1),
        audit=(),
        unsearched="groups were not looked for: because",
    )
    page = render_report(plain)
    text = text_of(page)
    assert "groups were not looked for: because" in lead_of(page)
    for said in ("p-value is that", "Label audit", "No group of glitches", "on average"):
        assert said not in text, said
    assert "Tomte" in text


def test_a_page_of_five_thousand_events_is_small(make, monkeypatch):
    # Pictures are left out: those of points have a limit, those of groups take a third of a MB.
    flat = lambda codes, seed: {"t-SNE": codes[:, :2]}  # noqa: E731
    monkeypatch.setattr("glitchvae.report.plane.neighbour_map", flat)
    discovery = make(5000)
    page = render_report(discovery, vetoes=score_vetoes(discovery), link=Link("https://a/{gps}"))
    assert len(page.encode()) + PICTURE_BYTES + 350_000 < 3_000_000

"""The page of an audit: offline, escaped, with pictures, and a table that is complete."""

import csv
import re

import numpy as np
import pytest

from glitchvae.probes import ProbeSet, audit_labels
from glitchvae.report import auditing
from glitchvae.report.auditing import write_audit


@pytest.fixture
def asked(rng):
    codes = np.concatenate([rng.normal(m, 0.5, (40, 2)) for m in ((0, 0), (6, 0))])
    label = np.repeat(np.array(["Blip", "<b>Tomte</b>"], dtype=object), 40)
    label[:3] = "<b>Tomte</b>"
    gps = 1.2e9 + 86400.0 * np.arange(80)
    return ProbeSet.of_codes(codes.astype(np.float32), label, gps=gps)


def test_the_page_needs_nothing_else_and_shows_what_is_contradicted(asked, rng, tmp_path):
    audit = audit_labels(asked)
    pictures = {"0": rng.uniform(0, 25, (4, 140, 170)), "1": np.full((4, 140, 170), np.nan)}
    page = write_audit(tmp_path, audit, asked, pictures, title="set <i>.h5")
    text = page.read_text()
    assert "3 of 80 labels are contradicted" in text
    assert text.count("data:image/webp;base64,") == 1
    assert text.count("no picture") == 2
    assert "<b>Tomte" not in text
    assert "set &lt;i&gt;.h5" in text
    assert not re.search(r"(src|href)=.https?://", text)
    with (tmp_path / "audit.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["event_id"] for row in rows} == {"0", "1", "2"}
    assert all(float(row["p_suggested"]) > float(row["p_label"]) for row in rows)


def test_more_than_fit_the_page_are_in_the_table(asked, tmp_path, monkeypatch):
    monkeypatch.setattr(auditing, "SHOWN", 1)
    text = write_audit(tmp_path, audit_labels(asked), asked, {}, title="x").read_text()
    assert "2 more are in audit.csv" in text


def test_labels_that_nothing_contradicts(asked, tmp_path):
    fine = asked.take(np.arange(3, 80))
    text = write_audit(tmp_path, audit_labels(fine), fine, {}, title="x").read_text()
    assert "No label is contradicted." in text

"""Tables of commands: what people read in a pipe, what a program reads."""

import json
import math

import numpy as np

from glitchvae.cli._tables import Table, print_table
from glitchvae.statistics import Estimate


def a_table():
    table = Table("class", "SNR (max)|.1f", "glitches", "share", title="All of it")
    assert Table("log p(x | z)", "log p(x | z)|.2f").columns == ("log p(x | z)",) * 2
    table.add_row("Tomte", np.float32(12.345), 1234, 0.123456)
    table.add_row("Blip [H1]", math.nan, np.int64(2))
    table.footer = ("all", None, 1236)
    return table


def test_a_pipe_gets_columns_as_wide_as_they_need(capsys):
    print_table(a_table())
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "All of it"
    assert lines[1].split() == ["class", "SNR", "(max)", "glitches", "share"]
    assert lines[2].split() == ["Tomte", "12.3", "1,234", "0.1235"]
    assert lines[3].startswith("Blip [H1]  ")
    assert lines[4].split() == ["all", "1,236"]
    starts = {line.index(text) for line, text in zip(lines[1:4], ("glit", "1,2", "2"), strict=True)}
    assert len(starts) == 1
    assert all(line == line.rstrip() for line in lines)


def test_a_program_gets_numbers_as_they_are():
    first, second = a_table().records()
    assert list(first) == ["class", "snr_max", "glitches", "share"]
    assert first["glitches"] == 1234
    assert first["share"] == 0.123456
    assert second["snr_max"] is None
    assert second["share"] is None
    json.dumps([first, second], allow_nan=False)


def test_a_terminal_of_80_columns_gets_every_word(monkeypatch, capsys):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "80")
    table = Table(*(f"column {n}" for n in range(9)))
    table.add_row(*(f"word{n}" for n in range(9)))
    print_table(table)
    shown = capsys.readouterr().out
    assert all(f"word{n}" in shown for n in range(9))


def test_a_table_without_a_header_is_its_rows(capsys):
    table = Table("key", "value", header=False)
    table.add_row("events", 3)
    print_table(table)
    assert capsys.readouterr().out == "events  3\n"


def test_an_estimate_is_shown_with_its_interval_where_that_is_known():
    table = Table("a", "b|.1f", "c", "d")
    nan = math.nan
    table.add_row(Estimate(0.5, 0.25, 0.75), Estimate(2.04, 1, 3), Estimate(1234.0, nan, nan))
    assert table.cells() == [("0.5 [0.25, 0.75]", "2.0 [1.0, 3.0]", "1,234", "")]
    (record,) = table.records()
    assert record["a"] == {"value": 0.5, "low": 0.25, "high": 0.75}
    assert record["c"] == {"value": 1234.0, "low": None, "high": None}

"""Segments of a user: files of three kinds, the segment database, the files' own masks."""

import logging
import re
import sys

import pytest
from gwpy.segments import DataQualityDict, DataQualityFlag
from igwn_segments import segment, segmentlist

from glitchvae.errors import InputError
from glitchvae.strain import StrainSource, open_strain, write_gwosc
from glitchvae.strain.segments import masked, query_flag, read_segments

START = 1000000000.0


def spans(*pairs):
    return segmentlist(segment(START + a, START + b) for a, b in pairs)


def test_two_columns_are_read(tmp_path):
    path = tmp_path / "live.txt"
    path.write_text("# science\n10 20\n15.5 30\n")
    assert read_segments(path, ifo="V1") == {"V1": segmentlist([segment(10.0, 30.0)])}


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.h5", "text", "cannot be read as segments"),
        ("a.xml", "text", "cannot be read as segments"),
        ("a.txt", "ten twenty\n", "cannot be read as segments"),
        ("a.txt", "# nothing\n", "the file holds no segments"),
        ("a.csv", "1,2\n", "cannot be read as segments"),
    ],
)
def test_a_bad_file_is_named(tmp_path, name, content, said):
    path = tmp_path / name
    path.write_text(content)
    with pytest.raises(InputError, match=said) as caught:
        read_segments(path, ifo="H1")
    assert str(path) in str(caught.value)


def test_text_without_a_detector_and_a_missing_file(tmp_path):
    (tmp_path / "a.txt").write_text("1 2\n")
    with pytest.raises(InputError, match="no detector is named"):
        read_segments(tmp_path / "a.txt")
    with pytest.raises(InputError, match="no such file"):
        read_segments(tmp_path / "b.xml")


@pytest.mark.parametrize("name", ["flags.xml", "flags.xml.gz", "flags.h5", "flags.of.no.suffix"])
def test_files_of_flags_are_told_by_their_content(tmp_path, name):
    flags = DataQualityDict()
    for ifo, active in (("H1", spans((0, 5))), ("L1", spans((2, 3), (4, 9)))):
        flag = f"{ifo}:DMT-ANALYSIS_READY:1"
        flags[flag] = DataQualityFlag(flag, active=active, known=spans((0, 10)))
    flags.write(tmp_path / name, format="hdf5" if "h5" in name else "ligolw")
    assert read_segments(tmp_path / name) == {"H1": spans((0, 5)), "L1": spans((2, 3), (4, 9))}
    assert read_segments(tmp_path / name, ifo="H1") == {"H1": spans((0, 5))}
    with pytest.raises(InputError, match="the file holds no segments; expected V1"):
        read_segments(tmp_path / name, ifo="V1")


def test_overlapping_segments_are_joined_and_said(tmp_path, caplog):
    path = tmp_path / "live.txt"
    path.write_text("10 20\n20 30\n")
    with caplog.at_level(logging.WARNING):
        assert read_segments(path, ifo="V1") == {"V1": segmentlist([segment(10.0, 30.0)])}
    assert not caplog.records
    path.write_text("10 20\n15.5 30\n")
    with caplog.at_level(logging.WARNING):
        read_segments(path, ifo="V1")
    assert f"{path}: segments overlap; joined, 20 s are left of 24.5 s" in caplog.text


def test_an_unknown_detector_is_named(tmp_path):
    (tmp_path / "a.txt").write_text("1 2\n")
    with pytest.raises(InputError, match=r"a\.txt: unknown detector; .*H1.*; found X9"):
        read_segments(tmp_path / "a.txt", ifo="X9")


def test_ligolw_without_its_package_is_one_sentence(tmp_path, monkeypatch, read_here):
    (tmp_path / "a.xml").write_text('<?xml version="1.0"?>')
    monkeypatch.setitem(sys.modules, "igwn_ligolw", None)
    with pytest.raises(InputError, match=r"a\.xml: cannot be read as segments without igwn_ligolw"):
        read_segments(tmp_path / "a.xml")


# The segment database, whose answers are those of its API (LIGO-T1300625).

FLAG = "H1:DMT-ANALYSIS_READY:1"
ANSWER = {
    "ifo": "H1",
    "name": "DMT-ANALYSIS_READY",
    "version": 1,
    "known": [[START, START + 8]],
    "active": [[START + 1, START + 3], [START + 3, START + 5]],
    "query_information": {},
}


@pytest.mark.usefixtures("direct")
@pytest.mark.parametrize("name", [FLAG, "H1:DMT-ANALYSIS_READY", "H1:DMT-ANALYSIS_READY:*"])
def test_a_flag_of_the_database(serve, name):
    answers = {
        "/dq/H1/DMT-ANALYSIS_READY/1": ANSWER,
        "/dq/H1/DMT-ANALYSIS_READY": {"version": [1]},
    }
    with serve(answers) as (host, asked):
        flag = query_flag(name, START - 0.5, START + 10, host=host)
    assert flag.known == spans((0, 8))
    assert flag.active == spans((1, 5))
    assert f"s={START - 1:.0f}&e={START + 10:.0f}" in asked[-1]


@pytest.mark.usefixtures("direct")
def test_a_flag_that_is_not_there(serve):
    answers = {"/dq/H1/NEVER": {"version": []}}
    with serve(answers) as (host, _):
        with pytest.raises(InputError, match=r"flag H1:NEVER at .*: the flag has no version"):
            query_flag("H1:NEVER", START, START + 10, host=host)
        with pytest.raises(InputError, match=r"flag H1:OTHER:2 at .*: .* 404"):
            query_flag("H1:OTHER:2", START, START + 10, host=host)


@pytest.mark.usefixtures("direct")
def test_no_database(monkeypatch):
    monkeypatch.setenv("DEFAULT_SEGMENT_SERVER", "http://127.0.0.1:9")
    with pytest.raises(InputError, match=r"is there a network.*--segments") as caught:
        query_flag(FLAG, START, START + 10)
    assert "\n" not in str(caught.value)


@pytest.mark.usefixtures("direct")
@pytest.mark.parametrize(("code", "said"), [(401, "asks for a token"), (403, "refuses this token")])
def test_a_missing_token_is_one_sentence(serve, code, said):
    with (
        serve({}, missing=code) as (host, _),
        pytest.raises(InputError, match=f"the server {said}.*htgettoken") as caught,
    ):
        query_flag(FLAG, START, START + 10, host=host)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["DMT-ANALYSIS_READY", "H1:", "H1"])
def test_a_flag_has_a_detector(name):
    with pytest.raises(InputError, match=re.escape(f"{name!r} is not the name of a flag")):
        query_flag(name, START, START + 10)


def test_a_flag_of_an_unknown_detector():
    with pytest.raises(InputError, match=r"unknown detector.*found X9"):
        query_flag("X9:FLAG:1", START, START + 10)


# Masks


def write(path, strain, dq):
    write_gwosc(path, strain, dq=dq)
    return path


def test_data_limit_by_default_and_other_masks_by_name(make_strain, tmp_path):
    dq = {"DATA": spans((0, 6)), "CBC_CAT2": spans((2, 8))}
    source = open_strain(write(tmp_path / "a.hdf5", make_strain(start=START), dq))
    default = masked(source)
    assert default.limits == ("mask DATA",)
    assert default.segments == spans((0, 6))
    assert default.read(START, START + 8).finite_segments() == spans((0, 6))
    both = masked(source, ("DATA", "CBC_CAT2"))
    assert both.limits == ("mask DATA", "mask CBC_CAT2")
    assert both.segments == spans((2, 6))
    assert masked(source, ()) is source


def test_a_mask_limits_the_files_that_have_it(make_strain, tmp_path):
    path = write(tmp_path / "a.hdf5", make_strain(start=START), {"DATA": spans((0, 6))})
    (with_mask,) = open_strain(path).stretches
    later = make_strain(start=START + 8)
    bare = StrainSource.of(later).stretches[0]
    assert masked(StrainSource.join([with_mask, bare])).segments == spans((0, 6), (8, 16))
    assert masked(StrainSource.join([bare])).limits == ()


def test_an_unknown_mask_lists_what_the_file_has(make_strain, tmp_path):
    source = open_strain(write(tmp_path / "a.hdf5", make_strain(start=START), {}))
    with pytest.raises(InputError, match=r"a\.hdf5: no mask 'CBC_CAT9'; found DATA, NO_CBC_HW"):
        masked(source, ("CBC_CAT9",))
    with pytest.raises(InputError, match="found no mask at all"):
        masked(StrainSource.of(make_strain(start=START)), ("CBC_CAT2",))


@pytest.mark.data
def test_masks_of_an_official_file(real_data):
    path = real_data / "strain/gwosc/L-L1_GWOSC_4KHZ_R1-1264316101-32.hdf5"
    source = open_strain(path)
    assert float(abs(masked(source).segments)) == 32.0
    assert float(abs(masked(source, ("CBC_CAT2",)).segments)) == 23.0

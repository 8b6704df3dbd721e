"""Shards: named by what their result hangs on, and a list that nobody may edit."""

import json
import os
import shutil
from itertools import pairwise

import pytest
from igwn_segments import segment, segmentlist

from glitchvae.census import find_sources, read_census
from glitchvae.census.shards import ChangedError, StrainFile, cut
from glitchvae.errors import ConfigError, InputError
from tests.census.simulated import START, noise, write


def test_shards_part_the_strain_at_cells_of_the_search(undisturbed):
    for ifo, seconds in (("H1", 270.0), ("L1", 210.0)):
        own = [shard for shard in undisturbed.shards if shard.ifo == ifo]
        assert sum(shard.seconds for shard in own) == seconds
        for one, two in pairwise(own):
            assert one.end == two.start
            assert one.end % 60 == 0
    assert len(undisturbed.shards) == 6


def test_names_follow_from_content_and_not_from_places(undisturbed, make, strain_folder, tmp_path):
    copy = shutil.copytree(strain_folder, tmp_path / "elsewhere", copy_function=shutil.copyfile)
    moved = make.plan(tmp_path / "census", copy)
    assert [s.name for s in moved.shards] == [s.name for s in undisturbed.shards]


@pytest.mark.parametrize(
    "change", [{"snr": 8.0}, {"imaging": "gravity-spy"}, {"model_digest": "0" * 64}]
)
def test_other_settings_make_other_shards(make, change):
    assert make.how.model_copy(update=change).digest != make.how.digest
    assert make.how.model_copy(update={"device": "cuda"}).digest == make.how.digest


def test_a_new_file_changes_the_shards_near_it_alone(undisturbed, make, strain_folder, tmp_path):
    folder = shutil.copytree(strain_folder, tmp_path / "strain")
    write(noise("H1", 5, 800.0), folder, (700, 800))
    before = {s.name for s in undisturbed.shards}
    after = {s.name for s in make.plan(tmp_path / "census", folder).shards}
    assert before < after


@pytest.mark.parametrize("size", [10, 70_000, 2_000_000])
def test_a_file_that_changes_is_told(tmp_path, size):
    path = tmp_path / "file"
    path.write_bytes(os.urandom(size))
    file = StrainFile.of(path)
    os.utime(path, (1, 1))
    file.require_unchanged()  # touched, and the same
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(ChangedError, match="changed since the census was planned"):
        file.require_unchanged()
    path.unlink()
    with pytest.raises(InputError, match="cannot be read"):
        file.require_unchanged()


def edited(census, change):
    """The census with another list of shards."""
    (path,) = census.folder.glob("shards-*.jsonl")
    lines = path.read_text().splitlines()
    path.write_text("".join(line + "\n" for line in change(lines)))
    return path


def test_a_list_that_was_edited_is_refused_with_the_line(copied):
    def later(lines):
        shard = json.loads(lines[2])
        shard["end"] += 60
        return [*lines[:2], json.dumps(shard), *lines[3:]]

    edited(copied, later)
    with pytest.raises(InputError, match=r"line 3: the list of shards was changed by hand"):
        read_census(copied.folder)


@pytest.mark.parametrize("change", [lambda x: x[1:], lambda x: x[::-1], lambda x: [*x, x[0]]])
def test_lines_that_were_removed_moved_or_added_are_told(copied, change):
    edited(copied, change)
    with pytest.raises(InputError, match="changed by hand: lines were"):
        read_census(copied.folder)


def test_a_list_that_is_no_list_is_told(copied):
    edited(copied, lambda _: ["{"])
    with pytest.raises(InputError, match="line 1: no shard"):
        read_census(copied.folder)


def test_a_damaged_plan_is_told(copied):
    (copied.folder / "census.json").write_text('{"attempts": "x"}')
    with pytest.raises(ConfigError, match=r"census\.json"):
        read_census(copied.folder)
    (copied.folder / "census.json").write_text("{")
    with pytest.raises(InputError, match="the plan cannot be read"):
        read_census(copied.folder)
    with pytest.raises(InputError, match="the folder is not a census"):
        read_census(copied.folder / "nowhere")


def test_a_length_that_cuts_a_cell_is_refused(strain_folder):
    (source, _) = find_sources([strain_folder]).sources
    with pytest.raises(InputError, match="multiple of 60 s; found 100 s"):
        list(cut(source, 100.0, {}, "job"))


def test_limits_come_back_when_a_shard_is_opened(make, strain_folder, tmp_path):
    text = tmp_path / "segments.txt"
    text.write_text(f"{START + 10} {START + 60}\n")
    found = find_sources([strain_folder], segments=[f"H1={text}"])
    (source,) = [s for s in found.sources if s.ifo == "H1"]
    files = {path: StrainFile.of(path) for path in source.files}
    shards = list(cut(source, 60.0, files, "job"))
    opened = [shard.open() for shard in shards]
    assert all(s.limits == source.limits for s in opened)
    together = segmentlist(
        [s for one, shard in zip(opened, shards, strict=True) for s in one.segments & shard.within]
    ).coalesce()
    assert together == segmentlist([segment(START + 10, START + 60)])


def test_files_that_overlap_and_images_are_told(make, strain_folder, tmp_path):
    folder = shutil.copytree(strain_folder, tmp_path / "strain")
    write(noise("H1", 1), folder, (90, 130))
    bad = folder / "bad.hdf5"
    bad.write_bytes(b"no strain")
    census = make.plan(tmp_path / "census", folder)
    assert census.plan.overlaps == {"H1": ((START + 90, START + 130),)}
    (problem,) = census.plan.problems
    assert "bad.hdf5" in problem

"""Workers: shards together give what the strain gives in one go, whatever becomes of a worker."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from glitchvae.archive import Archive, create_archive, fill_from_strain
from glitchvae.census import Kind, find_sources, merge_parts, status_of, work, working
from glitchvae.census import census as plans
from glitchvae.census.state import claimed, read_state
from glitchvae.errors import ArchiveError, InputError, StorageError
from tests.census.simulated import assert_equal, noise, write

ROOT = Path(__file__).parents[2]


def test_shards_give_what_one_run_gives(undisturbed, make, strain_folder, tmp_path):
    whole = create_archive(tmp_path / "whole")
    for source in find_sources([strain_folder]).sources:
        fill_from_strain(whole, source, None, make.job)
    one, two = Archive(undisturbed.archive).embeddings(), whole.embeddings()
    assert one.event_id.tolist() == two.event_id.tolist()
    assert len(one) > 30
    np.testing.assert_array_equal(one.snr, two.snr)
    np.testing.assert_allclose(one.mean, two.mean, atol=1e-5)
    assert Archive(undisturbed.archive).live_time() == whole.live_time()


def test_live_time_is_right_to_the_second(undisturbed):
    live = {ifo: float(abs(s)) for ifo, s in Archive(undisturbed.archive).live_time().items()}
    assert live == {"H1": 268.0, "L1": 206.0}  # a second less at each end of a stretch
    assert undisturbed.plan.missing == {"L1": ((1187008942.0, 1187009002.0),)}


def test_what_was_embedded_by_shards_is_known_to_embed(undisturbed, make, strain_folder, tmp_path):
    copy = shutil.copytree(undisturbed.archive, tmp_path / "archive")
    (source, _) = find_sources([strain_folder]).sources
    filled = fill_from_strain(Archive(copy), source, None, make.job)
    assert filled.known == len(filled.rows)


def test_finished_shards_are_not_done_again(undisturbed, monkeypatch):
    monkeypatch.setattr(working, "fill_from_strain", None)
    assert list(work(undisturbed, undisturbed.shards)) == []


def failing(monkeypatch, *names, error=None, times=99):
    """Makes the work on some shards fail so often."""
    real, left = working.fill_from_strain, dict.fromkeys(names, times)

    def fill(archive, source, triggers, job, **options):
        name = archive.path.parent.name
        if left.get(name, 0) > 0:
            left[name] -= 1
            raise error or InputError("poisoned", where=name)
        return real(archive, source, triggers, job, **options)

    monkeypatch.setattr(working, "fill_from_strain", fill)


def test_a_poisoned_shard_is_set_aside_with_its_reason(copied, undisturbed, monkeypatch):
    bad = copied.shards[1]
    shutil.rmtree(copied.part(bad))
    failing(monkeypatch, bad.name)
    kinds = [worked.kind for worked in work(copied, copied.shards)]
    assert kinds == [Kind.WAITING, Kind.WAITING, Kind.ASIDE]
    status = status_of(copied)
    ((shard, kind, reason),) = status.troubled
    assert (shard, kind) == (bad, Kind.ASIDE)
    assert "poisoned" in reason
    assert status.count(Kind.DONE) == len(copied.shards) - 1
    archive, problems = merge_parts(copied)
    assert not problems
    assert 0 < len(archive.embeddings()) < len(Archive(undisturbed.archive).embeddings())


@pytest.mark.parametrize("error", [None, RuntimeError("of a library"), MemoryError()])
def test_a_shard_that_failed_once_is_tried_again(copied, undisturbed, monkeypatch, error):
    bad = copied.shards[0]
    shutil.rmtree(copied.part(bad))
    failing(monkeypatch, bad.name, error=error, times=1)
    assert [w.kind for w in work(copied, copied.shards)] == [Kind.WAITING, Kind.DONE]
    merge_parts(copied)
    assert_equal(copied.archive, undisturbed.archive)


def test_a_full_disk_ends_the_worker_and_is_not_the_shard_s_fault(copied, monkeypatch):
    bad = copied.shards[0]
    shutil.rmtree(copied.part(bad))
    failing(monkeypatch, bad.name, error=StorageError("writing failed", where="a disk"), times=1)
    with pytest.raises(StorageError):
        list(work(copied, copied.shards))
    assert read_state(copied, bad).kind is Kind.OPEN
    assert [w.kind for w in work(copied, copied.shards)] == [Kind.DONE]


# Arrays come from the reader in memory that counts as a file: it begins before the limit.
LIMITED = """
import resource, sys
from glitchvae.cli import main
from glitchvae.strain import open_strain
open_strain(sys.argv.pop(1))
resource.setrlimit(resource.RLIMIT_FSIZE, (2**14, 2**14))
main()
"""


@pytest.mark.skipif(os.name == "nt", reason="needs limits of a process")
def test_a_worker_whose_disk_is_full_leaves_its_shard_to_another(
    copied, undisturbed, strain_folder
):
    """One of two workers cannot write a file above 16 KiB, as on a disk that is full."""
    for shard in copied.shards[:2]:
        shutil.rmtree(copied.part(shard))
    first = str(next(strain_folder.iterdir()))
    worker = subprocess.run(
        [sys.executable, "-c", LIMITED, first, "census", "work", str(copied.folder)],
        env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert worker.returncode == 3, worker.stderr
    assert "File too large" in worker.stderr
    assert "Traceback" not in worker.stderr
    assert read_state(copied, copied.shards[0]).attempts == ()  # not the fault of the shard
    assert [w.kind for w in work(copied, copied.shards)] == [Kind.DONE, Kind.DONE]
    merge_parts(copied)
    assert_equal(copied.archive, undisturbed.archive)


def test_files_that_overlap_give_each_glitch_once(make, strain_folder, undisturbed, tmp_path):
    folder = shutil.copytree(strain_folder, tmp_path / "strain")
    write(noise("H1", 1), folder, (60, 130))
    census = make.plan(tmp_path / "census", folder)
    for _ in work(census, census.shards):
        pass
    archive, _ = merge_parts(census)
    whole = Archive(undisturbed.archive)
    assert sorted(archive.embeddings().event_id) == sorted(whole.embeddings().event_id)
    assert archive.live_time() == whole.live_time()


def test_a_worker_whose_scheduler_is_gone_ends_and_does_not_count(copied, undisturbed):
    shard = copied.shards[0]
    shutil.rmtree(copied.part(shard))
    answers = iter([True, True])
    with pytest.raises(KeyboardInterrupt):
        list(work(copied, copied.shards, alive=lambda: next(answers, False)))
    assert read_state(copied, shard).attempts == ()
    list(work(copied, copied.shards))
    merge_parts(copied)
    assert_equal(copied.archive, undisturbed.archive)


def test_a_shard_that_another_worker_has_is_left_to_it(copied):
    shard = copied.shards[0]
    shutil.rmtree(copied.part(shard))
    slept = []

    def sleep(_):
        slept.append(read_state(copied, shard).kind)
        other.__exit__(None, None, None)

    other = claimed(copied, shard)
    assert other.__enter__() is not None
    assert [w.kind for w in work(copied, copied.shards, sleep=sleep)] == [Kind.DONE]
    assert slept == [Kind.OPEN]


def test_a_file_that_changes_while_it_is_read_sets_its_shard_aside(
    make, strain_folder, tmp_path, monkeypatch
):
    folder = shutil.copytree(strain_folder, tmp_path / "strain")
    census = make.plan(tmp_path / "census", folder)
    real = working.fill_from_strain

    def fill(*arguments, **options):
        filled = real(*arguments, **options)
        path = next(folder.glob("L-*-100.hdf5"))
        path.write_bytes(path.read_bytes()[:-7] + b"changed")
        return filled

    monkeypatch.setattr(working, "fill_from_strain", fill)
    (shard,) = [s for s in census.shards if s.ifo == "L1"][:1]
    (worked,) = work(census, [shard])
    assert worked.kind is Kind.ASIDE
    assert "changed since the census was planned" in worked.reason
    # Planned anew, the shard has another name and is done.
    monkeypatch.setattr(working, "fill_from_strain", real)
    again = make.plan(tmp_path / "census", folder)
    (new,) = [s for s in again.shards if (s.ifo, s.start) == (shard.ifo, shard.start)]
    assert new.name != shard.name


def test_a_file_that_cannot_be_read_to_its_end_leaves_an_incomplete_shard(
    make, strain_folder, tmp_path
):
    folder = shutil.copytree(strain_folder, tmp_path / "strain")
    path = next(folder.glob("H-*-100-170.hdf5"))
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 50_000] = bytes(50_000)
    path.write_bytes(content)
    census = make.plan(tmp_path / "census", folder)
    worked = [w for w in work(census, census.shards) if w.shard.ifo == "H1"]
    assert worked[-1].kind is Kind.INCOMPLETE
    assert path.name in worked[-1].reason
    archive, _ = merge_parts(census)
    live = archive.live_time()
    assert 90 < float(abs(live["H1"])) < 268  # what could be read is there
    assert float(abs(live["L1"])) == 206


def test_another_version_or_model_is_refused(copied, make, tmp_path, monkeypatch, save_untrained):
    monkeypatch.setattr(plans, "__version__", "0.0.1")
    with pytest.raises(
        InputError, match=r"another version.*expected glitchvae .*found glitchvae 0"
    ):
        next(work(copied, copied.shards))
    assert plans.renew_version(copied).plan.glitchvae == "0.0.1"
    next(work(plans.read_census(copied.folder), []), None)
    monkeypatch.undo()
    other = save_untrained(tmp_path / "other", latent_size=4, seed=9)
    how = make.how.model_copy(update={"model": str(other)})
    changed = plans.Census(
        folder=copied.folder,
        plan=copied.plan.model_copy(update={"how": how}),
        shards=copied.shards,
    )
    shutil.rmtree(copied.part(copied.shards[0]))
    with pytest.raises(InputError, match="the model changed"):
        next(work(changed, changed.shards))


def test_a_damaged_part_is_left_out_of_the_merge(copied):
    part = next(copied.part(copied.shards[0]).glob("archive/parts/*.parquet"))
    part.write_bytes(part.read_bytes()[:100])
    _, (problem,) = merge_parts(copied)
    assert isinstance(problem, ArchiveError)
    assert "damaged" in str(problem)


def test_a_merge_that_is_repeated_adds_nothing(copied, undisturbed):
    merge_parts(copied)
    told = []
    merge_parts(copied, merged=lambda *pair: told.append(pair))
    assert told == []
    (copied.folder / "merged.json").unlink()
    merge_parts(copied, merged=lambda *pair: told.append(pair))
    assert len(told) == len(copied.shards)
    assert sum(merged.rows for _, merged in told) == 0
    assert_equal(copied.archive, undisturbed.archive)


def wait_for(condition, process, seconds=120):
    """Until a condition holds, or the process has ended."""
    until = time.monotonic() + seconds
    while not condition() and process.poll() is None:
        assert time.monotonic() < until, "nothing happened"
        time.sleep(0.005)


@pytest.mark.skipif(os.name == "nt", reason="needs SIGKILL")
def test_a_killed_worker_loses_nothing(copied, undisturbed, glitchvae):
    for shard in copied.shards[:2]:
        shutil.rmtree(copied.part(shard))
    process = glitchvae("census", "work", copied.folder)
    pieces = copied.part(copied.shards[0])
    wait_for(lambda: any(pieces.glob("archive/parts/.running-*/*.parquet")), process)
    process.send_signal(signal.SIGKILL)
    process.wait()
    state = read_state(copied, copied.shards[0])
    assert state.kind is Kind.RUNNING  # so it seems, as nobody could write its end down
    assert status_of(copied).count(Kind.WAITING) == 1
    list(work(copied, copied.shards))
    merge_parts(copied)
    assert_equal(copied.archive, undisturbed.archive)


@pytest.mark.skipif(os.name == "nt", reason="needs SIGKILL")
def test_a_shard_that_kills_its_worker_is_set_aside(copied):
    shard = copied.shards[0]
    shutil.rmtree(copied.part(shard))
    for _ in range(copied.plan.attempts):
        child = os.fork()
        if child == 0:
            with claimed(copied, shard) as claim:
                claim.begin()
                os._exit(137)
        os.waitpid(child, 0)
    (worked,) = work(copied, copied.shards)
    assert worked.kind is Kind.ASIDE
    assert "without a word" in worked.reason

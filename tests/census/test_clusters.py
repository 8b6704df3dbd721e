"""Jobs for clusters: scripts that a shell runs, and a DAG that the bindings read back."""

import os
import shlex
import signal
import subprocess
import sys

import pytest
from click.testing import CliRunner

from glitchvae.census import Request, write_condor, write_slurm
from glitchvae.census.census import Census
from glitchvae.cli import main
from glitchvae.errors import InputError


@pytest.fixture
def request_all():
    return Request(
        jobs=4, cpus=2, memory=3000, account="ligo.dev", user="a.einstein", at_once=2, hours=0.5
    )


def fake(folder, name, text):
    """A command that is found first."""
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def test_the_scripts_of_slurm_ask_for_what_was_requested(copied, request_all):
    submit = write_slurm(copied, request_all)
    work = submit.with_name("work.sh").read_text()
    asked = {line[8:] for line in work.splitlines() if line.startswith("#SBATCH ")}
    assert {"--array=0-3%2", "--cpus-per-task=2", "--mem=3000M", "--time=30"} <= asked
    assert {"--account=ligo.dev", "--requeue", "--signal=B:USR1@120"} <= asked
    for path in submit.parent.glob("*.sh"):
        subprocess.run(["sh", "-n", path], check=True)


def test_there_are_no_more_jobs_than_shards(copied):
    submit = write_slurm(copied, Request(jobs=500))
    assert f"--array=0-{len(copied.shards) - 1}\n" in submit.with_name("work.sh").read_text()


def test_the_merge_waits_for_the_array(copied, request_all, tmp_path):
    fake(tmp_path / "bin", "sbatch", f'echo "$@" >> {tmp_path}/said; echo "17;cluster"')
    submit = write_slurm(copied, request_all)
    path = f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}"
    subprocess.run(["sh", submit], check=True, env=os.environ | {"PATH": path})
    one, two = (tmp_path / "said").read_text().splitlines()
    assert one == f"--parsable {submit.with_name('work.sh')}"
    assert two == f"--dependency=afterany:17 {submit.with_name('merge.sh')}"


@pytest.mark.parametrize("answers", [0, 1])
def test_a_scheduler_that_cannot_be_reached_is_told(copied, request_all, tmp_path, answers):
    """It answers so many submissions; a merge is not submitted before its array."""
    fake(
        tmp_path / "bin",
        "sbatch",
        f'echo "$@" >> {tmp_path}/said\n'
        f'[ "$(wc -l < {tmp_path}/said)" -le {answers} ] && {{ echo 17; exit 0; }}\n'
        'echo "sbatch: error: Unable to contact slurm controller" >&2; exit 1',
    )
    submit = write_slurm(copied, request_all)
    path = f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["sh", submit], env=os.environ | {"PATH": path}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "Unable to contact" in done.stderr
    assert len((tmp_path / "said").read_text().splitlines()) == answers + 1
    assert ("glitchvae census merge" in done.stderr) == bool(answers)


LISTENS = "trap 'sleep 0.3; exit 130' TERM; echo ready; while true; do sleep 0.05; done"


@pytest.mark.skipif(os.name == "nt", reason="needs a POSIX shell")
@pytest.mark.parametrize(
    ("asked", "worker", "status", "again"),
    [
        (signal.SIGUSR1, LISTENS, 130, True),
        (signal.SIGUSR1, "echo ready; exec sleep 30", 143, True),
        (signal.SIGTERM, LISTENS, 130, False),
        (None, "echo ready; exit 130", 130, False),
        (None, "echo ready; exit 1", 1, False),
    ],
    ids=[
        "time is up",
        "time is up before it listens",
        "cancelled",
        "interrupted",
        "shards set aside",
    ],
)
def test_only_a_job_whose_time_is_up_begins_again(
    copied, tmp_path, monkeypatch, asked, worker, status, again
):
    fake(tmp_path / "bin", "python", worker)
    fake(tmp_path / "bin", "scontrol", f'echo "$@" > {tmp_path}/said')
    monkeypatch.setattr(sys, "executable", str(tmp_path / "bin" / "python"))
    script = write_slurm(copied, Request(jobs=2)).with_name("work.sh")
    environment = os.environ | {
        "PATH": f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "SLURM_ARRAY_JOB_ID": "17",
        "SLURM_ARRAY_TASK_ID": "1",
    }
    job = subprocess.Popen(["sh", script], env=environment, stdout=subprocess.PIPE, text=True)
    assert job.stdout is not None
    assert job.stdout.readline() == "ready\n"
    if asked:
        job.send_signal(asked)
    assert job.wait(20) == status
    job.stdout.close()
    said = tmp_path / "said"
    assert (said.read_text() if said.exists() else "") == ("requeue 17_1\n" if again else "")


def test_a_path_that_no_submit_file_can_hold_is_refused(copied, request_all, tmp_path):
    odd = Census(folder=tmp_path / "it's", plan=copied.plan, shards=copied.shards)
    with pytest.raises(InputError, match="cannot hold this path"):
        write_slurm(odd, request_all)


def test_without_the_bindings_the_way_to_them_is_told(copied, request_all, monkeypatch):
    monkeypatch.setitem(sys.modules, "htcondor2", None)
    with pytest.raises(InputError, match=r"HTCondor's bindings.*\[condor\]"):
        write_condor(copied, request_all)


def test_the_dag_is_read_back_and_walked(copied, request_all):
    """Every node's command is the worker of its share, and the final node merges."""
    htcondor2 = pytest.importorskip("htcondor2")
    path = write_condor(copied, request_all)
    lines = [line.split() for line in path.read_text().splitlines() if line[0] != "#"]
    nodes = {name: sub for word, name, sub, *_ in (x for x in lines if x[0] == "JOB")}
    shares = {line[1]: line[2] for line in lines if line[0] == "VARS"}
    assert set(shares.values()) == {f'share="{number}"' for number in range(4)}
    assert sum(line[0] == "RETRY" for line in lines) == 4
    assert [line[1:] for line in lines if line[0] == "FINAL"] == [["merge", "merge.sub"]]
    work = htcondor2.Submit((path.parent / nodes["work:0"]).read_text())
    assert work["accounting_group"] == "ligo.dev"
    assert work["accounting_group_user"] == "a.einstein"
    assert (work["request_cpus"], work["request_memory"]) == ("2", "3000MB")
    for node in nodes:
        share = shares[node].partition("=")[2].strip('"')
        arguments = work["arguments"].strip('"').replace("$(share)", share)
        module, package, *command = shlex.split(arguments)
        assert (module, package) == ("-m", "glitchvae")
        done = CliRunner().invoke(main, command)
        assert done.exit_code == 0, done.output
    merge = htcondor2.Submit((path.parent / "merge.sub").read_text())
    script = shlex.split(merge["arguments"].strip('"'))
    assert subprocess.run(["/bin/sh", *script], check=False, capture_output=True).returncode == 0
    assert (copied.archive / "archive.json").is_file()

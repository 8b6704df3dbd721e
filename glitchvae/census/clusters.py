"""Cluster jobs for a census: a Slurm array or an HTCondor DAG, each job with its shards.

The folder of the census, the strain, the model and this Python have to be at the same place on
every machine. A job that is evicted, or whose time is up, is asked to end and begins again: what
its part holds is its checkpoint.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field

from glitchvae.census.census import Census
from glitchvae.config import Settings
from glitchvae.errors import InputError, StorageError, how_to_install
from glitchvae.store import replacing

if TYPE_CHECKING:
    from htcondor2 import Submit  # pyright: ignore[reportMissingImports]
    from htcondor2.dags import DAG  # pyright: ignore[reportMissingImports]

_GRACE = 120  # seconds from the request to end to the end


class Request(Settings):
    """Resources that a job requests.

    Attributes:
        jobs: How many jobs share the shards.
        cpus: Cores of a job.
        memory: MiB of a job.
        disk: MiB of a job, of its own machine; HTCondor alone.
        hours: Wall time of a job; Slurm alone.
        account: Accounting group.
        user: Accounting user; HTCondor alone.
        partition: Of the machines; Slurm alone.
        at_once: Jobs that run at the same time at most; None: all.
        discover: Where a discovery on the archive is written; None: none.
    """

    jobs: int = Field(ge=1)
    cpus: int = Field(default=1, ge=1)
    memory: int = Field(default=4096, ge=1)
    disk: int = Field(default=1024, ge=1)
    hours: float = Field(default=8.0, gt=0)
    account: str | None = None
    user: str | None = None
    partition: str | None = None
    at_once: int | None = Field(default=None, ge=1)
    discover: Path | None = None


def write_slurm(census: Census, request: Request) -> Path:
    """Write the scripts of a job array and of the merging job, and one that submits both.

    Returns:
        The script that submits: `sh census/slurm/submit.sh`.

    Raises:
        StorageError: the disk refused the write.
    """
    folder = _folder(census, "slurm")
    jobs = min(request.jobs, len(census.shards))
    most = "" if request.at_once is None else f"%{request.at_once}"
    own = {
        "job-name": "glitchvae-census",
        "array": f"0-{jobs - 1}{most}",
        "signal": f"B:USR1@{_GRACE}",
        "requeue": None,
        "output": str(folder / "work-%a.log"),
        "open-mode": "append",
    }
    work = _census("work", census.folder) + f' --share "$SLURM_ARRAY_TASK_ID/{jobs}"'
    # Only the end of its time puts a job back into the queue: who cancels it, with SIGTERM, wants
    # it gone, and after a preemption Slurm queues it again by itself. 143: the worker was asked
    # before it could listen. What comes before the worker's number is known is passed on after it.
    stop = 'if [ -n "$worker" ]; then kill -TERM "$worker"; else early=yes; fi'
    lines = [
        f"export OMP_NUM_THREADS={request.cpus}",
        "early= late= worker=",
        f"trap 'late=yes; {stop}' USR1",
        f"trap '{stop}' TERM",
        f"{work} &",
        "worker=$!",
        '[ -z "$early" ] || kill -TERM "$worker"',
        'wait "$worker"; status=$?',
        'while kill -0 "$worker" 2>/dev/null; do wait "$worker"; status=$?; done',
        'if [ -n "$late" ] && { [ "$status" -eq 130 ] || [ "$status" -eq 143 ]; }; then',
        '    scontrol requeue "${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID"',
        "fi",
        'exit "$status"',
    ]
    _write(folder / "work.sh", [*_directives({**_asked(request), **own}), *lines])
    merging = {"job-name": "glitchvae-merge", "output": str(folder / "merge.log")}
    steps = [*_directives({**_asked(request), **merging}), *_merging(census, request)]
    _write(folder / "merge.sh", steps)
    merge = _census("merge", census.folder)
    quoted = {name: shlex.quote(str(folder / name)) for name in ("work.sh", "merge.sh")}
    _write(
        folder / "submit.sh",
        [
            "set -e",
            f"array=$(sbatch --parsable {quoted['work.sh']})",
            f'sbatch --dependency="afterany:${{array%%;*}}" {quoted["merge.sh"]} || {{',
            f"    echo 'The array runs without its merge. When it has ended: {merge}' >&2",
            "    exit 1",
            "}",
        ],
    )
    return folder / "submit.sh"


def write_condor(census: Census, request: Request) -> Path:
    """Write a DAG whose nodes embed shards and whose final node merges.

    Returns:
        The file to submit: `condor_submit_dag census/condor/census.dag`.

    Raises:
        InputError: HTCondor's bindings are not installed.
        StorageError: the disk refused the write.
    """
    try:
        from htcondor2 import dags  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise InputError(
            "a DAG needs HTCondor's bindings", found=error, remedy=how_to_install("condor")
        ) from error
    folder = _folder(census, "condor")
    _write(folder / "merge.sh", _merging(census, request))
    dag, merge = condor_dag(census, request)
    with _storing(folder):
        # The bindings write the submit files of layers, and none of a final node.
        (folder / "merge.sub").write_text(str(merge), encoding="utf-8")
        return dags.write_dag(dag, folder, dag_file_name="census.dag").absolute()


def condor_dag(census: Census, request: Request) -> tuple[DAG, Submit]:
    """The DAG that `write_condor` writes, and the submit description of its final node."""
    import htcondor2  # pyright: ignore[reportMissingImports]
    from htcondor2 import dags  # pyright: ignore[reportMissingImports]

    folder = census.folder / "condor"
    jobs = min(request.jobs, len(census.shards))
    shared: dict[str, Any] = {
        "universe": "vanilla",
        "executable": sys.executable,
        "should_transfer_files": "NO",
        "getenv": "PATH,PYTHONPATH,LD_LIBRARY_PATH,HOME,GLITCHVAE_CATALOG",
        "environment": f"OMP_NUM_THREADS={request.cpus}",
        "request_cpus": request.cpus,
        "request_memory": f"{request.memory}MB",
        "request_disk": f"{request.disk}MB",
        "kill_sig": "SIGTERM",
        "job_max_vacate_time": _GRACE,
        "log": str(folder / "census.log"),
    }
    if request.account:
        shared["accounting_group"] = request.account
    if request.user:
        shared["accounting_group_user"] = request.user
    work = f"-m glitchvae census work '{census.folder}' --share $(share)/{jobs}"
    # Not by categories, whose limit the bindings write as another line than DAGMan reads.
    most = {} if request.at_once is None else {"DAGMAN_MAX_JOBS_SUBMITTED": request.at_once}
    dag = dags.DAG(dagman_config=most)
    dag.layer(
        name="work",
        submit_description=htcondor2.Submit(
            {
                **shared,
                "arguments": f'"{work}"',
                "output": str(folder / "work-$(share).out"),
                "error": str(folder / "work-$(share).err"),
            }
        ),
        vars=[{"share": str(number)} for number in range(jobs)],
        retries=3,
        retry_unless_exit=1,  # shards were tried and set aside
    )
    merge = htcondor2.Submit(
        {
            **shared,
            "executable": "/bin/sh",
            "arguments": f"\"'{folder / 'merge.sh'}'\"",
            "output": str(folder / "merge.out"),
            "error": str(folder / "merge.err"),
        }
    )
    dag.final(name="merge", submit_description=merge)
    return dag, merge


def _asked(request: Request) -> dict[str, str | None]:
    """Slurm options that every job has."""
    minutes = max(round(request.hours * 60), 1)
    asked: dict[str, str | None] = {
        "cpus-per-task": str(request.cpus),
        "mem": f"{request.memory}M",
        "time": str(minutes),
    }
    if request.account:
        asked["account"] = request.account
    if request.partition:
        asked["partition"] = request.partition
    return asked


def _directives(options: dict[str, str | None]) -> list[str]:
    return [
        f"#SBATCH --{name}" if value is None else f"#SBATCH --{name}={value}"
        for name, value in options.items()
    ]


def _merging(census: Census, request: Request) -> list[str]:
    """Commands that merge and, if requested, discover, even if shards failed."""
    lines = [_census("merge", census.folder), "status=$?"]
    if request.discover is not None:
        python, archive, out = (
            shlex.quote(str(p)) for p in (sys.executable, census.archive, request.discover)
        )
        lines += [
            f'[ "$status" -gt 1 ] || {python} -m glitchvae discover-new-classes {archive}'
            f" -o {out} --replace || status=$?"
        ]
    return [*lines, 'exit "$status"']


def _census(command: str, folder: Path) -> str:
    return shlex.join([sys.executable, "-m", "glitchvae", "census", command, str(folder)])


def _folder(census: Census, name: str) -> Path:
    """Make a folder for the scheduler's files, whose path their syntax must allow."""
    bad = [c for c in ("'", '"', "\n", "$") if c in str(census.folder)]
    if bad:
        raise InputError(
            "a scheduler's files cannot hold this path",
            where=census.folder,
            found=", ".join(map(repr, bad)),
            remedy="Move the census to a folder without such characters.",
        )
    folder = census.folder / name
    with _storing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextmanager
def _storing(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageError(
            "cannot be written", where=folder, found=error.strerror or error
        ) from error


def _write(path: Path, lines: list[str]) -> None:
    with replacing(path) as temporary:
        temporary.write_text("\n".join(["#!/bin/sh", *lines, ""]), encoding="utf-8")
    path.chmod(0o755)

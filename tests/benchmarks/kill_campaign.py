"""Kill, interrupt and starve commands that write an archive, and look at what is left.

    python tests/benchmarks/kill_campaign.py [--kills 200] [--seed 1] [--only embed merge]
        [--means SIGKILL] [--seconds 128]

Each trial begins with a copy of a small archive and runs one command in a process of its own,
which dies

- by SIGKILL at a random instant,
- by SIGKILL, SIGTERM or SIGINT at one of its changes of the archive's files (a file opened for
  writing, renamed or removed, a folder made or removed), or
- has no room left on the disk from one of these changes on.

Then `archive info` and `archive verify` have to end with status 0, the same command is given
again, and the archive has to equal that of an undisturbed run: every row and picture, labels and
live time, cell by cell. Prints a table of the trials, how many commands were stopped inside a
write, and the trials that failed; exit status 1 if any did. `tests/cli/test_kills.py` is the short
form.
"""

from __future__ import annotations

import argparse
import errno
import hashlib
import os
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

START = 1187008512  # GPS time of the first of two files
WRITES = ("open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "os.link")
MEANS = ("instant", "SIGKILL", "SIGTERM", "SIGINT", "full disk")


@dataclass(frozen=True)
class Case:
    """A command that changes an archive.

    Attributes:
        name: Of the trials.
        before: Commands that make the archive it begins with.
        command: What is killed, and given again.
        prepare: Done in the folder before it.
    """

    name: str
    before: tuple[tuple[str, ...], ...]
    command: tuple[str, ...]
    prepare: Callable[[], None] = lambda: None


def cases(folder: Path, seconds: int) -> tuple[Case, ...]:
    """Commands over files that are made in `folder`, of so many seconds each."""
    strain = [str(path) for path in simulate(folder, seconds)]
    middle = str(START + seconds)
    how = ("--imaging", "light", "--no-uncertainty")
    first = ("embed", strain[0], *how, "--archive", "A")
    second = ("embed", *strain, *how, "--archive", "A")
    other = ("embed", strain[1], *how, "--archive", "B")
    return (
        Case("embed", (), first),
        Case("embed more", (first,), second),
        Case("merge", (first, other), ("archive", "merge", "A", "B")),
        Case("label", (first,), ("archive", "label", "labels.csv", "--archive", "A"), write_labels),
        Case(
            "remove", (second,), ("archive", "remove", "--until", middle, "--yes", "--archive", "A")
        ),
        Case("encode anew", (first,), ("embed", "A", "--model", "other"), write_model),
        Case("discover", (first,), ("discover-new-classes", "A", "-o", "D", "--replace")),
    )


def write_labels() -> None:
    """Labels of half of the events."""
    from glitchvae.archive import Archive

    events = Archive("A").embeddings().event_id[::2]
    lines = ["event_id,label", *(f"{event},Tomte" for event in events)]
    Path("labels.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_model() -> None:
    """Another model: the shipped one with other weights."""
    import torch

    from glitchvae.checkpoint import load_checkpoint, save_checkpoint

    found = load_checkpoint("default")
    with torch.no_grad():
        for weight in found.model.parameters():
            weight.mul_(1.02)
    save_checkpoint(Path("other"), found.model, found.card, found.prototypes)


def simulate(folder: Path, seconds: int) -> list[Path]:
    """Two files of a detector, one after the other."""
    from glitchvae.simulate import simulate_strain
    from glitchvae.strain import write_gwosc

    paths = []
    for number in range(2):
        start = float(START + seconds * number)
        path = folder / f"H-H1_KILLS-{start:.0f}-{seconds}.hdf5"
        strain, _ = simulate_strain(
            float(seconds), "H1", number, sample_rate=2048.0, glitches=24, start=start
        )
        write_gwosc(path, strain)
        paths.append(path)
    return paths


def run(command: tuple[str, ...], prepare: Callable[[], None] = lambda: None) -> int:
    """Exit status of a command in a process of its own, or minus the signal that ended it."""
    child = os.fork()
    if child == 0:
        status = 70
        try:
            with Path("said.txt").open("a", encoding="utf-8") as said:
                os.dup2(said.fileno(), 1)
                os.dup2(said.fileno(), 2)
            signal.signal(signal.SIGINT, signal.default_int_handler)
            prepare()
            status = invoke(command)
        except Exception:  # noqa: BLE001 - the child ends here, whatever happened
            traceback.print_exc()
        finally:
            os._exit(status)
    _, ended = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(ended)


def invoke(command: tuple[str, ...]) -> int:
    """Exit status of a command in this process."""
    from glitchvae.cli import main

    try:
        main(list(command), standalone_mode=True)
    except SystemExit as ending:
        return int(ending.code or 0)
    return 0


def said() -> str:
    """The last lines that commands wrote in this folder."""
    path = Path("said.txt")
    return "\n".join(path.read_text(encoding="utf-8").splitlines()[-15:]) if path.exists() else ""


def at_change(number: int, act: Callable[[], None], count: list[int] | None = None):
    """An audit hook that acts at the change of that number under the current folder."""
    seen, here = [0], str(Path.cwd())

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event not in WRITES or not arguments:
            return
        if event == "open" and not (
            isinstance(arguments[1], str) and set(arguments[1]) & set("wax+")
        ):
            return
        if not str(
            Path(os.fsdecode(arguments[0])).absolute()
            if isinstance(arguments[0], str | bytes)
            else ""
        ).startswith(here):
            return
        seen[0] += 1
        if count is not None:
            count[0] = seen[0]
        if seen[0] >= number:
            act()

    return hook


def content(archive: Path) -> dict[str, str]:
    """What readers see of an archive, by digests: rows with pictures, labels, live time."""
    from glitchvae.archive import Archive

    store, cells = Archive(archive), {}
    for model in sorted(store.info().models):
        rows = store.embeddings(model=model.split()[0])
        rows = rows.take(np.argsort(rows.event_id.astype(str)))
        pictures = np.ascontiguousarray(store.thumbnails(rows).images)
        for n, event in enumerate(rows.event_id):
            seen = pictures[n].tobytes() + rows.mean[n].tobytes()
            cells[f"{model} {event}"] = hashlib.sha256(seen).hexdigest()
        for name in ("class_name", "status", "flags", "label"):
            values = getattr(rows, name)
            cells[f"{model} {name}"] = "" if values is None else "|".join(map(str, values))
    ledger = store.ledger()
    told = {"live": ledger.live(7.5), "covered": ledger.covered(7.5)}
    told |= {f"open {origin}": ledger.open(origin, 7.5) for origin in ledger.origins}
    for name, stretches in told.items():
        cells[name] = str({i: [(float(a), float(b)) for a, b in s] for i, s in stretches.items()})
    return cells


def differences(found: dict[str, str], expected: dict[str, str]) -> list[str]:
    """The cells that are not the same."""
    return sorted(k for k in found.keys() | expected.keys() if found.get(k) != expected.get(k))


def trial(
    case: Case, means: str, rng: np.random.Generator, known: dict[str, Any]
) -> tuple[str, bool]:
    """What is wrong after one trial, "" where nothing is, and whether a write was stopped."""
    with tempfile.TemporaryDirectory() as name:
        shutil.copytree(known["start"], name, dirs_exist_ok=True)
        os.chdir(name)
        ended, stopped = disturb(case, means, rng, known)
        for question in (
            ("archive", "info", "--archive", "A"),
            ("archive", "verify", "--archive", "A"),
        ):
            if (Path("A") / "archive.json").exists() and (status := run(question)):
                return (
                    f"{' '.join(question[:2])} ended with {status} after {means} ({ended})",
                    stopped,
                )
        status = run(case.command)
        if status not in (0, 3):  # 3: the command had been done, and nothing is left to do
            return f"given again it ended with {status}, after {means} ({ended})", stopped
        if wrong := differences(content(Path("A")), known["content"]):
            return (
                f"{len(wrong)} cells differ after {means} ({ended}): {', '.join(wrong[:3])}",
                stopped,
            )
    return "", stopped


def disturb(
    case: Case, means: str, rng: np.random.Generator, known: dict[str, Any]
) -> tuple[str, bool]:
    """Run the command of a case until it is stopped: how it ended, and whether inside a write."""
    if means == "instant":
        wait = float(rng.uniform(0.0, known["seconds"]))

        def prepare() -> None:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)  # which ends the process at once
            signal.setitimer(signal.ITIMER_REAL, wait)

        return f"{wait:.2f} s, {run(case.command, prepare)}", False
    number = int(rng.integers(1, known["changes"] + 1))

    def full() -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def stop() -> None:
        os.kill(os.getpid(), getattr(signal, means))

    act = full if means == "full disk" else stop
    ended = run(case.command, lambda: sys.addaudithook(at_change(number, act)))
    return f"change {number} of {known['changes']}, {ended}", ended != 0


def learn(case: Case, folder: Path) -> dict[str, Any]:
    """How an undisturbed run begins and ends, how long it takes and what it changes."""
    start, work = folder / f"{case.name} before", folder / f"{case.name} after"
    start.mkdir()
    os.chdir(start)
    for command in case.before:
        if status := run(command):
            raise SystemExit(f"{' '.join(command)} ended with {status}\n{said()}")
    case.prepare()
    shutil.copytree(start, work)
    os.chdir(work)
    changes = work / ".changes"

    def prepare() -> None:
        count = [0]
        hook = at_change(10**9, lambda: None, count)

        def counting(event: str, arguments: tuple[Any, ...]) -> None:
            before = count[0]
            hook(event, arguments)
            if count[0] != before:
                os.write(descriptor, b".")

        descriptor = os.open(changes, os.O_WRONLY | os.O_CREAT)
        sys.addaudithook(counting)

    begin = time.monotonic()
    if status := run(case.command, prepare):
        raise SystemExit(f"{' '.join(case.command)} ended with {status}\n{said()}")
    seconds = time.monotonic() - begin
    number = changes.stat().st_size
    return {"start": start, "seconds": seconds, "changes": number, "content": content(work / "A")}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", nargs="+", help="names of cases")
    parser.add_argument("--means", nargs="+", choices=MEANS, default=MEANS)
    parser.add_argument("--seconds", type=int, default=128, help="of each of two files")
    options = parser.parse_args()
    rng = np.random.default_rng(options.seed)
    failed: list[str] = []
    inside = 0
    done: Counter[tuple[str, str]] = Counter()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        chosen = [
            c for c in cases(folder, options.seconds) if not options.only or c.name in options.only
        ]
        known = {case.name: learn(case, folder) for case in chosen}
        for number in range(options.kills):
            case = chosen[number % len(chosen)]
            means = options.means[number // len(chosen) % len(options.means)]
            wrong, stopped = trial(case, means, rng, known[case.name])
            inside += stopped
            done[case.name, means] += 1
            failed += [f"{case.name}: {wrong}"] * bool(wrong)
            print(
                f"{number + 1}: {case.name}, {means}: {wrong or 'as undisturbed'}", file=sys.stderr
            )
        os.chdir("/")
    print("| command | " + " | ".join(MEANS) + " |")
    print("|---" * (len(MEANS) + 1) + "|")
    for case in chosen:
        print(f"| {case.name} | " + " | ".join(str(done[case.name, m]) for m in MEANS) + " |")
    print(f"{sum(done.values())} trials, {inside} stopped inside a write, {len(failed)} failed")
    print(*failed, sep="\n")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()

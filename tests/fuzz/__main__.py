"""Damaged inputs by the thousand: `python -m tests.fuzz --minutes 2`, or `--inputs 200000`.

The same command goes on where an earlier one was stopped. Exit status 1 if there are findings;
`--show READER SEED FOLDER` writes the input of one.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.fuzz.readers import READERS
from tests.fuzz.running import (
    BLOCK,
    HANG,
    SHORT_BLOCK,
    blocks,
    make_good,
    make_input,
    outcome,
    read_log,
    run_block,
    summary,
    write_log,
)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--inputs", type=int, default=200_000)
    parser.add_argument("--minutes", type=float, default=float("inf"))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--hang", type=float, default=HANG, help="Seconds that are a hang.")
    parser.add_argument("--reader", action="append", choices=list(READERS))
    parser.add_argument("--log", type=Path, help="Blocks that are done; continued if it exists.")
    parser.add_argument("--show", nargs=3, metavar=("READER", "SEED", "FOLDER"))
    options = parser.parse_args()
    with TemporaryDirectory(prefix="fuzz-good-") as folder:
        good = make_good(Path(folder))
        if options.show:
            name, seed, to = options.show
            Path(to).mkdir(parents=True, exist_ok=True)
            path = make_input(READERS[name], good[name], int(seed), Path(to))
            print(path, *outcome(READERS[name], path))
            return 0
        done = read_log(options.log) if options.log else []
        # In a short time every reader has its turn.
        size = BLOCK if math.isinf(options.minutes) or options.log else SHORT_BLOCK
        known = {(b.reader, b.first, b.count) for b in done}
        wanted = [
            b
            for b in blocks(options.inputs, options.seed, size=size)
            if b not in known and (not options.reader or b[0] in options.reader)
        ]
        until = time.monotonic() + 60 * options.minutes

        def run(block: tuple[str, int, int]) -> None:
            if time.monotonic() < until:
                name, first, count = block
                found = run_block(name, good[name], first, count, hang=options.hang, until=until)
                done.append(found)
                if options.log and found.count == count:
                    write_log(options.log, found)

        with ThreadPoolExecutor(options.jobs) as pool:
            list(pool.map(run, wanted))
    print(summary(done))
    return int(any(block.findings for block in done))


if __name__ == "__main__":
    sys.exit(main())

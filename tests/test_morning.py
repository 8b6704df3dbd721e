"""The script of docs/census.md for cron, run on three mornings with a reboot in between."""

import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from glitchvae.archive import Archive
from glitchvae.cli import main
from glitchvae.report.times import day_of
from tests.census.simulated import content

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1200),
    pytest.mark.skipif(not shutil.which("flock"), reason="needs flock of util-linux"),
]
ROOT = Path(__file__).parents[1]
DAYS = ("2026-11-18", "2026-11-19", "2026-11-20")
SETTINGS = ("--imaging", "light", "--no-uncertainty")


@pytest.fixture
def place(tmp_path, save_untrained):
    """The script with folders of the test, and a `glitchvae` that embeds with a little model."""
    page = (ROOT / "docs" / "census.md").read_text(encoding="utf-8")
    (script,) = re.findall(r"```sh\n(#!/bin/sh\n.*?)```", page, flags=re.DOTALL)
    assert script.count("/data/glitchvae") == script.count("/data/strain") == 1
    script = script.replace("/data/glitchvae", str(tmp_path / "home"))
    script = script.replace("/data/strain", str(tmp_path / "strain"))
    for name in ("home", "strain", "bin"):
        (tmp_path / name).mkdir()
    model = save_untrained(tmp_path / "tiny")
    program = f'"{sys.executable}" -m glitchvae'
    of_embed = f'--model "{model}" {" ".join(SETTINGS)}'
    command = f'[ "$1" = embed ] && {{ shift; exec {program} embed {of_embed} "$@"; }}'
    for name, text in (
        ("morning", script),
        ("glitchvae", f'#!/bin/sh\n{command}\nexec {program} "$@"\n'),
        ("date", '#!/bin/sh\n[ "$*" = "-u -d yesterday +%F" ] && echo "$YESTERDAY"\n'),
    ):
        path = tmp_path / "bin" / name
        path.write_text(text)
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return tmp_path


def morning_after(place, day):
    """Cron's line, started on the morning after a day."""
    environment = {
        **os.environ,
        "PATH": f"{place / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "OMP_NUM_THREADS": "1",
        "YESTERDAY": day,
    }
    return subprocess.Popen(
        [place / "bin" / "morning"],
        env=environment,
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(process):
    """Exit status and what cron mails."""
    said, errors = process.communicate(timeout=600)
    return process.returncode, said, errors


def record(place, day, seed):
    """Five minutes of strain of a day, as the detector leaves them."""
    start = day_of(day)[0] + 3600
    path = place / "strain" / f"H-H1_TEST-{start:.0f}-300.hdf5"
    settings = f"--duration 300 --sample-rate 1024 --seed {seed} --start {start:.0f}"
    result = CliRunner().invoke(main, ["simulate", "strain", *settings.split(), "-o", str(path)])
    assert result.exit_code == 0, result.output
    return path


def reboot_while_embedding(place, process):
    """SIGKILL for the script and all that it started, when glitches are on disk but not all."""
    pieces = place / "home" / "archive"
    until = time.monotonic() + 300
    while not any(pieces.glob("parts/.running-*/*.parquet")):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until, "nothing was embedded"
        time.sleep(0.005)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def test_three_mornings_with_a_reboot(place):
    home, log = place / "home", place / "home" / "morning.log"
    record(place, DAYS[0], 1)
    assert ended(morning_after(place, DAYS[0]))[::2] == (0, "")
    assert (home / "pages" / f"{DAYS[0]}.html").is_file()
    first = len(Archive(home / "archive").embeddings())
    assert first > 5

    record(place, DAYS[1], 2)
    reboot_while_embedding(place, morning_after(place, DAYS[1]))
    assert not (home / "pages" / f"{DAYS[1]}.html").exists()

    record(place, DAYS[2], 3)
    damaged = place / "strain" / "H-H1_TEST-1-300.hdf5"
    damaged.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(500))
    status, _, mail = ended(morning_after(place, DAYS[2]))
    assert status == 1  # all but a damaged file
    assert damaged.name in mail
    assert f"left out: {damaged}" in log.read_text(encoding="utf-8")
    assert (home / "pages" / f"{DAYS[2]}.html").is_file()
    live = Archive(home / "archive").live_time()["H1"]
    starts = [day_of(day)[0] + 3600 for day in DAYS]
    assert [tuple(map(float, s)) for s in live] == [(t + 1, t + 299) for t in starts]

    # What was missed, and a morning on which nothing is new.
    damaged.unlink()
    before = Archive(home / "archive").embeddings().event_id.tolist()
    status, said, mail = ended(morning_after(place, DAYS[1]))
    assert (status, mail) == (0, "")
    assert f"pages/{DAYS[1]}.html" in said
    assert Archive(home / "archive").embeddings().event_id.tolist() == before

    calm = ["embed", place / "strain", "--archive", place / "calm", "--model", place / "tiny"]
    done = CliRunner().invoke(main, [*map(str, calm), *SETTINGS])
    assert done.exit_code == 0, done.output
    one, two = content(home / "archive"), content(place / "calm")
    for name in ("event_id", "snr", "status", "ifo"):
        np.testing.assert_array_equal(one[0][name], two[0][name])
    # A batch of other rows rounds codes in another way, by the last digit of a float32.
    np.testing.assert_allclose(one[0]["mean"], two[0]["mean"], rtol=0, atol=1e-6)
    np.testing.assert_array_equal(one[1], two[1])
    assert one[2:] == two[2:]


def test_a_morning_while_an_earlier_one_runs_ends_at_once(place):
    with subprocess.Popen(
        ["flock", place / "home" / "morning.lock", "sh", "-c", "echo held; read end"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as earlier:
        assert earlier.stdout is not None
        assert earlier.stdout.readline() == "held\n"
        status, _, errors = ended(morning_after(place, DAYS[0]))
        earlier.communicate("\n")
    assert (status, errors) == (0, "an earlier morning still runs\n")
    assert not (place / "home" / "archive").exists()


def test_a_morning_without_strain_fails_and_says_so(place):
    status, _, errors = ended(morning_after(place, DAYS[0]))
    assert status == 3
    assert str(place / "strain") in errors
    assert not (place / "home" / "pages").exists()

"""The pages by task: every command on them runs, in order, in a folder of its own.

Each page begins where the page `embed` ends. What takes long at the size that a page names runs at
the size of `SMALL`; no option is left out.
"""

import csv
import re
import shlex
import shutil
import subprocess
import sys
from glob import glob
from pathlib import Path

import click
import numpy as np
import pytest
from click.testing import CliRunner

from glitchvae.adapting import replay
from glitchvae.archive import create_archive, fill_from_images
from glitchvae.archive.known_classes import job_of
from glitchvae.cli import main
from glitchvae.spectrogram import SpectrogramSet, imaging_settings
from tests.adapting.conftest import make_set, simulate_quickly

ROOT = Path(__file__).parents[1]
TASKS = sorted((ROOT / "docs" / "tasks").glob("*.md"))
BLOCK = re.compile(r"^```([\w{}-]*)[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
MANY_EVENTS = {"adapt", "decide", "discover"}  # pages whose archive holds more than 15 glitches
LONG = {"recipes", "robustness", "validate"}  # half a minute each, beside tests of their own
SMALL = {
    "adapt": {"--simulated": "200"},
    "challenge": {"--events": "3", "--trials": "1", "--rendered": "0", "--imaging": "light"},
    "discover-new-classes": {"--rendered": "0"},
    "simulate dataset": {"--count": "16", "--imaging": "light"},
    "train": {"--steps": "2"},
    "validate attacks": {"--pairs": "1", "--penalties": "2"},
    "validate chairs": {"--steps": "2", "--points": "600"},
    "validate dsprites": {"--steps": "2", "--points": "600"},
    "validate noise": {"--count": "4"},
    "validate strain": {"--imaging": "light"},
}


def blocks(page, languages):
    text = page.read_text(encoding="utf-8")
    return [(name, body) for name, body in BLOCK.findall(text) if name in languages]


def command_of(words):
    """The command that words begin with, its name, and the words that are left."""
    found, names = main, []
    context = click.Context(main, info_name="glitchvae")
    while isinstance(found, click.Group):
        name, *words = words
        found = found.get_command(context, name)
        assert found is not None, f"no command {' '.join([*names, name])}"
        names.append(name)
    return found, " ".join(names), words


def smaller(words):
    """The same words at the size of `SMALL`."""
    _, name, _ = command_of(words)
    words = [*words]
    for option, value in SMALL.get(name, {}).items():
        places = [i for i, word in enumerate(words) if word == option]
        for place in places:
            words[place + 1] = value
        if not places:
            words += [option, value]
    return words


def run_line(line):
    words = shlex.split(line, comments=True)
    if words[0] == "python":
        subprocess.run([sys.executable, ROOT / words[1], *words[2:]], check=True)
        return
    if words[0] != "glitchvae":
        subprocess.run(["sh", "-c", line], check=True)
        return
    words = [name for word in words[1:] for name in (sorted(glob(word)) or [word])]  # noqa: PTH207
    result = CliRunner().invoke(main, smaller(words))
    assert result.exit_code == 0, f"{line}\n{result.output}\n{result.exception!r}"


def run_page(page, names=None):
    names = {"__name__": "page"} if names is None else names
    for language, body in blocks(page, {"sh", "python"}):
        if language == "python":
            exec(compile(body, page.name, "exec"), names)  # noqa: S102
        else:
            for line in filter(None, map(str.strip, body.splitlines())):
                run_line(line)


@pytest.fixture(scope="module")
def embedded(tmp_path_factory):
    """Where somebody has done what the page `embed` says; and sets of images."""
    folder = tmp_path_factory.mktemp("embedded")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.delenv("GLITCHVAE_ARCHIVE", raising=False)
        run_page(ROOT / "docs" / "tasks" / "embed.md")
        (folder / "strain").mkdir()
        shutil.copy("strain.hdf5", "strain/H-H1_SIMULATED-1238166018-128.hdf5")
    rng = np.random.default_rng(4)
    kinds = np.array(["Blip", "Koi_Fish", "Whistle"], dtype=object)
    split = np.array(["train", "train", "validation", "test"], dtype=object)
    images = make_set(kinds[np.arange(60) % 3], rng, split=split[np.arange(60) // 15])
    images.write(folder / "set.h5")
    make_set(kinds[np.arange(6) % 3], rng, ifo="L1").write(folder / "more.h5")
    return folder


@pytest.fixture(scope="module")
def crowded(embedded, tmp_path_factory):
    """The same with an archive of many glitches, of kinds that the model has never seen."""
    folder = tmp_path_factory.mktemp("crowded") / "here"
    shutil.copytree(embedded, folder)
    shutil.rmtree(folder / "glitch-archive")
    archive = create_archive(folder / "glitch-archive")
    job = job_of("default", catalog=archive.own_catalog, uncertainty=False)[0]
    kinds = np.array(["Blip", "Koi_Fish", "Whistle"], dtype=object)[np.arange(120) % 3]
    made = make_set(kinds, np.random.default_rng(5))
    images = SpectrogramSet(**{**vars(made), "imaging": imaging_settings("light").model_dump()})
    fill_from_images(archive, images, job)
    with (folder / "labels.csv").open("w", newline="") as file:
        rows = zip(images.event_id[:30], kinds[:30], strict=True)
        csv.writer(file).writerows([("event_id", "label"), *rows])
    return folder


def pages_and_marks():
    for page in TASKS:
        marks = pytest.mark.slow if page.stem in LONG else ()
        yield pytest.param(page, marks=marks, id=page.stem)


@pytest.mark.whole
@pytest.mark.parametrize("page", list(pages_and_marks()))
def test_every_block_runs_in_order(page, request, tmp_path, monkeypatch):
    begun = request.getfixturevalue("crowded" if page.stem in MANY_EVENTS else "embedded")
    if page.stem == "embed":
        return  # run by the fixture
    monkeypatch.setattr("glitchvae.report.plane.neighbour_map", lambda codes, seed: {})
    monkeypatch.setattr(replay, "simulate_dataset", simulate_quickly)
    for name in ("GLITCHVAE_ARCHIVE", "GLITCHVAE_CATALOG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(shutil.copytree(begun, tmp_path / "here"))
    run_page(page)

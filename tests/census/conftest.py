"""Simulated strain of two detectors, a little model, and a census of them that nobody disturbed."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from glitchvae.archive.known_classes import job_of
from glitchvae.census import How, find_sources, merge_parts, plan_census, work
from tests.census.simulated import noise, write

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def census_model(tmp_path_factory, save_untrained):
    """Folder of an untrained model."""
    codes = np.random.default_rng(2).normal(size=(60, 4))
    labels = np.array(["Blip", "Whistle", "Tomte"] * 20, dtype=object)
    return save_untrained(tmp_path_factory.mktemp("models") / "tiny", codes, labels, latent_size=4)


@pytest.fixture(scope="session")
def strain_folder(tmp_path_factory):
    """Two files of H1 that adjoin, and two of L1 with a minute missing between them."""
    folder = tmp_path_factory.mktemp("strain")
    write(noise("H1", 1), folder, (0, 100), (100, 270))
    write(noise("L1", 2), folder, (0, 100), (160, 270))
    return folder


@pytest.fixture(scope="session")
def make(census_model):
    """Plans a census of some inputs."""
    job, _ = job_of(census_model, catalog="nowhere", imaging="light", uncertainty=False)
    how = How(
        model=str(census_model),
        model_digest=job.checkpoint.digest,
        imaging="light",
        snr=7.5,
        uncertainty=False,
        device="cpu",
    )

    def plan(folder, *inputs, backoff=0.0, length=120.0, **options):
        found = find_sources([Path(path) for path in inputs])
        return plan_census(
            folder,
            found.sources,
            how,
            archive=folder / "archive",
            length=length,
            backoff=backoff,
            problems=found.problems,
            **options,
        )

    return SimpleNamespace(plan=plan, how=how, job=job)


@pytest.fixture(scope="session")
def undisturbed(make, strain_folder, tmp_path_factory):
    """A census that was worked on and merged without any trouble."""
    census = make.plan(tmp_path_factory.mktemp("undisturbed") / "census", strain_folder)
    for _ in work(census, census.shards):
        pass
    merge_parts(census)
    return census


@pytest.fixture
def copied(undisturbed, make, strain_folder, tmp_path):
    """The same census whose parts are done, in a folder of its own and not merged."""
    census = make.plan(tmp_path / "census", strain_folder)
    shutil.copytree(undisturbed.folder / "parts", census.folder / "parts")
    return census


@pytest.fixture
def glitchvae():
    """Starts a command in a process of its own."""
    started = []

    def start(*arguments, **options):
        process = subprocess.Popen(
            [sys.executable, "-m", "glitchvae", *map(str, arguments)],
            env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            **options,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()

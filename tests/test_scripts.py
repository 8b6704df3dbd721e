"""The scripts of the documentation, run as a reader runs them."""

import csv
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tomli_w
from PIL import Image

import glitchvae as gv
from glitchvae.classes.model_card import CARD, RealSetCard
from glitchvae.dataset import write_gravity_spy
from glitchvae.shapes import IMAGE_SHAPE, VIEWS
from glitchvae.simulate import simulate_strain
from glitchvae.spectrogram import SpectrogramSet
from tests.cards import blank_card

pytestmark = pytest.mark.whole
SCRIPTS = Path(__file__).parents[1] / "docs" / "scripts"


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """Glitches of two detectors, with what was searched."""
    folder = tmp_path_factory.mktemp("scripts") / "archive"
    strain = [
        simulate_strain(64.0, ifo, seed=seed, glitches=6)[0].to_gwpy()
        for seed, ifo in enumerate(("H1", "L1"))
    ]
    gv.embed(strain, archive=folder, imaging="light", uncertainty=False)
    return gv.open_archive(folder)


def run(script, *options, status=0):
    """What a script says, as text and as rows of a table."""
    done = subprocess.run(
        [sys.executable, SCRIPTS / script, *map(str, options)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, "Traceback" in done.stderr) == (status, False), done.stderr
    return done.stdout if status == 0 else done.stderr, list(
        csv.DictReader(done.stdout.splitlines())
    )


def commonest(archive, ifo):
    names = archive.events(ifo=ifo).embeddings.class_name.tolist()
    return max(set(names), key=names.count)


def test_rates_by_day_count_every_glitch_in_the_live_time(archive):
    rows = run("rates_by_day.py", archive.path, "--ifo", "H1")[1]
    every = archive.events(ifo="H1", snr=7.5)
    assert sum(int(row["glitches"]) for row in rows) == len(every) > 0
    hours = float(abs(archive.live_time("H1", 7.5))) / 3600
    for row in rows:
        assert float(row["live_hours"]) == pytest.approx(hours, abs=5e-4)
        assert float(row["per_hour"]) == pytest.approx(int(row["glitches"]) / hours, rel=1e-3)
        assert float(row["lowest"]) <= float(row["per_hour"]) <= float(row["highest"])
    assert (
        "live time of K1 is unknown"
        in run("rates_by_day.py", archive.path, "--ifo", "K1", status=1)[0]
    )


def test_a_veto_of_a_class_removes_it(archive, tmp_path):
    name = commonest(archive, "L1")
    given = (archive.path, name, "--ifo", "L1", "--probability", 0)
    told = run("veto_of_class.py", *given, "-o", tmp_path / "veto.txt")[0]
    assert f"{name}: efficiency 100.0%" in told
    segments = np.loadtxt(tmp_path / "veto.txt", ndmin=2)[:, 1:3]  # segwizard
    gps = archive.events(ifo="L1", class_name=name).embeddings.gps
    assert all(((segments[:, 0] <= t) & (t < segments[:, 1])).any() for t in gps)
    absent = run("veto_of_class.py", archive.path, "Helix", "--ifo", "V1", "-o", "no.txt", status=1)
    assert "no glitch of V1 is named Helix" in absent[0]


def test_neighbours_are_told_by_detector_the_glitch_itself_first(archive, tmp_path):
    own = archive.events(ifo="H1").embeddings
    glitch = own.event_id[own.usable][0]
    told = run(
        "neighbours_across_detectors.py", archive.path, glitch, "-k", 2, "-o", tmp_path / "a.png"
    )[0]
    lines = [line.split() for line in told.splitlines() if line[:2] in ("H1", "L1")]
    assert [line[0] for line in lines] == ["H1", "H1", "L1", "L1"]
    distances = np.array([float(line[-1]) for line in lines]).reshape(2, 2)
    assert (np.diff(distances, axis=1) >= 0).all()
    with Image.open(tmp_path / "a.png") as picture:
        assert picture.width > 400


def test_the_witness_of_a_class_comes_first(archive, tmp_path):
    rng = np.random.default_rng(0)
    name = commonest(archive, "L1")
    gps = archive.events(ifo="L1", class_name=name, snr=7.5).embeddings.gps
    ((start, end),) = archive.live_time("L1", 7.5)
    for channel, times in (("sees", gps + 0.01), ("blind", rng.uniform(start, end, 20))):
        lines = [f"{t:.6f},50.0,20.0" for t in times]
        text = "\n".join(["time,frequency,snr", *lines])
        (tmp_path / f"{channel}.csv").write_text(text + "\n")
    tables = [tmp_path / f"{channel}.csv" for channel in ("blind", "sees", "gone")]
    rows = run("witnesses.py", archive.path, name, *tables, "--ifo", "L1")[1]
    assert [row["channel"] for row in rows] == ["sees", "blind"]
    assert (int(rows[0]["inside"]), float(rows[0]["efficiency"])) == (len(gps), 1.0)
    assert float(rows[0]["p_value"]) <= float(rows[1]["p_value"])


def test_equal_runs_differ_in_nothing_and_models_agree_with_themselves(archive):
    rows = run("compare_runs.py", archive.path, archive.path, "--ifo", "H1")[1]
    assert {float(row["ratio"]) for row in rows} == {1.0}
    assert {float(row["p_value"]) for row in rows} == {1.0}
    done = run("compare_runs.py", archive.path, "--models", "default", "default")[0].splitlines()
    assert sum(int(line.split(",")[-1]) for line in done[1:]) == len(archive.events())
    assert all(line.split(",")[0] == line.split(",")[1] for line in done[1:])


def test_real_sets_are_rebuilt_from_training_set_and_pictures(tmp_path):
    rng = np.random.default_rng(0)
    count = 4
    column = np.arange(count, dtype=float)
    values = dict.fromkeys(
        ("snr", "peak_frequency", "q", "duration", "bandwidth", "gps"), column + 1
    )
    images = SpectrogramSet(
        images=rng.uniform(0, 25.5, (count, len(VIEWS), *IMAGE_SHAPE)),
        event_id=[f"id{i}" for i in range(count)],
        ifo=["H1"] * count,
        f_max=np.full(count, 2048.0),
        block_duration=np.full(count, 64.0),
        status=["ok"] * count,
        label=["Blip"] * count,
        split=["train"] * count,
        **values,
    )
    write_gravity_spy(images, tmp_path / "training.h5")
    folder = tmp_path / "pictures" / "Koi_Fish"
    folder.mkdir(parents=True)
    for name in ("aaa", "bbb"):
        Image.new("RGB", (800, 600), (128, 128, 128)).save(
            folder / f"L1_{name}_spectrogram_4.0.png"
        )
    (tmp_path / "table.csv").write_text(
        "gravityspy_id,event_time,ifo,snr\naaa,1250000000.5,L1,9\nbbb,1250000100.25,L1,9\n"
    )
    sets = tuple(
        RealSetCard(name=name, digest="0", share=0.1, ids=ids)
        for name, ids in (
            ("o1_o2.h5", ("id1", "id3", "gone")),
            ("o3.npz", ("L1-1250000100.2500",)),
        )
    )
    card = blank_card("glitch").model_copy(update={"real_sets": sets})
    model = tmp_path / "model"
    model.mkdir()
    (model / CARD).write_text(tomli_w.dumps(card.model_dump(mode="json")))
    told = subprocess.run(
        [
            *(sys.executable, SCRIPTS / "rebuild_real_sets.py", model, tmp_path / "out"),
            *("--training-set", tmp_path / "training.h5"),
            *("--pictures", tmp_path / "pictures", "--table", tmp_path / "table.csv"),
        ],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert f"{tmp_path / 'out' / 'o1_o2.h5'}: 2 of 3 events" in told
    assert f"{tmp_path / 'out' / 'o3.h5'}: 1 of 1 events" in told
    assert list(SpectrogramSet.read(tmp_path / "out" / "o1_o2.h5").event_id) == ["id1", "id3"]
    rebuilt = SpectrogramSet.read(tmp_path / "out" / "o3.h5")
    assert (rebuilt.gps[0], rebuilt.label[0], rebuilt.status[0]) == (
        1250000100.25,
        "Koi_Fish",
        "ok",
    )

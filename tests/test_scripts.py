"""The scripts of the documentation, run as a reader runs them."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import tomli_w
from PIL import Image

from glitchvae.classes.model_card import CARD, RealSetCard
from glitchvae.dataset import write_gravity_spy
from glitchvae.shapes import IMAGE_SHAPE, VIEWS
from glitchvae.spectrogram import SpectrogramSet
from tests.cards import blank_card

SCRIPTS = Path(__file__).parents[1] / "docs" / "scripts"


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

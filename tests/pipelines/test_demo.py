"""The recipe `demo`: what it says of what was found is counted, and a rehearsal runs to its end."""

import re
from contextlib import redirect_stdout
from io import StringIO

import numpy as np
import pytest

from glitchvae.embedding import Embeddings
from glitchvae.errors import GlitchvaeError
from glitchvae.recipes import find_recipe, load_recipe, run_recipe

demo = load_recipe(find_recipe("demo"))
START = 1238166018.0


def truth_of(*rows):
    """Glitches of (ifo, seconds, duration, label, SNR)."""
    ifo, time, duration, label, snr = (
        np.array(column, object) for column in zip(*rows, strict=True)
    )
    return demo.Glitches(
        ifo=ifo,
        gps=START + time.astype(float),
        duration=duration.astype(float),
        label=label,
        snr=snr.astype(float),
    )


def events_of(*rows):
    """Events of (ifo, seconds, duration, class, SNR)."""
    ifo, time, duration, name, snr = (
        np.array(column, object) for column in zip(*rows, strict=True)
    )
    count, unknown = len(rows), np.full(len(rows), np.nan)
    return Embeddings(
        event_id=[f"{i}-{n}" for n, i in enumerate(ifo)],
        gps=START + time.astype(float),
        ifo=ifo,
        snr=snr.astype(float),
        duration=duration.astype(float),
        **dict.fromkeys(("peak_frequency", "q", "bandwidth", "f_max", "block_duration"), unknown),
        mean=np.zeros((count, 2)),
        log_var=np.zeros((count, 2)),
        class_name=name,
        class_probability=unknown,
        novelty_p=unknown,
        status=["ok"] * count,
        flags=[""] * count,
    )


def told(function, *arguments):
    with redirect_stdout(StringIO()) as said:
        function(*arguments)
    return said.getvalue()


def test_found_and_named_rightly_are_counted_from_the_truth():
    truth = truth_of(
        ("H1", 10, 0.1, "Blip", 20),
        ("H1", 30, 4.0, "Scattered_Light", 20),
        ("H1", 50, 0.1, "Tomte", 20),
        ("H1", 70, 0.1, "Blip", 5),  # too quiet to be counted
        ("L1", 10, 0.5, "Ladder", 20),
        ("L1", 90, 0.5, "Ladder", 20),
    )
    events = events_of(
        ("H1", 10.2, 0.1, "Blip", 19),
        ("H1", 31.8, 1.0, "Tomte", 9),
        ("H1", 30.1, 1.0, "Scattered_Light", 15),  # the loudest counts
        ("L1", 50, 0.1, "Tomte", 20),  # another detector
        ("L1", 10.4, 0.1, "None_of_the_Above", 20),
    )
    said = told(demo.tell_found, events, truth, demo.DemoSettings())
    assert "2 of 3 known glitches of SNR 7.5 or more found, 2 named rightly." in said
    assert "1 of 2 of the new shape found" in said
    assert "named None_of_the_Above 1" in said


def test_the_next_stretch_is_counted_too():
    truth = truth_of(("H1", 10, 0.5, "Ladder", 20), ("H1", 40, 0.5, "Ladder", 20))
    events = events_of(
        ("H1", 10, 0.5, "Ladder", 19), ("H1", 40, 0.5, "Blip", 19), ("H1", 70, 0.5, "Ladder", 19)
    )
    said = told(demo.tell_next, events, truth, "Ladder")
    assert "2 of 2 of the new shape found, 1 named Ladder; 1 other event named Ladder." in said


def test_a_command_that_fails_ends_the_demonstration(capfd, tmp_path):
    with pytest.raises(GlitchvaeError, match="`glitchvae report` ended with exit status 3"):
        demo.glitchvae("report", tmp_path / "nowhere")
    assert "not an archive" in capfd.readouterr().err


@pytest.fixture(scope="module")
def model(tmp_path_factory, save_untrained):
    codes = np.random.default_rng(1).normal(size=(200, 3))
    labels = np.array(["Blip", "Tomte"] * 100, dtype=object)
    return save_untrained(tmp_path_factory.mktemp("demo") / "model", codes, labels)


@pytest.mark.whole
def test_a_rehearsal_goes_through_every_step(model, tmp_path, capfd):
    config = tmp_path / "demo.toml"
    config.write_text(f'model = "{model}"\n', encoding="utf-8")
    run_recipe(find_recipe("demo"), tmp_path / "out", config=config, tiny=True)
    said = capfd.readouterr().out
    commands = re.findall(r"^\$ glitchvae (\S+)", said, re.MULTILINE)
    assert commands[:4] == ["simulate", "simulate", "embed", "discover-new-classes"]
    assert commands[-3:] == ["simulate", "embed", "report"]
    assert re.search(r"\d of \d of the new shape found", said)
    last = said.splitlines()[-5:]
    for line in last:
        assert (tmp_path / "out").resolve().as_posix() in line
    pages = [tmp_path / "out" / name for name in ("report.html", "discovery/report.html")]
    assert all(page.is_file() for page in pages)

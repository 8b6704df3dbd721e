"""`glitchvae compare`: trained models side by side, from logs and on images."""

import csv
import json

import numpy as np
import pytest
from click.testing import CliRunner

from glitchvae.checkpoint import read_card
from glitchvae.cli import main
from glitchvae.spectrogram import SpectrogramSet
from glitchvae.training import TrainingConfig, TrainingData, expand_members, train, train_ensemble
from glitchvae.training.log import read_log
from glitchvae.validation.comparison import GlitchSets, find_runs, line_up, measure_run


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """Twenty-four labelled glitches with a split of their own, as a file."""
    rng, count = np.random.default_rng(0), 24
    path = tmp_path_factory.mktemp("sets") / "set.h5"
    energies = rng.exponential(1.0, (count, 4, 140, 170)).astype(np.float16)
    energies[::2, :, 40:60] += 12
    numbers = ("snr", "peak_frequency", "q", "duration", "bandwidth", "f_max", "block_duration")
    SpectrogramSet(
        images=energies,
        event_id=np.array([f"e{i}" for i in range(count)]),
        gps=np.arange(count) * 512.0,
        ifo=np.array(["H1"] * count),
        status=np.array(["ok"] * count),
        label=np.array(["Blip", "Tomte"] * (count // 2)),
        split=np.array((["train"] * 8 + ["validation"] * 2 + ["test"] * 2) * 2),
        imaging={"name": "light"},
        **{name: np.full(count, 2000.0) for name in numbers},
    ).write(path)
    return path


@pytest.fixture(scope="module")
def runs(images, tmp_path_factory):
    """Two settings, two seeds each, and the best of one on its way."""
    folder = tmp_path_factory.mktemp("runs") / "sweep"
    small = {"image_shape": (28, 34), "widths": (4, 8), "hidden": 16, "latent_size": 3}
    data = GlitchSets([images]).at(28, 34)
    assert isinstance(data, TrainingData)
    settings = {"objective": {"name": "beta"}, "model": small, "steps": 3, "batch_size": 8}
    config = TrainingConfig(**settings)
    train_ensemble(data, config, expand_members(config, ["beta=1,4", "seeds=2"]), folder)
    watched = TrainingConfig(**{**settings, "seed": 7, "validate_every": 2, "keep_every": 2})
    train(data, watched, folder.parent / "watched")
    return folder


def invoke(*arguments):
    return CliRunner().invoke(main, ["compare", *map(str, arguments)])


def test_likelihoods_that_differ_are_told_and_what_is_alike_is_not_drawn(
    images, tmp_path, monkeypatch
):
    drawn = {}
    monkeypatch.setattr(
        "glitchvae.plots.comparison.comparison", lambda lines, path, title: drawn.update(lines)
    )
    small = {"image_shape": (28, 34), "widths": (4, 8), "hidden": 16, "latent_size": 3}
    data = GlitchSets([images]).at(28, 34)
    for likelihood in ("gaussian", "clipped-energy"):
        model = {**small, "likelihood": likelihood}
        config = TrainingConfig(objective={"name": "beta"}, model=model, steps=3, batch_size=8)
        train(data, config, tmp_path / likelihood)
    done = invoke(tmp_path / "gaussian", tmp_path / "clipped-energy", "-o", tmp_path / "out")
    assert done.exit_code == 0, done.output
    assert "different likelihoods of the pixels cannot be compared" in done.stderr
    assert len(drawn) == 2
    for line in drawn.values():
        assert {"rate", "parameters"} <= set(line)
        assert not {"steps", "latent size"} & set(line)


def test_seeds_of_one_setting_are_a_line(runs, tmp_path):
    done = invoke(runs, "-o", tmp_path / "out")
    assert done.exit_code == 0, done.output
    assert "beta beta=1.0" in done.stdout.replace("  ", " ")
    assert "training batches" in done.stderr
    with (tmp_path / "out" / "compare.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["measure"] == "rate"]
    assert [(row["settings"], row["runs"]) for row in rows] == [
        ("beta beta=1.0", "2"),
        ("beta beta=4.0", "2"),
    ]
    last = [read_log(run)["rate"][-1] for run in find_runs([runs])[:2]]
    assert float(rows[0]["value"]) == pytest.approx(np.mean(last))
    assert float(rows[0]["low"]) < min(last) <= max(last) < float(rows[0]["high"])
    with (tmp_path / "out" / "runs.csv").open() as file:
        each = list(csv.DictReader(file))
    assert [row["seed"] for row in each] == ["0", "1", "0", "1"]
    assert (tmp_path / "out" / "compare.png").read_bytes().startswith(b"\x89PNG")


def test_images_give_rate_probe_and_agreement(runs, images):
    done = invoke(runs, "--data", images, "--json")
    assert done.exit_code == 0, done.output
    (table,) = json.loads(done.stdout)["tables"]
    for row in table["rows"]:
        assert row["elbo"]["value"] == pytest.approx(
            -row["rate"]["value"] - row["distortion"]["value"]
        )
        assert row["elbo"]["low"] < row["elbo"]["value"] < row["elbo"]["high"]
        assert 0 <= row["probe_accuracy"]["value"] <= 1
        assert 0 <= row["udr"]["value"] <= 1
        assert row["udr"]["low"] is None
        assert (row["latent_size"]["value"], row["steps"]["value"]) == (3, 3)
        assert row["steps_s"]["value"] > 0


def test_the_terms_are_of_the_events_that_are_not_for_training(runs, images):
    run = find_runs([runs])[0]
    found = measure_run(run, GlitchSets([images]))
    assert found.measured_on == "8 images of set.h5"
    assert found.codes is not None
    assert found.codes.shape == (8, 3)
    assert found.measures == measure_run(run, GlitchSets([images])).measures


def test_validation_of_the_log_comes_before_its_batches(runs):
    watched = runs.parent / "watched"
    assert (watched / "best" / "card.toml").exists()
    assert find_runs([runs.parent]) == (*find_runs([runs]), watched)
    assert find_runs([watched / "best"]) == (watched / "best",)
    found = measure_run(watched)
    seen = read_log(watched)["validation_elbo"]
    assert found.measured_on == "validation events"
    assert found.measures["ELBO"] == pytest.approx(seen[np.isfinite(seen)][-1])
    assert "seed" not in found.settings
    (line,) = line_up([found])
    assert line.name == "beta"
    assert np.isnan(line.measures["rate"].low)
    assert "UDR" not in line.measures


def test_numbers_of_other_images_are_not_passed_off_as_the_same(runs):
    done = invoke(runs, runs.parent / "watched")
    assert done.exit_code == 0, done.output
    assert "not of the same images" in done.stderr


def test_a_bad_run_is_named_and_the_others_are_compared(runs, tmp_path):
    (tmp_path / "empty").mkdir()
    broken = tmp_path / "broken"
    broken.mkdir()
    for name in ("card.toml", "weights.safetensors"):
        (broken / name).write_bytes((find_runs([runs])[0] / name).read_bytes())
    (broken / "weights.safetensors").write_bytes(b"short")
    done = invoke(runs, broken, tmp_path / "empty", tmp_path / "nowhere")
    assert done.exit_code == 1, done.output
    for path in (broken, tmp_path / "empty", tmp_path / "nowhere"):
        assert str(path) in done.stderr.replace("\n", "")
    assert "beta=4.0" in done.stdout
    assert invoke(tmp_path / "empty").exit_code == 3


def test_a_model_whose_class_is_gone_is_one_sentence(runs, tmp_path):
    card = (find_runs([runs])[0] / "card.toml").read_text()
    gone = tmp_path / "gone"
    gone.mkdir()
    text = card.replace('name = "beta"', 'name = "gv-gone"\nclass = "gv_gone:Gone"')
    text = text.replace('architecture = "glitch"', 'architecture = "user"')
    (gone / "card.toml").write_text(text)
    (gone / "weights.safetensors").write_bytes(
        (find_runs([runs])[0] / "weights.safetensors").read_bytes()
    )
    assert read_card(gone).objective["class"] == "gv_gone:Gone"
    done = invoke(gone)
    assert done.exit_code == 3
    assert str(gone) in done.stderr.replace("\n", "")
    assert "Traceback" not in done.output


def test_wrong_images_are_told(runs, images, tmp_path):
    done = invoke(runs, "--data", images, "--data", "dsprites")
    assert done.exit_code == 2
    assert "--data can be repeated for sets" in done.stderr
    (tmp_path / "text.npz").write_text("no images")
    done = invoke(runs, "--data", tmp_path / "text.npz")
    assert done.exit_code == 3
    assert "text.npz" in done.stderr.replace("\n", "")

"""Training: bytes in memory, batches, runs that stop and go on without a trace."""

import csv
import os
import signal
import threading

import numpy as np
import pytest
import torch

from glitchvae.checkpoint import load_checkpoint
from glitchvae.errors import ConfigError, InputError, ModelError
from glitchvae.models import GlitchVAESettings
from glitchvae.objectives import Annealed, Beta
from glitchvae.training import (
    TrainingConfig,
    TrainingData,
    plan,
    read_training_config,
    resumed_config,
    train,
)

TINY = GlitchVAESettings(image_shape=(20, 24), widths=(4, 8), hidden=16, latent_size=3)
CONFIG = TrainingConfig(
    objective=Annealed(beta0=4, iteration_threshold=50), steps=100, batch_size=8, log_every=10,
    save_every=20, model=TINY,
)  # fmt: skip


def make_images(rng, count=30):
    """Two kinds of glitch in noise: a line across (even rows) and a line upwards (odd)."""
    images = rng.exponential(1.0, (count, 4, 20, 24)).astype(np.float16)
    images[::2, :, 6] += 15
    images[1::2, :, :, 12] += 15
    return images


@pytest.fixture
def data(rng) -> TrainingData:
    labels = np.array(["Line", "Blip"] * 15, dtype=object)
    split = np.array((["train"] * 7 + ["validation"] * 2 + ["test"]) * 3, dtype=object)
    return TrainingData.from_images(
        make_images(rng), labels=labels, split=split, description="made up"
    )


class Stop:
    """A progress callback that signals this process after some steps."""

    def __init__(self, after, number=signal.SIGINT):
        self.left, self.number = after, number

    def __call__(self, steps):
        self.left -= steps
        if self.left == 0:
            os.kill(os.getpid(), self.number)


def weights(run):
    return (run / "weights.safetensors").read_bytes()


# Data


def test_energies_keep_a_tenth(rng):
    images = rng.uniform(0, 25.5, (5, 4, 20, 24)).astype(np.float32)
    data = TrainingData.from_images(images)
    assert data.counts.dtype == torch.uint8
    assert data.nbytes == 5 * 4 * 20 * 24 + 5 * 20
    np.testing.assert_allclose(data.images(slice(None)).numpy(), images, atol=0.0501)


def test_rows_that_were_not_computed_stay_so(rng):
    images = make_images(rng, 4)
    images[1, :, 12:] = np.nan
    data = TrainingData.from_images(images)
    found = data.images(torch.tensor([1, 2]))
    assert found[0, :, 12:].isnan().all()
    assert not found[0, :, :12].isnan().any()
    assert not found[1].isnan().any()


def test_the_digest_follows_images_labels_and_split(rng):
    images = make_images(rng, 4)
    labels = np.array(["a", "b", "a", "b"], dtype=object)
    digests = {
        TrainingData.from_images(images).digest,
        TrainingData.from_images(images[::-1]).digest,
        TrainingData.from_images(images, labels=labels).digest,
        TrainingData.from_images(images, split=labels).digest,
    }
    assert len(digests) == 4
    assert TrainingData.from_images(images.copy()).digest in digests


def test_an_empty_set_is_refused(rng):
    with pytest.raises(InputError, match="no usable event"):
        TrainingData.from_images(make_images(rng, 0))


def test_joined_sets_keep_events_and_settings(rng):
    parts = [
        TrainingData.from_images(make_images(rng, count), imaging={"name": name}, description=name)
        for count, name in ((2, "light"), (3, "gravity-spy"), (1, "light"))
    ]
    whole = TrainingData.join(parts)
    assert torch.equal(whole.counts, torch.cat([part.counts for part in parts]))
    assert whole.imaging == ({"name": "light"}, {"name": "gravity-spy"})
    assert whole.description == "light + gravity-spy + light"
    assert whole.digest not in {part.digest for part in parts}
    assert TrainingData.join(parts[:1]) is parts[0]


# Runs


def test_a_run_learns_and_leaves_a_checkpoint(data, tmp_path):
    run = train(data, CONFIG, tmp_path / "run")
    with (run / "log.csv").open() as stream:
        log = list(csv.DictReader(stream))
    assert [int(float(row["step"])) for row in log] == list(range(10, 101, 10))
    assert float(log[-1]["reconstruction"]) < 0.95 * float(log[0]["reconstruction"])
    assert [float(row["beta"]) for row in (log[0], log[-1])] == pytest.approx([3.46, 1])
    opened = load_checkpoint(run)
    assert opened.card.data.digest == data.digest
    assert opened.card.steps == 100
    assert opened.prototypes.names == ("Blip", "Line")
    assert opened.card.figures["validation_accuracy"] > 0.9
    assert {"loss", "rate", "validation_reconstruction"} <= set(opened.card.figures)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_sixty_steps_a_stop_and_forty_are_a_hundred(precision, data, tmp_path):
    config = CONFIG.model_copy(update={"precision": precision})
    whole = train(data, config, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        train(data, config, tmp_path / "parts", progress=Stop(60))
    assert load_checkpoint(tmp_path / "parts").card.steps == 60
    torch.rand(7)  # what others draw in between must not matter
    parts = train(data, config, tmp_path / "parts", resume=True)
    assert weights(parts) == weights(whole)
    assert (parts / "log.csv").read_text() == (whole / "log.csv").read_text()


def test_a_killed_run_goes_on_from_its_last_state(data, tmp_path):
    class KilledError(Exception):
        """Stands for a process that ends without a chance to write."""

    def kill(_, left=[75]):  # noqa: B006
        left[0] -= 1
        if left[0] == 0:
            raise KilledError

    whole = train(data, CONFIG, tmp_path / "whole")
    with pytest.raises(KilledError):
        train(data, CONFIG, tmp_path / "parts", progress=kill)
    with pytest.raises(ModelError, match="--resume"):
        load_checkpoint(tmp_path / "parts")
    steps = []
    parts = train(data, CONFIG, tmp_path / "parts", resume=True, progress=steps.append)
    assert steps[0] == 60
    assert weights(parts) == weights(whole)


def test_sigterm_leaves_a_checkpoint_and_the_handlers_as_they_were(data, tmp_path):
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt):
        train(data, CONFIG, tmp_path / "run", progress=Stop(7, signal.SIGTERM))
    assert load_checkpoint(tmp_path / "run").card.steps == 7
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_run_leaves_the_callers_random_numbers_alone(data, tmp_path):
    torch.manual_seed(4)
    expected = torch.rand(3)
    torch.manual_seed(4)
    train(data, CONFIG.model_copy(update={"steps": 2}), tmp_path / "run")
    assert torch.equal(torch.rand(3), expected)


def test_runs_work_outside_the_main_thread(data, tmp_path):
    config = CONFIG.model_copy(update={"steps": 2})
    thread = threading.Thread(target=train, args=(data, config, tmp_path / "run"))
    thread.start()
    thread.join()
    assert load_checkpoint(tmp_path / "run").card.steps == 2


def test_seeds_differ_and_repeat(data, tmp_path):
    config = CONFIG.model_copy(update={"steps": 5})
    other = config.model_copy(update={"seed": 1})
    runs = [train(data, c, tmp_path / n) for c, n in ((config, "a"), (config, "b"), (other, "c"))]
    assert weights(runs[0]) == weights(runs[1]) != weights(runs[2])


def test_a_loss_that_is_not_finite_stops_and_keeps_the_last_state(data, tmp_path):
    train(data, CONFIG.model_copy(update={"steps": 20}), tmp_path / "run")
    wild = CONFIG.model_copy(update={"learning_rate": 1e30})
    with pytest.raises(ModelError, match=r"not finite at step \d+.*learning_rate"):
        train(data, wild, tmp_path / "wild")
    assert load_checkpoint(tmp_path / "run").card.steps == 20
    assert not (tmp_path / "wild" / "card.toml").exists()


def test_data_that_changed_are_refused(data, tmp_path, rng):
    short = CONFIG.model_copy(update={"steps": 4})
    train(data, short, tmp_path / "run")
    before = weights(tmp_path / "run")
    other = TrainingData.from_images(make_images(rng))
    with pytest.raises(ModelError, match="the data changed"):
        train(other, CONFIG, tmp_path / "run", resume=True)
    assert weights(tmp_path / "run") == before


def test_other_settings_are_refused_by_name(data, tmp_path):
    train(data, CONFIG.model_copy(update={"steps": 4}), tmp_path / "run")
    other = CONFIG.model_copy(update={"batch_size": 4, "objective": Beta()})
    with pytest.raises(ModelError, match=r"settings differ.*: objective, batch_size"):
        train(data, other, tmp_path / "run", resume=True)


def test_an_earlier_run_is_never_overwritten(data, tmp_path):
    short = CONFIG.model_copy(update={"steps": 2})
    run = train(data, short, tmp_path / "run")
    before = weights(run)
    with pytest.raises(InputError, match="holds a run already"):
        train(data, short, run)
    assert weights(run) == before


def test_nothing_to_resume_is_said(data, tmp_path):
    with pytest.raises(InputError, match="nothing to resume"):
        train(data, CONFIG, tmp_path, resume=True)


def test_a_damaged_state_is_named(data, tmp_path):
    run = train(data, CONFIG.model_copy(update={"steps": 2}), tmp_path / "run")
    (run / "resume" / "state.pt").write_bytes(b"PK\x03\x04 not a state")
    with pytest.raises(InputError, match=r"state\.pt.*damaged"):
        resumed_config(run)


def test_a_split_without_training_events_is_refused(rng, tmp_path):
    split = np.full(30, "test", dtype=object)
    data = TrainingData.from_images(make_images(rng), split=split)
    with pytest.raises(ModelError, match=r"no event to train on.*\['test'\]"):
        train(data, CONFIG, tmp_path / "run")


def test_without_labels_there_are_no_prototypes(rng, tmp_path):
    data = TrainingData.from_images(make_images(rng))
    run = train(data, CONFIG.model_copy(update={"steps": 2}), tmp_path / "run")
    assert load_checkpoint(run).prototypes is None


def test_every_event_is_seen_once_an_epoch(data):
    from glitchvae.training.order import DataOrder

    rows = data.rows("train")
    order = DataOrder(rows, 7, seed=0, stream=0, device=torch.device("cpu"))
    seen = [order(step).tolist() for step in range(6)]
    assert sorted(sum(seen[:3], [])) == sorted(sum(seen[3:], [])) == rows.tolist()
    assert seen[:3] != seen[3:]


def test_a_plan_counts(data):
    size = plan(data, CONFIG)
    assert size.events == 21
    assert size.data_bytes == data.nbytes
    assert size.seconds == pytest.approx(100 * size.seconds_per_step)


# Settings


def test_a_file_and_options_make_the_settings(tmp_path):
    path = tmp_path / "run.toml"
    path.write_text(
        'steps = 7\n[objective]\nname = "annealed"\nbeta0 = 50\n[model]\nlatent_size = 8\n'
    )
    found = read_training_config(path, seed=3, batch_size=None)
    assert (found.steps, found.seed, found.batch_size) == (7, 3, 64)
    assert found.objective == Annealed(beta0=50)
    assert found.model.latent_size == 8
    assert read_training_config(path, objective="annealed").objective == Annealed(beta0=50)
    assert read_training_config(path, objective="beta").objective == Beta()
    assert read_training_config() == TrainingConfig()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("stepz = 3", "unknown key 'stepz' .*'steps'"),
        ('[objective]\nname = "bata"', "unknown objective 'bata' .*'beta'"),
        ("batch_size = 0", "batch_size"),
        ("[model]\nwidth = 3", r"\[model\]: unknown key 'width' .*'widths'"),
    ],
)
def test_bad_settings_are_named(text, message, tmp_path):
    path = tmp_path / "run.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=rf"run\.toml.*{message}"):
        read_training_config(path)


def test_a_resumed_run_keeps_its_settings(data, tmp_path):
    config = CONFIG.model_copy(update={"steps": 2})
    run = train(data, config, tmp_path / "run")
    assert resumed_config(run) == config
    assert resumed_config(run, steps=9, seed=None).steps == 9


@pytest.mark.data
def test_real_images_fit_into_bytes(real_data):
    from glitchvae.dataset import read_images

    spectrograms = read_images(real_data / "gravityspy" / "real_events.h5")
    data = TrainingData.from_spectrograms(spectrograms)
    assert len(data) == 81
    assert data.computed.all()
    found = data.images(slice(None)).numpy()
    np.testing.assert_allclose(found, spectrograms.images.astype(np.float32), atol=0.06)
    assert set(data.labels) == set(spectrograms.label)

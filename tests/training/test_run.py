"""Whole runs: they learn, leave a checkpoint, and stop and go on without a trace."""

import csv
import json
import signal
import threading

import numpy as np
import pytest
import torch

from glitchvae.checkpoint import load_checkpoint
from glitchvae.errors import InputError, ModelError
from glitchvae.models import ImageVAESettings, wrap_vae
from glitchvae.objectives import Beta, Factor
from glitchvae.training import TrainingConfig, TrainingData, resumed_config, train


def weights(run):
    return (run / "weights.safetensors").read_bytes()


def test_a_run_learns_and_leaves_a_checkpoint(data, tmp_path, config):
    run = train(data, config, tmp_path / "run")
    with (run / "log.csv").open() as stream:
        log = list(csv.DictReader(stream))
    assert [int(float(row["step"])) for row in log] == list(range(10, 101, 10))
    assert float(log[-1]["reconstruction"]) < 0.95 * float(log[0]["reconstruction"])
    assert [float(row["weight_beta"]) for row in (log[0], log[-1])] == pytest.approx([3.46, 1])
    opened = load_checkpoint(run)
    assert opened.card.data.digest == data.digest
    assert opened.card.steps == 100
    assert opened.card.training["learning_rate_schedule"] == "linear"
    assert opened.card.training["augmentation"]["band_limit"] == 0.3
    assert opened.prototypes.names == ("Blip", "Line")
    assert opened.card.figures["validation_accuracy"] > 0.9
    assert {"loss", "rate", "validation_reconstruction"} <= set(opened.card.figures)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_sixty_steps_a_stop_and_forty_are_a_hundred(precision, data, tmp_path, config, stop_after):
    config = config.model_copy(update={"precision": precision})
    whole = train(data, config, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        train(data, config, tmp_path / "parts", progress=stop_after(60))
    assert load_checkpoint(tmp_path / "parts").card.steps == 60
    torch.rand(7)  # what others draw in between must not matter
    parts = train(data, config, tmp_path / "parts", resume=True)
    assert weights(parts) == weights(whole)
    assert (parts / "log.csv").read_text() == (whole / "log.csv").read_text()


def test_a_killed_run_goes_on_from_its_last_state(data, tmp_path, config, stop_after):
    whole = train(data, config, tmp_path / "whole")
    with pytest.raises(stop_after.killed):
        train(data, config, tmp_path / "parts", progress=stop_after(75, None))
    with pytest.raises(ModelError, match="--resume"):
        load_checkpoint(tmp_path / "parts")
    steps = []
    parts = train(data, config, tmp_path / "parts", resume=True, progress=steps.append)
    assert steps[0] == 60
    assert weights(parts) == weights(whole)


def test_sigterm_leaves_a_checkpoint_and_the_handlers_as_they_were(
    data, tmp_path, config, stop_after
):
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt):
        train(data, config, tmp_path / "run", progress=stop_after(7, signal.SIGTERM))
    assert load_checkpoint(tmp_path / "run").card.steps == 7
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_run_leaves_the_callers_random_numbers_alone(data, tmp_path, config):
    torch.manual_seed(4)
    expected = torch.rand(3)
    torch.manual_seed(4)
    train(data, config.model_copy(update={"steps": 2}), tmp_path / "run")
    assert torch.equal(torch.rand(3), expected)


def test_runs_work_outside_the_main_thread(data, tmp_path, config):
    config = config.model_copy(update={"steps": 2})
    thread = threading.Thread(target=train, args=(data, config, tmp_path / "run"))
    thread.start()
    thread.join()
    assert load_checkpoint(tmp_path / "run").card.steps == 2


def test_seeds_differ_and_repeat(data, tmp_path, config):
    config = config.model_copy(update={"steps": 5})
    other = config.model_copy(update={"seed": 1})
    runs = [train(data, c, tmp_path / n) for c, n in ((config, "a"), (config, "b"), (other, "c"))]
    assert weights(runs[0]) == weights(runs[1]) != weights(runs[2])


def test_a_loss_that_is_not_finite_stops_and_keeps_the_last_state(data, tmp_path, config):
    train(data, config.model_copy(update={"steps": 20}), tmp_path / "run")
    wild = config.model_copy(update={"learning_rate": 1e30})
    with pytest.raises(ModelError, match=r"not finite at step \d+.*learning_rate"):
        train(data, wild, tmp_path / "wild")
    assert load_checkpoint(tmp_path / "run").card.steps == 20
    assert not (tmp_path / "wild" / "card.toml").exists()


def test_data_that_changed_are_refused(data, tmp_path, config, make_images):
    short = config.model_copy(update={"steps": 4})
    train(data, short, tmp_path / "run")
    before = weights(tmp_path / "run")
    other = TrainingData.from_images(make_images())
    with pytest.raises(ModelError, match="the data changed"):
        train(other, config, tmp_path / "run", resume=True)
    assert weights(tmp_path / "run") == before


def test_data_that_changed_are_taken_when_asked_for(data, tmp_path, config, make_images):
    train(data, config.model_copy(update={"steps": 4}), tmp_path / "run")
    other = TrainingData.from_images(make_images())
    longer = config.model_copy(update={"steps": 6})
    run = train(other, longer, tmp_path / "run", resume=True, changed_data=True)
    assert load_checkpoint(run).card.steps == 6


def test_a_diverged_run_goes_on_with_a_lower_learning_rate(data, tmp_path, config):
    calm = config.model_copy(update={"steps": 20})
    train(data, calm, tmp_path / "run")
    lower = config.model_copy(update={"learning_rate": 1e-5, "steps": 25})
    assert train(data, lower, tmp_path / "run", resume=True)


def test_a_state_of_an_earlier_version_goes_on(data, tmp_path, config):
    run = train(data, config.model_copy(update={"steps": 3}), tmp_path / "run")
    path = run / "resume" / "state.pt"
    state = torch.load(path, weights_only=True)
    settings = json.loads(state["config"])
    for key in ("learning_rate_schedule", "compiled"):
        del settings[key]
    del settings["model"]["architecture"]
    log = [{k: v for k, v in row.items() if not k.startswith("kl_")} for row in state["log"]]
    old = {**state, "config": json.dumps(settings), "generator": torch.zeros(8), "log": log}
    torch.save(old, path)
    longer = resumed_config(run, steps=6)
    assert train(data, longer, run, resume=True) == run
    with (run / "log.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert rows[0]["kl_1"] == ""
    assert float(rows[-1]["kl_1"]) > 0


def test_pictures_and_a_discriminator_go_on_without_a_trace(pictures, tmp_path, stop_after):
    config = TrainingConfig(
        objective=Factor(discriminator_width=8, discriminator_depth=2),
        steps=10,
        batch_size=8,
        save_every=3,
        model=ImageVAESettings(image_shape=(1, 32, 32), latent_size=3),
    )
    whole = train(pictures, config, tmp_path / "whole")
    with pytest.raises(stop_after.killed):
        train(pictures, config, tmp_path / "parts", progress=stop_after(8, None))
    parts = train(pictures, config, tmp_path / "parts", resume=True)
    assert weights(parts) == weights(whole)
    assert (parts / "log.csv").read_text() == (whole / "log.csv").read_text()
    discriminators = [
        torch.load(r / "resume" / "state.pt")["discriminator"] for r in (whole, parts)
    ]
    assert all(
        torch.equal(discriminators[0][name], discriminators[1][name]) for name in discriminators[0]
    )
    assert load_checkpoint(whole).card.architecture == "image"


def test_other_settings_are_refused_by_name(data, tmp_path, config):
    train(data, config.model_copy(update={"steps": 4}), tmp_path / "run")
    other = config.model_copy(update={"batch_size": 4, "objective": Beta()})
    with pytest.raises(ModelError, match=r"settings differ.*: objective, batch_size"):
        train(data, other, tmp_path / "run", resume=True)


def test_an_earlier_run_is_never_overwritten(data, tmp_path, config):
    short = config.model_copy(update={"steps": 2})
    run = train(data, short, tmp_path / "run")
    before = weights(run)
    with pytest.raises(InputError, match="holds a run already"):
        train(data, short, run)
    assert weights(run) == before


def test_a_run_that_is_at_its_end_says_so(data, tmp_path, config, caplog):
    two = config.model_copy(update={"steps": 2})
    run = train(data, two, tmp_path / "run")
    before = weights(run)
    train(data, config.model_copy(update={"steps": 3}), run, resume=True)
    assert "already" not in caplog.text
    assert weights(run) != before
    train(data, two, run, resume=True)
    assert "has 3 steps already and asks for 2" in caplog.text
    assert load_checkpoint(run).card.steps == 3


def test_nothing_to_resume_is_said(data, tmp_path, config):
    with pytest.raises(InputError, match="nothing to resume"):
        train(data, config, tmp_path, resume=True)


def test_a_damaged_state_is_named(data, tmp_path, config):
    run = train(data, config.model_copy(update={"steps": 2}), tmp_path / "run")
    (run / "resume" / "state.pt").write_bytes(b"PK\x03\x04 not a state")
    with pytest.raises(InputError, match=r"state\.pt.*damaged"):
        resumed_config(run)


def test_a_split_without_training_events_is_refused(tmp_path, config, make_images):
    split = np.full(30, "test", dtype=object)
    data = TrainingData.from_images(make_images(), split=split)
    with pytest.raises(ModelError, match=r"no event to train on.*\['test'\]"):
        train(data, config, tmp_path / "run")


def test_without_labels_there_are_no_prototypes(tmp_path, config, make_images):
    data = TrainingData.from_images(make_images())
    run = train(data, config.model_copy(update={"steps": 2}), tmp_path / "run")
    assert load_checkpoint(run).prototypes is None


def test_a_resumed_run_keeps_its_settings(data, tmp_path, config):
    config = config.model_copy(update={"steps": 2})
    run = train(data, config, tmp_path / "run")
    assert resumed_config(run) == config
    assert resumed_config(run, steps=9, seed=None).steps == 9


class Own(torch.nn.Module):
    """A VAE of the user's own, whose code relies on the layout of its input."""

    def __init__(self):
        super().__init__()
        self.convolution = torch.nn.Conv2d(1, 4, 4, stride=4)
        self.up, self.down = torch.nn.Linear(256, 6), torch.nn.Linear(3, 1024)

    def encode(self, x):
        return self.up(self.convolution(x).relu().view(len(x), -1)).chunk(2, dim=1)

    def decode(self, z):
        return self.down(z).sigmoid().view(-1, 1, 32, 32)


@pytest.fixture
def own(pictures):
    torch.manual_seed(3)
    network = wrap_vae(Own(), pictures.images(slice(0, 2)))
    config = TrainingConfig(
        objective=Factor(),
        steps=20,
        batch_size=8,
        save_every=10,
        log_every=5,
        model=network.settings,
        learning_rate=1e-2,
    )
    return network, config


def test_a_network_of_one_s_own_learns_and_stays_as_it_was(own, pictures, tmp_path):
    network, config = own
    before = {name: value.clone() for name, value in network.state_dict().items()}
    run = train(pictures, config, tmp_path / "run", network=network)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    with (run / "log.csv").open() as stream:
        log = list(csv.DictReader(stream))
    assert float(log[-1]["reconstruction"]) < 0.95 * float(log[0]["reconstruction"])
    opened = load_checkpoint(run, network=Own())
    trained = opened.model.state_dict()
    assert not torch.equal(trained["network.up.weight"], before["network.up.weight"])
    assert opened.card.model["network"].endswith("Own")


class Mine(Beta):
    """An objective of the user's own."""

    name: str = "mine"
    extra: float = 0.5

    def total(self, terms, weights):
        return super().total(terms, weights) + self.extra * terms["rate"]


def test_a_stop_of_an_own_objective_and_network_leaves_no_trace(
    own, pictures, tmp_path, stop_after
):
    network, config = own
    config = config.model_copy(update={"objective": Mine(beta=2.0)})
    whole = train(pictures, config, tmp_path / "whole", network=network)
    with pytest.raises(KeyboardInterrupt):
        train(pictures, config, tmp_path / "parts", network=network, progress=stop_after(7))
    parts = train(pictures, config, tmp_path / "parts", network=network, resume=True)
    assert weights(parts) == weights(whole)
    other = config.model_copy(update={"objective": Mine(beta=3.0)})
    with pytest.raises(ModelError, match=r"settings differ.*objective"):
        train(pictures, other, parts, network=network, resume=True)

"""Two processes of torch's launcher: one model between them, or an ensemble."""

import os
import subprocess
import sys

import pytest
import torch

from glitchvae.checkpoint import load_checkpoint
from glitchvae.models import ImageVAESettings
from glitchvae.objectives import Beta, distortion, rate
from glitchvae.training import PictureData, TrainingConfig, expand_members, train, train_ensemble
from glitchvae.training.launch import ALONE, launched
from glitchvae.training.trainer import Trainer


class Quiet(Beta):
    """A beta-VAE without draws: its gradient depends on the batch alone."""

    def terms(self, model, batch, discriminator=None):
        latents = model.infer(batch.x, sample=False)
        return {
            "reconstruction": distortion(model.decode(latents.z), batch),
            "rate": rate(latents.posterior, latents.prior),
        }


def some_pictures():
    generator = torch.Generator().manual_seed(1)
    images = torch.rand(24, 1, 32, 32, generator=generator) > 0.5
    return PictureData.from_images(images.numpy())


def settings(**changes):
    model = ImageVAESettings(image_shape=(1, 32, 32), latent_size=3)
    return TrainingConfig(model=model, batch_size=8, steps=4, save_every=2, log_every=2, **changes)


def gradient(trainer):
    trainer.advance()
    terms = trainer.read_terms()
    return torch.cat([p.grad.flatten() for p in trainer.model.parameters()]), terms["loss"]


def work(folder):
    """What each of the two processes does."""
    data, config = some_pictures(), settings()
    with launched("cpu") as (ranks, device):
        trainer = Trainer(data, settings(objective=Quiet()), device, ranks)
        torch.save(gradient(trainer), f"{folder}/gradient-{ranks.rank}.pt")
    train(data, config, f"{folder}/one")
    train(data, config.model_copy(update={"steps": 6}), f"{folder}/one", resume=True)
    train_ensemble(data, config, expand_members(config, ["seeds=3"]), f"{folder}/many")


def test_alone_without_a_launcher():
    with launched("cpu") as (ranks, device):
        assert ranks is ALONE
        assert device.type == "cpu"
        assert ranks.any(True, device)
        assert not ranks.any(False, device)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Results of two processes on the CPU."""
    folder = tmp_path_factory.mktemp("launched")
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command = [*launcher, "--nproc-per-node", "2", __file__, str(folder)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    subprocess.run(command, check=True, timeout=250, env=environment, capture_output=True)
    return folder


def test_averaged_gradients_are_those_of_the_whole_batch(folder):
    parts = [torch.load(folder / f"gradient-{rank}.pt") for rank in (0, 1)]
    assert torch.equal(parts[0][0], parts[1][0])
    assert parts[0][1] == parts[1][1]
    whole, loss = gradient(Trainer(some_pictures(), settings(objective=Quiet())))
    assert (parts[0][0] - whole).norm() < 5e-6 * whole.norm()
    assert parts[0][1] == pytest.approx(loss, rel=1e-6)


def test_the_first_process_writes_and_a_run_goes_on(folder):
    assert load_checkpoint(folder / "one").card.steps == 6
    names = sorted(p.name for p in (folder / "one").rglob("*") if p.is_file())
    assert names == ["card.toml", "log.csv", "state.pt", "weights.safetensors"]


def test_processes_share_the_members(folder):
    for name in ("seed-0", "seed-1", "seed-2"):
        assert load_checkpoint(folder / "many" / name).card.steps == 4
    states = sorted(p.name for p in (folder / "many" / "resume").iterdir())
    assert states == ["state-1-of-2.pt", "state-2-of-2.pt"]


if __name__ == "__main__":
    work(sys.argv[1])

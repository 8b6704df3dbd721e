"""How fast models train, beside a public library and a plain loop over a DataLoader.

    python tests/benchmarks/bench_training.py [--device cuda] [--pythae PYTHON] [--members 16]

One Burgess VAE on dSprites in batches of 64, the same network for all, each in a process of
its own, in turns; the best round counts:

- glitchvae: bits on the device, one fused Adam, freed memory kept; also in bfloat16, and
  compiled where `--compiled` is given (on a GPU it is in any case);
- glitchvae, validated and saved: a whole run of `train`, which validates and keeps a checkpoint
  four times in 25 times as many steps;
- loop: a DataLoader over bytes in memory, Adam and a loop as tutorials have them;
- pythae, and pythae, validated and saved as often: its BaseTrainer, where PYTHON is an
  interpreter that has pythae: one of this version in a virtual environment of its own, with
  `pip install --no-deps pythae`.

Then an ensemble under each strategy against its members one after the other, and both
against what this device does at most: a large matrix product and a copy.
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn.functional import binary_cross_entropy_with_logits
from torch.utils.data import DataLoader, Dataset
from torch.utils.flop_counter import FlopCounterMode

import glitchvae
from tests.benchmarks.figures import figure

BATCH, LATENT, BETA, WARM = 64, 10, 4.0, 5
WHOLE = "glitchvae, validated and saved"
PYTHAE_WHOLE = "pythae, validated and saved"
PYTHAE = ("pythae", PYTHAE_WHOLE)
SINGLE = ("glitchvae", WHOLE, "glitchvae, bfloat16", "loop", "loop, two workers", *PYTHAE)
LONG, HELD = 25, 1000
"""Steps of a whole run for each of `--steps`, and its validation pictures."""


class Pictures(Dataset):
    """Bytes in memory, one picture at a time."""

    def __init__(self, images: np.ndarray) -> None:
        self.images = images

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, row: int) -> torch.Tensor:
        return torch.from_numpy(self.images[row]).float()


def model_settings() -> Any:
    """A Burgess VAE with a Bernoulli likelihood."""
    from glitchvae.models import ImageVAESettings

    return ImageVAESettings(network="burgess", latent_size=LATENT)


def config(device: str, **changes: Any) -> Any:
    """Settings of the reference study."""
    from glitchvae.objectives import Beta
    from glitchvae.training import TrainingConfig

    return TrainingConfig(
        objective=Beta(beta=BETA),
        model=model_settings(),
        batch_size=BATCH,
        steps=300_000,
        learning_rate=1e-4,
        learning_rate_schedule="constant",
        **changes,
    )


def synchronised(device: str) -> float:
    """Seconds, once the device has done what it was told."""
    if device.startswith("cuda"):
        torch.cuda.synchronize()
    return time.perf_counter()


def seconds_a_step(advance: Callable[[], object], steps: int, device: str) -> float:
    """Mean over some steps, after a few that warm up."""
    for _ in range(WARM):
        advance()
    begin = synchronised(device)
    for _ in range(steps):
        advance()
    return (synchronised(device) - begin) / steps


def picture_data(path: Path) -> Any:
    """All pictures, as bits."""
    from glitchvae.training import PictureData
    from glitchvae.training.data import digest_of, text_or_empty

    pixels = np.load(path)
    return PictureData(
        pixels=torch.from_numpy(pixels),
        shape=(1, 64, 64),
        packed=True,
        labels=text_or_empty(None, len(pixels)),
        split=text_or_empty(None, len(pixels)),
        description="dSprites",
        digest=digest_of(pixels),
    )


def some_pictures(path: Path, count: int) -> np.ndarray:
    """Random pictures (count, 1, 64, 64) as bytes, for those who hold them so."""
    pixels = np.load(path, mmap_mode="r")
    rows = np.sort(np.random.default_rng(0).choice(len(pixels), min(count, len(pixels)), False))
    return np.unpackbits(pixels[rows], axis=1).reshape(-1, 1, 64, 64)


def time_glitchvae(path: Path, steps: int, device: str, **changes: Any) -> float:
    """Seconds of a step of `Trainer`, with the row of the log now and then."""
    from glitchvae.allocation import freed_memory_kept
    from glitchvae.training.trainer import Trainer

    with freed_memory_kept(torch.device(device)):
        settings = config(device, **changes)
        trainer = Trainer(picture_data(path), settings, device)

        def advance() -> None:
            trainer.advance()
            if trainer.step % settings.log_every == 0:
                trainer.read_terms()

        return seconds_a_step(advance, steps, device)


def time_whole_run(path: Path, steps: int, device: str, **changes: Any) -> float:
    """Seconds of a step of `train`, with logs, validations and checkpoints."""
    from glitchvae.training import train

    data = picture_data(path)
    data.split[-HELD:] = "validation"
    steps = LONG * steps
    often = dict.fromkeys(("validate_every", "keep_every", "save_every"), steps // 4)
    settings = config(device, **often, **changes).model_copy(update={"steps": steps})
    times: list[float] = []

    def progress(_: float) -> None:
        times.append(synchronised(device))

    with tempfile.TemporaryDirectory() as folder:
        train(data, settings, Path(folder) / "run", device=device, progress=progress)
    return (synchronised(device) - times[WARM - 1]) / (steps - WARM)


def time_loop(path: Path, steps: int, device: str, workers: int) -> float:
    """Seconds of a step of a plain loop."""
    from glitchvae.models import ImageVAE

    model = ImageVAE(model_settings()).to(device)
    optimizer = torch.optim.Adam(model.parameters(), 1e-4)
    images = some_pictures(path, BATCH * (steps + WARM + 1))
    loader = DataLoader(Pictures(images), BATCH, shuffle=True, num_workers=workers)
    batches = iter(loader)

    def advance() -> float:
        x = next(batches).to(device)
        mean, log_var = model.encoder(x).chunk(2, dim=1)
        z = mean + torch.randn_like(mean) * (0.5 * log_var).exp()
        logits = model.decoder(z)
        bce = binary_cross_entropy_with_logits(logits, x, reduction="none").flatten(1).sum(1)
        kl = 0.5 * (mean.square() + log_var.exp() - 1 - log_var).sum(1)
        loss = (bce + BETA * kl).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.item()

    return seconds_a_step(advance, steps, device)


def pythae_model() -> Any:
    """The same network as pythae has models."""
    from pythae.models import BetaVAE, BetaVAEConfig
    from pythae.models.base.base_utils import ModelOutput
    from pythae.models.nn import BaseDecoder, BaseEncoder

    from glitchvae.models import ImageVAE

    network = ImageVAE(model_settings())

    class Encoder(BaseEncoder):
        def __init__(self) -> None:
            BaseEncoder.__init__(self)
            self.layers = copy.deepcopy(network.encoder)

        def forward(self, x: torch.Tensor) -> ModelOutput:
            mean, log_var = self.layers(x).chunk(2, dim=1)
            return ModelOutput(embedding=mean, log_covariance=log_var)

    class Decoder(BaseDecoder):
        def __init__(self) -> None:
            BaseDecoder.__init__(self)
            self.layers = copy.deepcopy(network.decoder)

        def forward(self, z: torch.Tensor) -> ModelOutput:
            return ModelOutput(reconstruction=self.layers(z).sigmoid())

    settings = BetaVAEConfig(
        input_dim=(1, 64, 64), latent_dim=LATENT, beta=BETA, reconstruction_loss="bce"
    )
    return BetaVAE(settings, Encoder(), Decoder())


def pythae_trainer(
    images: torch.Tensor, held: torch.Tensor | None, folder: str, device: str, **changes: Any
) -> Any:
    """A trainer of pythae, which draws epochs of `images` and validates on those `held` out."""
    from pythae.data.datasets import BaseDataset
    from pythae.trainers import BaseTrainer, BaseTrainerConfig

    return BaseTrainer(
        pythae_model(),
        BaseDataset(images, torch.zeros(len(images))),
        eval_dataset=None if held is None else BaseDataset(held, torch.zeros(len(held))),
        training_config=BaseTrainerConfig(
            output_dir=folder,
            per_device_train_batch_size=BATCH,
            learning_rate=1e-4,
            no_cuda=not device.startswith("cuda"),
            **changes,
        ),
    )


def time_whole_pythae(path: Path, steps: int, device: str) -> float:
    """Seconds of a step of its `train`, with a validation and a checkpoint after each of 4 epochs.

    Glitchvae draws its epochs from all pictures; here they are of a quarter of the steps, so that
    the peer validates and saves as often.
    """
    epoch = BATCH * (LONG * steps // 4)
    images = torch.from_numpy(some_pictures(path, epoch + HELD)).float()
    with tempfile.TemporaryDirectory() as folder:
        trainer = pythae_trainer(
            images[:-HELD], images[-HELD:], folder, device, num_epochs=4, steps_saving=1
        )
        begin = synchronised(device)
        trainer.train()
        return (synchronised(device) - begin) / (LONG * steps)


def time_pythae(path: Path, steps: int, device: str) -> float:
    """Seconds of a step of an epoch of pythae's trainer."""
    from pythae.data.datasets import BaseDataset

    images = torch.from_numpy(some_pictures(path, BATCH * steps)).float()
    with tempfile.TemporaryDirectory() as folder:
        trainer = pythae_trainer(images, None, folder, device)
        trainer.prepare_training()
        whole = trainer.train_loader
        trainer.train_loader = DataLoader(
            BaseDataset(images[: BATCH * WARM], torch.zeros(BATCH * WARM)),
            BATCH,
            collate_fn=whole.collate_fn,
        )
        trainer.train_step(1)
        trainer.train_loader = whole
        begin = synchronised(device)
        trainer.train_step(2)
        return (synchronised(device) - begin) / len(whole)


def time_one(name: str, path: Path, options: argparse.Namespace) -> float:
    """Seconds of a step of one contestant."""
    steps, device = options.steps, options.device
    if name == PYTHAE_WHOLE:
        return time_whole_pythae(path, steps, device)
    if name == "pythae":
        return time_pythae(path, steps, device)
    if name.startswith("loop"):
        return time_loop(path, steps, device, workers=2 if "workers" in name else 0)
    if name == WHOLE:
        return time_whole_run(path, steps, device, compiled=options.compiled)
    changes = {"precision": "bfloat16"} if "bfloat16" in name else {}
    return time_glitchvae(path, steps, device, compiled=options.compiled, **changes)


def in_a_process(name: str, path: Path, options: argparse.Namespace) -> float:
    """The same, in a process that does nothing else."""
    python = options.pythae if name in PYTHAE else sys.executable
    arguments = ["--run", name, "--path", str(path), "--device", options.device]
    arguments += ["--steps", str(options.steps), "--compiled", options.compiled]
    command = [python, __file__, *arguments]
    # The interpreter with pythae needs nothing else: it finds the rest where this one does.
    here = [str(Path(glitchvae.__file__).parents[1]), *filter(None, sys.path)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(here)}
    result = subprocess.run(command, capture_output=True, text=True, env=environment)
    if result.returncode:
        raise SystemExit(f"{name}: {result.stderr}")
    return json.loads(result.stdout.splitlines()[-1])


def compare_single(path: Path, options: argparse.Namespace) -> None:
    """One model: glitchvae beside the others."""
    names = [name for name in SINGLE if name not in PYTHAE or options.pythae]
    best = dict.fromkeys(names, float("inf"))
    for _ in range(options.rounds):
        for name in names:
            best[name] = min(best[name], in_a_process(name, path, options))
    print(f"\none Burgess VAE, dSprites, batches of {BATCH}, {options.device}")
    for name, seconds in best.items():
        ratios = "".join(
            f"{best[peer] / seconds:8.2f} x {peer}" for peer in ("loop", *PYTHAE) if peer in best
        )
        print(f"{name:30s}{seconds * 1e3:9.2f} ms a step{BATCH / seconds:12,.0f} images/s{ratios}")
        figure(f"step of a Burgess VAE, {name}", seconds * 1e3, "ms")
    if options.pythae:
        least = 20 if options.device.startswith("cuda") else None
        ratio = best["pythae"] / best["glitchvae"]
        figure("the same, pythae over glitchvae", ratio, "x", least=least)
        ratio = best[PYTHAE_WHOLE] / best[WHOLE]
        least = None if options.device.startswith("cuda") else 1.7
        figure("the same, both validated and saved", ratio, "x", least=least)


def peak_flops(device: str, dtype: torch.dtype) -> float:
    """FLOP/s of a large matrix product, the best of several."""
    size = 8192 if device.startswith("cuda") else 2048
    a, b = (torch.randn(size, size, device=device, dtype=dtype) for _ in range(2))
    return 2 * size**3 / min(timed(lambda: a @ b, device) for _ in range(10))


def peak_bandwidth(device: str) -> float:
    """Bytes/s read and written by a copy of 1 GiB, the best of several."""
    source = torch.zeros(2**28, device=device)
    target = torch.empty_like(source)
    return 2 * source.nbytes / min(timed(lambda: target.copy_(source), device) for _ in range(10))


def timed(call: Callable[[], object], device: str) -> float:
    """Seconds of one call."""
    begin = synchronised(device)
    call()
    return synchronised(device) - begin


def least_traffic(trainer: Any) -> tuple[float, float]:
    """FLOP of a step, and bytes it cannot do without.

    What the forward pass keeps is written once and read once on the way back, its gradient
    likewise; Adam reads weight, gradient and two moments and writes all but the gradient.
    """
    from glitchvae.training.memory import kept_bytes

    with FlopCounterMode(display=False) as counter:
        trainer.advance()
    weights = sum(p.numel() for p in trainer.model.parameters())
    return float(counter.get_total_flops()), 4.0 * kept_bytes(trainer, BATCH) + 28.0 * weights


def compare_ensemble(path: Path, options: argparse.Namespace) -> None:
    """An ensemble in one step beside its members one after the other, and the device's peaks."""
    from glitchvae.allocation import freed_memory_kept
    from glitchvae.training.ensemble.members import member_config
    from glitchvae.training.ensemble.strategy import STRATEGIES, make_ensemble
    from glitchvae.training.trainer import Trainer

    device, members = options.device, options.members
    data = picture_data(path).to(device)
    peaks = {d: peak_flops(device, d) for d in (torch.float32, torch.bfloat16)}
    bandwidth = peak_bandwidth(device)
    print(
        f"\nensemble of {members}; device: {peaks[torch.float32] / 1e12:.2f} TFLOP/s in float32,"
        f" {peaks[torch.bfloat16] / 1e12:.2f} in bfloat16, {bandwidth / 1e9:.0f} GB/s"
    )
    with freed_memory_kept(torch.device(device)):
        for precision, dtype in (("float32", torch.float32), ("bfloat16", torch.bfloat16)):
            shared = config(device, precision=precision, compiled=options.compiled)
            plain = Trainer(data, shared.model_copy(update={"compiled": "no"}), device)
            flop, traffic = least_traffic(plain)
            single = seconds_a_step(Trainer(data, shared, device).advance, options.steps, device)
            rows = [("sequential", single * members)]
            configs = [member_config(shared, {"seed": seed}) for seed in range(members)]
            for strategy in STRATEGIES:
                ensemble = make_ensemble(data, configs, torch.device(device), strategy)
                steps = max(2, options.steps // members)
                rows.append((strategy, seconds_a_step(ensemble.advance, steps, device)))
            for name, seconds in rows:
                gain = single * members / seconds
                figure(f"{members} members by {name}, {precision}, over single runs", gain, "x")
                print(
                    f"{precision:9s}{name:12s}{seconds * 1e3:10.2f} ms for one step of all"
                    f"{single * members / seconds:8.2f} x"
                    f"{100 * members * flop / seconds / peaks[dtype]:7.1f} % of the peak"
                    f"{100 * members * traffic / seconds / bandwidth:7.1f} % of bandwidth at least"
                )


def draw(path: Path) -> None:
    """dSprites as bits, drawn as published."""
    from glitchvae.validation.images.dsprites import draw_dsprites

    np.save(path, draw_dsprites().pixels.reshape(737_280, -1))


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--steps", type=int, default=40, help="that one figure is the mean of")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--members", type=int, default=16)
    parser.add_argument("--compiled", choices=("auto", "yes", "no"), default="auto")
    parser.add_argument("--pythae", metavar="PYTHON", help="an interpreter that has pythae")
    parser.add_argument("--only", choices=("single", "ensemble"))
    parser.add_argument("--run", help=argparse.SUPPRESS)
    parser.add_argument("--path", type=Path, help="where dSprites is kept as bits (.npy)")
    options = parser.parse_args(arguments)
    if options.run:
        print(json.dumps(time_one(options.run, options.path, options)))
        return
    with tempfile.TemporaryDirectory() as folder:
        path = options.path or Path(folder) / "dsprites.npy"
        if not path.exists():
            draw(path)
        print(f"torch {torch.__version__}, {torch.get_num_threads()} threads")
        if options.only != "ensemble":
            compare_single(path, options)
        if options.only != "single":
            compare_ensemble(path, options)


if __name__ == "__main__":
    main()

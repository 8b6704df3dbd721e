"""Commands that attack models and add noise: part of `glitchvae validate`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click

from glitchvae.cli._manners import note
from glitchvae.cli._tables import Table, print_table
from glitchvae.errors import InputError
from glitchvae.progress import progress_of

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from glitchvae.checkpoint import Checkpoint
    from glitchvae.validation.images.picture_sets import PictureSet
    from glitchvae.validation.robustness.attacks import Attacks

_PATH = click.Path(path_type=Path)


def _images_of(function: Callable[..., Any]) -> Callable[..., Any]:
    """The model, and the images: those it was trained on, or a given set of glitches."""
    options = (
        click.option(
            "--model",
            default="default",
            show_default=True,
            metavar="NAME|DIR",
            help="Model to test: the name of a shipped model, or a folder.",
        ),
        click.option(
            "--images",
            type=_PATH,
            metavar="SET",
            help="Set of images of glitches, to test a model of glitches.",
        ),
        click.option(
            "--data",
            type=_PATH,
            metavar="FILE|DIR",
            help="Published file or folder of pictures, to test a model of pictures; dSprites and "
            "parametric chairs are drawn without this option.",
        ),
        click.option(
            "--set",
            "pictures",
            type=click.Choice(["dsprites", "chairs", "faces", "celeba"]),
            help="Set of pictures, for a model whose card does not name its training set.",
        ),
        click.option(
            "--seed",
            type=click.IntRange(min=0),
            default=0,
            show_default=True,
            help="Seed of the choice of images and pairs, and of the noise.",
        ),
        click.option(
            "-o", "--output", type=_PATH, metavar="H5", help="HDF5 file to write all results to."
        ),
    )
    for option in reversed(options):
        function = option(function)
    return function


@click.command()
@_images_of
@click.option(
    "--pairs",
    type=click.IntRange(min=1),
    default=10,
    show_default=True,
    help="Number of pairs of an input and a target image.",
)
@click.option(
    "--penalties",
    type=click.IntRange(min=2),
    default=50,
    show_default=True,
    help="Number of penalty weights lambda between 2^-20 and 2^20.",
)
@click.option(
    "--goal",
    type=click.Choice(["latent", "mean", "output"]),
    default="latent",
    show_default=True,
    help="Divergence to minimise: latent for the KL divergence of the codes, mean for the "
    "distance of posterior means, output for the negative ELBO of the target.",
)
@click.option(
    "--layer",
    "layers",
    type=click.IntRange(min=1),
    multiple=True,
    help="Attacked latent layer, counted from 1 at the bottom. Repeatable. [default: the "
    "layers that the likelihood depends on, which is the first one of dlgm and "
    "tc-dlgm and all of other models]",
)
@click.option(
    "--method",
    type=click.Choice(["batch", "l-bfgs-b"]),
    default="batch",
    show_default=True,
    help="Optimiser: batch runs all attacks at once, l-bfgs-b runs one after the other as "
    "in the papers.",
)
def attacks(
    model: str,
    images: Path | None,
    data: Path | None,
    pictures: Any,
    seed: int,
    output: Path | None,
    pairs: int,
    penalties: int,
    goal: Any,
    layers: tuple[int, ...],
    method: Any,
) -> None:
    """Targeted adversarial attacks over a grid of penalty weights lambda.

    A model of pictures is attacked with pictures of the set it was trained on. The table shows for
    ten of the lambdas the remaining divergence from the target and the norm of the perturbation.
    """
    import numpy as np
    import torch

    from glitchvae.checkpoint import load_checkpoint
    from glitchvae.validation.robustness.attacks import attack
    from glitchvae.validation.robustness.measuring import random_pairs

    checkpoint = load_checkpoint(model)
    x = _read_images(checkpoint, images, data, pictures, 2 * pairs, seed)
    chosen = random_pairs(x, pairs, torch.Generator().manual_seed(seed))
    grid = 2.0 ** np.linspace(-20, 20, penalties)
    with progress_of("attacking", pairs * penalties, "attacks") as advance:
        found = attack(
            checkpoint.model,
            *chosen,
            grid,
            goal=goal,
            layers=layers or None,
            method=method,
            progress=advance,
        )
    _print_attacks(found, pairs)
    if output is not None:
        found.write(output)
        click.echo(output)


@click.command()
@_images_of
@click.option(
    "--scale",
    "scales",
    type=click.FloatRange(min=0),
    multiple=True,
    default=(0.0, 0.05, 0.1, 0.2, 0.4),
    show_default=True,
    help="Standard deviation of the noise, in units of the data. Repeatable.",
)
@click.option("--clip", is_flag=True, help="Clip noisy pixels to the range of the data.")
@click.option(
    "--count",
    type=click.IntRange(min=1),
    default=500,
    show_default=True,
    help="Number of images, drawn at random.",
)
def noise(
    model: str,
    images: Path | None,
    data: Path | None,
    pictures: Any,
    seed: int,
    output: Path | None,
    scales: tuple[float, ...],
    clip: bool,
    count: int,
) -> None:
    """Measure robustness to noise: log-likelihood of clean images under codes of noisy ones.

    ELBO and weight norms are printed as well. A model of pictures is tested with pictures of the
    set it was trained on.
    """
    import torch

    from glitchvae.checkpoint import load_checkpoint
    from glitchvae.validation.robustness.noise import evidence, noise_curve, weight_norms

    checkpoint = load_checkpoint(model)
    x = _read_images(checkpoint, images, data, pictures, count, seed)
    generator = torch.Generator().manual_seed(seed)
    curve = noise_curve(checkpoint.model, x, scales, generator, clip=clip)
    table = Table("noise", "log p(x | z of the noisy image)|.2f", "± (nats)|.2f")
    for scale, value, error in zip(curve.scale, curve.log_likelihood, curve.error, strict=True):
        table.add_row(scale, value, error)
    print_table(table)
    found, norms = evidence(checkpoint.model, x, seed=seed), weight_norms(checkpoint.model)
    rates = ", ".join(f"{rate:.2f}" for rate in found.rates)
    click.echo(f"ELBO {found.elbo:.2f} ± {found.error:.2f} nats; KL by layer {rates}")
    click.echo(f"norm of all weights: encoder {norms.encoder:.1f}, decoder {norms.decoder:.1f}")
    if output is not None:
        curve.write(output)
        click.echo(output)


def _read_images(
    checkpoint: Checkpoint,
    images: Path | None,
    data: Path | None,
    pictures: PictureSet | None,
    count: int,
    seed: int,
) -> Tensor:
    """(N, C, F, T) random images of a kind that the model takes."""
    import numpy as np
    import torch

    from glitchvae.dataset import read_images
    from glitchvae.models import prepare, reduce, takes_views

    rng = np.random.default_rng(seed)
    if not takes_views(checkpoint.model):
        return _read_pictures(checkpoint, images, data, pictures, count, rng)
    if images is None or data is not None or pictures is not None:
        raise InputError(
            "this is a model of glitches",
            where=checkpoint.path,
            expected="images of glitches",
            found="nothing" if images is None else "pictures as well (--data, --set)",
            remedy="Give a set of them with --images, and no pictures.",
        )
    events = read_images(images)
    usable = np.flatnonzero(events.usable)
    chosen = rng.choice(usable, min(count, len(usable)), replace=False)
    x, _ = prepare(torch.from_numpy(events.take(np.sort(chosen)).images))
    return reduce(x, checkpoint.model.settings.image_shape[-2:])


def _read_pictures(
    checkpoint: Checkpoint,
    images: Path | None,
    data: Path | None,
    pictures: PictureSet | None,
    count: int,
    rng: np.random.Generator,
) -> Tensor:
    """(N, C, H, W) random pictures of the set that the model was trained on."""
    from glitchvae.models.likelihood import scale_to_range
    from glitchvae.validation.images.picture_sets import training_pictures

    if images is not None:
        raise InputError(
            "this is a model of pictures, not of glitches",
            where=checkpoint.path,
            found=f"--images {images}",
            remedy="Omit --images, or give --data.",
        )
    whole = training_pictures(checkpoint, count, data, pictures)
    chosen = whole.sample(count, rng)
    note(f"{whole.description}: {len(chosen):,} of {len(whole):,} pictures")
    return scale_to_range(chosen.to_training().batch(slice(None)).x, checkpoint.model.likelihood)


def _print_attacks(found: Attacks, pairs: int) -> None:

    columns = (found.strength, found.relative_divergence, found.distance, found.target_distortion)
    by_penalty = [values.reshape(pairs, -1) for values in columns]
    table = Table("lambda|.2g", "divergence left|.1%", "size of d|.3g", "-log p(target) (nats)|.1f")
    for penalty in range(0, by_penalty[0].shape[1], max(by_penalty[0].shape[1] // 10, 1)):
        strength, left, size, distortion = (float(v[:, penalty].mean()) for v in by_penalty)
        table.add_row(strength, left, size, distortion)
    print_table(table)
    failed = int((found.status != "ok").sum())
    click.echo(f"{len(found)} attacks" + (f", {failed} without a number" if failed else ""))

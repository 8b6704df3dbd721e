"""Measurements on any encoder: probes, disentanglement metrics and adversarial attacks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from pydantic import Field
from torch import Tensor, nn

from glitchvae.api.arrays import as_array, as_factors, as_text, checked_splits
from glitchvae.api.datasets import PREPARED_SHAPE, Dataset, as_dataset
from glitchvae.api.models import Model
from glitchvae.api.results import AttackResult, DisentanglementResult, ProbeTable
from glitchvae.config import Settings, nearest, parse
from glitchvae.dataset import split_at_random
from glitchvae.errors import ConfigError, InputError, ModelError
from glitchvae.models import Model as Network
from glitchvae.models import (
    UserEncoder,
    evaluating,
    has_method,
    reduce,
    scale_to_range,
    takes_views,
    wrap_encoder,
    wrap_vae,
)
from glitchvae.probes import ProbeSet, methods_for, run_probes, split_events
from glitchvae.progress import progress_of
from glitchvae.shapes import VIEWS
from glitchvae.validation.disentanglement import (
    METRICS,
    Metric,
    Protocol,
    find_metric,
    measure,
    steps_of,
)
from glitchvae.validation.disentanglement.encoding import Codes, encode_inputs
from glitchvae.validation.robustness.attacks import EVALUATIONS, GOALS, STRENGTHS
from glitchvae.validation.robustness.attacks import attack as attack_pairs

Encoder = Model | Network[Any] | nn.Module | Callable[[Tensor], Any]
"""An encoder: a model, a torch module, or a function from images to codes."""

_POINTS = 50_000


class _Probing(Settings):
    """Numeric arguments of `probe`."""

    block: float = Field(gt=0)
    seed: int = Field(ge=0)


class _Measuring(Settings):
    """Numeric arguments of `disentanglement`."""

    points: int = Field(ge=2)
    seed: int = Field(ge=0)


class _Attacking(Settings):
    """Numeric and named arguments of `attack`."""

    evaluations: int = Field(ge=1)
    layers: tuple[int, ...] | None
    channels: int | None = Field(ge=1)
    data_range: tuple[float, float]


def probe(
    codes: ArrayLike,
    labels: Dataset | ArrayLike,
    split: ArrayLike | None = None,
    *,
    gps: ArrayLike | None = None,
    block: float = 86400.0,
    seed: int = 0,
    progress: bool = False,
) -> ProbeTable:
    """Measure how well simple classifiers recognise classes from codes, as `glitchvae probe` does.

    Simple classifiers learn from the codes of labelled images and name those of others: a linear
    probe, the nearest five, one and five known codes a class; the largest class stands beside
    them. Where there is a split of your own, times, or neither, the scores of that split, of
    blocks of time and of a random split stand side by side.

    Args:
        codes: (N, Z) of any encoder; rows of NaN are left out.
        labels: (N,) names or numbers of classes, "" or None where unknown; or a `Dataset`, which
            gives split and times too.
        split: (N,) "train", "validation" or "test"; all but test is learnt from.
        gps: (N,) times (s).
        block: Seconds that stay on one side of a split.
        seed: Of splits, draws and intervals.
        progress: Show progress on stderr.

    Raises:
        InputError: lengths that differ, codes that are not finite, too few labelled images, an
            unknown split.
        ConfigError: a bad number.

    Example:
        >>> import numpy as np
        >>> import glitchvae as gv
        >>> rng = np.random.default_rng(0)
        >>> labels = ["left", "right"] * 100
        >>> codes = rng.normal(size=(200, 3)) + 2 * np.array([[-1], [1]] * 100)
        >>> gv.probe(codes, labels)["codes, linear probe"].scores.accuracy > 0.95
        True
    """
    numbers = parse(_Probing, {"block": block, "seed": seed}, where="probe")
    if isinstance(labels, Dataset):
        data = labels
        labels, gps = data.labels, data.gps if gps is None else gps
        split = data.split if split is None and any(data.split) else split
    events, left_out = _labelled(codes, labels, split, gps)
    rng = np.random.default_rng(numbers.seed)
    if np.isfinite(events.gps).any():
        splits = split_events(events, rng, block=numbers.block)
    else:  # nobody said when: blocks of time are no question
        own = {"own": events.split} if all(events.split) else {}
        splits = {**own, "random": split_at_random(len(events), rng)}
    methods = methods_for(events)
    fits = len(splits) * len(methods)
    outcomes = []
    with progress_of("probing", fits, "fits", shown=progress) as report:
        for outcome in run_probes(events, splits, methods, seed=numbers.seed, block=numbers.block):
            outcomes.append(outcome)
            report(1)
    return ProbeTable(tuple(outcomes), left_out)


def disentanglement(
    encoder: Encoder | ArrayLike,
    data: Dataset | ArrayLike | Mapping[str, ArrayLike],
    *,
    sampled: bool = False,
    points: int = _POINTS,
    protocol: Protocol | None = None,
    metrics: Sequence[str | Metric] = (),
    seed: int = 0,
    progress: bool = False,
) -> DisentanglementResult:
    """Six disentanglement metrics of an encoder or of codes, as `glitchvae validate` computes them.

    Args:
        encoder: A `Model`, a torch module, or a function from images (B, C, H, W), float32 as
            `Dataset.torch` gives them, to codes: a tensor or array (B, Z), means and
            log-variances, or a torch Normal. Or the codes (N, Z) of all images.
        data: A `Dataset` with factors, such as `dsprites()`; beside codes also the factors alone,
            (N, K) or columns by name, whole numbers from 0.
        sampled: Score codes drawn from the posteriors, too.
        points: Images encoded, drawn at random; all where there are fewer.
        protocol: Sizes of the samples; those of the study with 12,600 models unless given, scaled
            down where there are few points.
        metrics: Names or functions instead of the six: one of your own takes codes (N, D),
            factors (N, K), a random generator and the protocol, and returns numbers by name.
        seed: Of every draw.
        progress: Show progress on stderr.

    Raises:
        InputError: no factors, fewer than two, or one that never changes; codes that do not fit
            the factors or are not finite; images alone beside an encoder.
        ModelError: what the encoder returns is no code.
        ConfigError: a bad number.

    Example:
        >>> import numpy as np
        >>> import glitchvae as gv
        >>> x, y, _ = (axis.ravel() for axis in np.indices((4, 4, 50)))
        >>> scores = gv.disentanglement(np.stack([x, y], axis=1), {"x": x, "y": y})
        >>> round(scores["mig"].value, 2), round(scores["mig"].noise, 2)
        (1.0, 0.0)
    """
    numbers = parse(_Measuring, {"points": points, "seed": seed}, where="disentanglement")
    chosen_metrics = tuple(find_metric(m) if isinstance(m, str) else m for m in metrics) or METRICS
    log_var = None
    if _is_array(encoder):
        mean, (factors, names) = as_array(encoder, "codes"), _factors_of(data)
        if sampled:
            raise InputError("the codes have no variances", expected="an encoder, to draw codes of")
    else:
        if not isinstance(data, Dataset):
            raise InputError(
                "an encoder needs images",
                where="data",
                expected="a Dataset with factors",
                found=type(data).__name__,
            )
        rows = _drawn(len(data), numbers.points, numbers.seed)
        chosen = data if len(rows) == len(data) else data[rows]
        factors, names = _factors_of(chosen)
        codes, spread = _codes_of(encoder, chosen)
        mean = codes.mean
        if sampled and not spread:
            raise ModelError(
                "the codes have no variances", expected="means and log-variances, to draw codes of"
            )
        log_var = codes.log_var if sampled else None
    with progress_of(
        "scoring", steps_of(sampled, chosen_metrics), "metrics", shown=progress
    ) as report:
        scores = measure(
            mean,
            factors,
            names,
            log_var=log_var,
            metrics=chosen_metrics,
            seed=numbers.seed,
            progress=report,
            protocol=(protocol or Protocol()).scaled_to(len(mean)),
        )
    return DisentanglementResult(scores, len(mean))


def attack(
    model: Encoder,
    inputs: Any,
    targets: Any,
    goal: str = "latent",
    *,
    penalty_weights: Sequence[float] | NDArray[np.floating] = STRENGTHS,
    layers: Sequence[int] | None = None,
    channels: int | None = None,
    data_range: tuple[float, float] = (0.0, 1.0),
    method: str = "batch",
    evaluations: int = EVALUATIONS,
    keep: bool = True,
    progress: bool = False,
) -> AttackResult:
    """Targeted adversarial attacks on an encoder, as `glitchvae validate attacks` runs them.

    Minimises divergence + lambda |perturbation| for each pair and penalty weight lambda, with
    pixels kept in their range. "Disentangling improves VAEs' robustness to adversarial attacks",
    section 6.

    Args:
        model: A `Model`; a torch module with `encode` and perhaps `decode`; any other module or
            function from images to codes (B, Z), to means and log-variances, or to a torch
            Normal (`glitchvae.models.user`). It is attacked in evaluation mode, where it is.
        inputs: P images as a `Dataset` or an array, as of `train`. A model of ours is attacked at
            the size that its network reduces glitches to.
        targets: P images.
        goal: "latent" (the KL divergence of the codes), "mean" (the squared distance of their
            means) or "output" (the negative ELBO of the target, which needs `decode`). The code
            of an encoder that tells no spread is a normal of width one.
        penalty_weights: (K,) lambda, ascending; 50 from 2^-20 to 2^20 unless given.
        layers: Attacked latent layers of a hierarchy, from 1 at the bottom; unless given
            those that the likelihood is on: the first of DLGM and beta-TCDLGM, all of others.
        channels: How many of the first channels are pixels that may change; unless given as many
            as the model decodes, else all. Of glitches the four views.
        data_range: Lowest and highest value of a pixel, for a network that wants other images
            than in [0, 1]: these go to it as they are.
        method: "batch" (all attacks at once) or "l-bfgs-b" (one by one, as in the papers).
        evaluations: Most evaluations of the goal and its gradient for an attack.
        keep: Keep the perturbations: P K images of float32.
        progress: Show progress on stderr.

    Raises:
        InputError: bad images, numbers or shapes that differ, equal images in a pair, weights out
            of order, a layer that is not there.
        ModelError: what the model returns is no code, or has no gradient; images of another kind
            than the model's; the goal "output" of an encoder alone.
        ConfigError: no such goal or method, a bad number.

    Example:
        >>> import torch
        >>> import glitchvae as gv
        >>> encoder = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 3))
        >>> images = torch.rand(4, 1, 8, 8)
        >>> found = gv.attack(encoder, images[:2], images[2:], penalty_weights=[1e-4, 1e4])
        >>> found.relative_divergence.shape, found.perturbation_norm[:, 1].tolist()
        ((2, 2), [0.0, 0.0])
    """
    given = parse(
        _Attacking,
        {
            "evaluations": evaluations,
            "layers": layers,
            "channels": channels,
            "data_range": data_range,
        },
        where="attack",
    )
    _check_name("goal", goal, list(GOALS))
    _check_name("method", method, ["batch", "l-bfgs-b"])
    x, t = (_images_for(model, images, given.data_range) for images in (inputs, targets))
    network = _attackable(model, x, given.data_range, goal)
    if given.channels is None and isinstance(network, UserEncoder):
        given = given.model_copy(update={"channels": _pixels(x)})
    count = len(x) * np.size(penalty_weights)
    with (
        evaluating(_module_of(model)),
        progress_of("attacking", count, "attacks", shown=progress) as report,
    ):
        options: dict[str, Any] = {"goal": goal, "method": method}
        attacks = attack_pairs(
            network,
            x,
            t,
            penalty_weights,
            layers=given.layers,
            channels=given.channels,
            evaluations=given.evaluations,
            keep=keep,
            progress=report,
            **options,
        )
    return AttackResult(attacks)


def _labelled(
    codes: ArrayLike, labels: ArrayLike, split: ArrayLike | None, gps: ArrayLike | None
) -> tuple[ProbeSet, int]:
    """Rows with a code and a label, and the number of rows left out."""
    known = as_array(codes, "codes")
    if known.ndim != 2 or known.shape[1] == 0:
        raise InputError("no codes", where="codes", expected="(N, Z)", found=known.shape)
    count = len(known)
    names = as_text(labels, count, "labels")
    splits = checked_splits(as_text(split, count, "split"))
    times = np.full(count, np.nan) if gps is None else as_array(gps, "gps").astype(np.float64)
    if times.shape != (count,):
        raise InputError(
            "times have the wrong shape", where="gps", expected=(count,), found=times.shape
        )
    coded = ~np.isnan(known).all(axis=1)
    bad = np.flatnonzero(coded & ~np.isfinite(known).all(axis=1))
    if len(bad):
        raise InputError("codes are not finite", where=f"row {bad[0]}", found=f"{len(bad)} such")
    rows = np.flatnonzero(coded & (names != ""))
    if len(rows) == 0:
        raise InputError(
            "no labelled event to probe",
            expected="codes with a label",
            found=f"{count} rows, {coded.sum()} with a code, {(names != '').sum()} with a label",
        )
    kept = ProbeSet.of_codes(known[rows], names[rows], split=splits[rows], gps=times[rows])
    return kept, count - len(rows)


def _factors_of(
    data: Dataset | ArrayLike | Mapping[str, ArrayLike],
) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    if not isinstance(data, Dataset):
        columns = data.values() if isinstance(data, Mapping) else [data]
        count = len(np.atleast_1d(as_array(next(iter(columns), ()), "factors")))
        found = as_factors(data, count)
        return found.values, found.names
    if data.factors is None:
        raise InputError(
            "the images have no known factors",
            where=data.name or "data",
            remedy="Give them: Dataset(images, factors=…), or dsprites().",
        )
    return data.factors, data.factor_names


def _drawn(count: int, points: int, seed: int) -> NDArray[np.int64]:
    """Rows drawn without replacement, in ascending order; all rows if there are fewer."""
    if points >= count:
        return np.arange(count)
    return np.sort(np.random.default_rng(seed).choice(count, points, replace=False))


def _codes_of(encoder: Any, data: Dataset) -> tuple[Codes, bool]:
    """Codes of images by any encoder, and whether the encoder gives variances."""
    if isinstance(encoder, Model):
        return encoder.posterior(data), True
    place = _placed(encoder)
    if isinstance(encoder, Network):
        network, spread = encoder, True
    else:
        network = wrap_encoder(encoder, place(data.inputs(slice(0, 2))))
        spread = network.spread
    with evaluating(encoder):
        return encode_inputs(network, map(place, data.batches())), spread


def _images_for(model: Encoder, images: Any, data_range: tuple[float, float]) -> Tensor:
    """Images (P, C, H, W) as network input, on the network's device."""
    if isinstance(model, Model):
        data, network = model.dataset(images), model.network
    elif isinstance(model, Network):
        data, network = as_dataset(images), model
    elif data_range == (0.0, 1.0):
        return _placed(model)(as_dataset(images).inputs())
    else:
        array = as_array(images, "images")
        if array.ndim != 4:
            raise InputError(
                "images have the wrong number of dimensions",
                expected="(P, C, H, W)",
                found=array.shape,
            )
        return _placed(model)(torch.from_numpy(array).float())
    x = data.inputs()
    if takes_views(network):
        x = reduce(x, network.settings.image_shape[-2:])
    return _placed(network)(scale_to_range(x, network.likelihood))


def _attackable(
    model: Encoder, x: Tensor, data_range: tuple[float, float], goal: str
) -> Network[Any] | UserEncoder:
    """The encoder as a model for attacks; a network of the user's own is tried on some images."""
    if isinstance(model, Model):
        return model.network
    if isinstance(model, Network):
        return model
    network = wrap_encoder(model, x[:2], data_range=data_range)
    if has_method(model, "decode") and (network.spread or goal == "output"):
        return wrap_vae(model, x[:2], data_range=data_range)
    return network


def _pixels(x: Tensor) -> int:
    """Number of channels that are pixels; of a glitch all but the mask of the computed band."""
    return len(VIEWS) if tuple(x.shape[1:]) == PREPARED_SHAPE else x.shape[1]


def _module_of(model: object) -> object:
    return model.network if isinstance(model, Model) else model


def _placed(network: object) -> Callable[[Tensor], Tensor]:
    """A function that moves images to the device and type of a network's weights."""
    parameters = network.parameters() if isinstance(network, nn.Module) else iter(())
    first = next((p for p in parameters if p.is_floating_point()), None)
    if first is None:
        return lambda x: x
    return lambda x: x.to(first.device, first.dtype)


def _is_array(value: object) -> bool:
    return isinstance(value, np.ndarray | Tensor | list | tuple)


def _check_name(what: str, name: object, known: list[str]) -> None:
    if name not in known:
        raise ConfigError(f"unknown {what} {name!r}{nearest(str(name), known)}", where="attack")

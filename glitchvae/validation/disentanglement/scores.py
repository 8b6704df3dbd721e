"""All metrics of one set of codes, with the scores of shuffled codes."""

from __future__ import annotations

import numbers
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from glitchvae.config import nearest
from glitchvae.errors import ConfigError, GlitchvaeError, InputError
from glitchvae.plugins import find, registered
from glitchvae.progress import Progress
from glitchvae.statistics import Estimate
from glitchvae.validation.disentanglement.dci import dci, dci_exact
from glitchvae.validation.disentanglement.information import (
    entropy,
    into_bins,
    mig,
    modularity,
    mutual_information,
)
from glitchvae.validation.disentanglement.mixture import mig_chen
from glitchvae.validation.disentanglement.protocol import Protocol, active, check
from glitchvae.validation.disentanglement.separation import sap
from glitchvae.validation.disentanglement.votes import beta_vae_score, factor_vae_score

Metric = Callable[..., dict[str, Estimate]]
"""Function of codes, factors, a random generator and a protocol."""

METRICS: tuple[Metric, ...] = (beta_vae_score, factor_vae_score, mig, dci, modularity, sap)
"""The six metrics."""


def find_metric(name: str) -> Metric:
    """Find a metric by name, built-in or the user's own.

    Args:
        name: Of a function of `METRICS`, of an entry point of `glitchvae.metrics`, or
            `module:function` of an imported module.

    Raises:
        ConfigError: there is none.
    """
    known = {metric.__name__: metric for metric in METRICS}
    if name in known:
        return known[name]
    if ":" not in name and name not in registered("metrics"):
        raise ConfigError(
            f"unknown metric {name!r}{nearest(name, [*known, *registered('metrics')])}",
            remedy="One of your own is named module:function, with --import MODULE.",
        )
    return find("metrics", name)


class Score(NamedTuple):
    """One number of the table.

    Attributes:
        metric: Its name.
        representation: Whether codes are posterior means or draws.
        value: The score.
        low: Lower end of its 90 % interval.
        high: Upper end.
        noise: The same metric of the same codes, shuffled over the points.

    Example:
        >>> factors = np.stack(np.indices((5, 4, 30)), axis=-1).reshape(-1, 3)[:, :2]
        >>> protocol = Protocol().scaled_to(len(factors))
        >>> options = {"metrics": [mig], "protocol": protocol}
        >>> (score,) = measure(factors.astype(float), factors, ("a", "b"), **options)
        >>> score.metric, round(score.value, 2), score.noise < 0.1
        ('mig', 1.0, True)
    """

    metric: str
    representation: str
    value: float
    low: float
    high: float
    noise: float


def measure(
    mean: NDArray[np.floating],
    factors: NDArray[np.integer],
    names: Sequence[str],
    *,
    log_var: NDArray[np.floating] | None = None,
    protocol: Protocol | None = None,
    seed: int = 0,
    left_out: Sequence[str] = ("shape",),
    exact_dci: bool = False,
    metrics: Sequence[Metric] = METRICS,
    progress: Progress = lambda _: None,
) -> tuple[Score, ...]:
    """Compute metrics of the means of codes and, if variances are given, of draws.

    Args:
        mean: (N, D) posterior means.
        factors: (N, K) which of its values each factor has.
        names: (K,) of the factors.
        log_var: (N, D) logarithms of posterior variances; with them the metrics of drawn
            codes, without intervals of DCI, and MIG from the mixture of posteriors.
        protocol: Sizes of the samples.
        seed: Of every draw.
        left_out: Factors that Chen's MIG leaves out.
        exact_dci: DCI of the means by exact boosted trees as well, of the same points, without
            the value of shuffled codes: minutes with the whole protocol.
        metrics: The six, unless given; one of your own takes codes (N, D), factors (N, K), a
            random generator and a `Protocol`, and returns numbers or `Estimate`s by name.
        progress: Told of each metric that is done, `steps_of` in all.

    Raises:
        InputError: see `check`; or variances that do not fit the means; or a metric that fails or
            returns something else than named numbers.
    """
    mean, factors, protocol = np.asarray(mean), np.asarray(factors), protocol or Protocol()
    check(mean, factors, names, protocol.points)
    score = partial(_score, protocol=protocol, seed=seed, progress=progress)
    _check_metrics(metrics)
    scores = score("mean", metrics, mean, factors)
    if exact_dci:
        rng = np.random.default_rng((seed, 3, METRICS.index(dci)))
        found = dci_exact(mean, factors, rng, protocol)
        scores += [Score(name, "mean", *value, np.nan) for name, value in found.items()]
    if log_var is not None:
        _check_variances(mean, log_var)
        noise = np.random.default_rng((seed, 1)).standard_normal(mean.shape)
        drawn = mean + np.exp(0.5 * log_var) * noise
        scores += score("sampled", metrics, drawn, factors, protocol=_without_refits(protocol))
        meant = [k for k, name in enumerate(names) if name not in left_out]
        pairs = np.stack([mean, log_var], axis=2)
        if mig in metrics:
            scores += score("sampled", [_mig_of_pairs], pairs, factors[:, meant])
    return tuple(scores)


def steps_of(sampled: bool, metrics: Sequence[Metric] = METRICS) -> int:
    """Number of progress steps of `measure`, with or without drawn codes."""
    return 2 * (2 * len(metrics) + (mig in metrics) if sampled else len(metrics))


def _score(
    representation: str,
    metrics: Sequence[Metric],
    codes: NDArray[np.floating],
    factors: NDArray[np.integer],
    *,
    protocol: Protocol,
    seed: int,
    progress: Progress,
) -> list[Score]:
    """Scores of codes, and of the same codes shuffled against the factors."""
    shuffled = codes[np.random.default_rng((seed, 2)).permutation(len(codes))]
    scores = []
    for position, metric in enumerate(metrics):
        number = METRICS.index(metric) if metric in METRICS else position
        rng = partial(np.random.default_rng, (seed, 3, number))
        found = _asked(metric, codes, factors, rng(), protocol)
        progress(1)
        noise = _asked(metric, shuffled, factors, rng(), _without_refits(protocol))
        progress(1)
        scores += [Score(n, representation, *e, noise[n].value) for n, e in found.items()]
    return scores


def _asked(
    metric: Metric,
    codes: NDArray[np.floating],
    factors: NDArray[np.integer],
    rng: np.random.Generator,
    protocol: Protocol,
) -> dict[str, Estimate]:
    """Call a metric; numbers without an interval get one of NaN."""
    name = getattr(metric, "__name__", type(metric).__name__)
    try:
        found = metric(codes, factors, rng, protocol)
    except GlitchvaeError:
        raise
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise InputError(
            "the metric fails", where=name, found=f"{type(error).__name__}: {error}"
        ) from error
    if not isinstance(found, Mapping) or not found or not all(map(_is_estimate, found.values())):
        raise InputError(
            "the metric does not return numbers by name",
            where=name,
            expected="{name: number} or {name: Estimate}",
            found=found if isinstance(found, Mapping) else type(found).__name__,
        )
    return {
        str(key): value if isinstance(value, Estimate) else Estimate(float(value), np.nan, np.nan)
        for key, value in found.items()
    }


def _is_estimate(value: object) -> bool:
    return isinstance(value, Estimate | numbers.Real)


def _check_metrics(metrics: Sequence[Metric]) -> None:
    wrong = next((each for each in metrics if not callable(each)), None)
    if wrong is not None or not metrics:
        raise InputError(
            "no metric", expected="functions of codes and factors", found=wrong or "none"
        )


def _without_refits(protocol: Protocol) -> Protocol:
    return protocol.model_copy(update={"refits": 0})


def _mig_of_pairs(
    pairs: NDArray[np.floating],
    factors: NDArray[np.integer],
    rng: np.random.Generator,
    protocol: Protocol,
) -> dict[str, Estimate]:
    """Chen's MIG of means and variances (N, D, 2), which are shuffled together."""
    return mig_chen(pairs[..., 0], pairs[..., 1], factors, rng, protocol)


def _check_variances(mean: NDArray[np.floating], log_var: NDArray[np.floating]) -> None:
    if log_var.shape != mean.shape or not np.isfinite(log_var).all():
        raise InputError(
            "variances do not fit the means",
            expected=f"finite, shape {mean.shape}",
            found=f"shape {log_var.shape}, finite {bool(np.isfinite(log_var).all())}",
        )


def name_dimensions(
    codes: NDArray[np.floating],
    factors: NDArray[np.integer],
    names: Sequence[str],
    *,
    bins: int = 20,
) -> tuple[tuple[str, float], ...]:
    """The factor with the largest mutual information with each dimension, and its share.

    An unused dimension has the name "" and the share 0.
    """
    shares = mutual_information(into_bins(codes, bins), factors) / entropy(factors)
    return tuple(
        (names[int(row.argmax())], float(row.max())) if used else ("", 0.0)
        for row, used in zip(shares, active(codes), strict=True)
    )

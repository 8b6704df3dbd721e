"""Nearest known class of a code, its probability, and the p-value of its distance.

A class is a few centres in code space (k-means within the class: one label often covers
several shapes); all centres share one shrunk covariance. That is linear discriminant
analysis with subclasses (Hastie & Tibshirani 1996, "Discriminant analysis by Gaussian
mixtures") with equal weight for every class: how often a class occurs in the training set
says nothing about the detector of tomorrow. Where held-out events are named better by it,
the classes are told apart by a learnt metric instead of that covariance (Mensink et al. 2013,
"Distance-based image classification", section 3.2: nearest class mean metric learning).
Where real labels are few beside many simulated ones, a linear head that weighs them may name
instead (`with_linear`); distances, and with them novelty, stay those of the centres.

What only fitting or naming needs is imported then: reading an archive needs none of it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
import safetensors
from numpy.typing import NDArray
from safetensors.numpy import save_file

from glitchvae.classes.catalog import Catalog
from glitchvae.errors import InputError, ModelError, reading
from glitchvae.status import add_flag
from glitchvae.store import replacing

FORMAT_VERSION = 1
EVENTS_PER_CENTRE = 40
MOST_CENTRES = 8
REFERENCE_EVENTS = 400
"""Known events of each class kept beside the centres, to fit other classifiers."""

_QUANTILES = 1001
_ARRAYS = ("centres", "owners", "whitener", "temperature", "known_distances")
_OPTIONAL = ("metric", "reference", "reference_owners", "slopes", "offsets")


ENOUGH_REAL = 100
"""Least number of real background events for a measured p-value of novelty."""

_ROWS = 1 << 16  # codes named at once: their scores fill 100 MB


class Classes(NamedTuple):
    """Class, probability and novelty of N codes; "" and NaN for a code that holds NaN.

    Attributes:
        class_name: (N,) nearest known class.
        class_probability: (N,) probability of that class.
        novelty_p: (N,) share of known background events at least as far from all known
            classes: small is novel.
        flags: (N,) `extrapolated` where fewer than `ENOUGH_REAL` real events stand behind
            `novelty_p`.
        probabilities: (N, K) of every known class; 0 for one that could not be seen.
    """

    class_name: NDArray[np.object_]
    class_probability: NDArray[np.float32]
    novelty_p: NDArray[np.float32]
    flags: NDArray[np.object_]
    probabilities: NDArray[np.float64]

    def columns(self) -> dict[str, NDArray[Any]]:
        """The fields with one number or text an event, by name."""
        return {name: values for name, values in self._asdict().items() if values.ndim == 1}


class Discriminants(NamedTuple):
    """Scores of the classes as linear functions of a code, one for each centre.

    A class scores the logarithm of the sum of `exp(code @ slopes + offsets)` over its own
    centres. That is its log-density but for a term that all classes of a code share.

    Attributes:
        slopes: (Z, P).
        offsets: (P,).
        own: (K, P) which centres are those of each class.
    """

    slopes: NDArray[np.float64]
    offsets: NDArray[np.float64]
    own: NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Prototypes:
    """Prototypes of the known classes in the code space of one model.

    Attributes:
        names: Class names, sorted.
        centres: (P, Z) centres of all classes.
        owners: (P,) index into `names` of each centre's class.
        whitener: (Z, Z); `codes @ whitener` has unit covariance around its centre. Novelty is
            by a distance there.
        metric: (Z, Z); classes are told apart by distances of `codes @ metric`. None: as
            novelty.
        temperature: Divisor of the class scores, fitted on held-out events.
        known_distances: Sorted distances of held-out events to the nearest centre; of very
            many events quantiles, which count as so many events.
        background_events_real: How many of those events were found in real strain.
        reference: (R, Z) codes of some known events, held-out ones first; None where the
            file keeps none.
        reference_owners: (R,) index into `names` of each one's class.
        slopes: (Z, K) of a linear head that names instead of the metric; None: there is none.
        offsets: (K,) of that head.
        bands: Lowest and highest frequency (Hz) of classes, by the catalogue: no part of the
            file. A class is not named where an image ends below its band.
    """

    names: tuple[str, ...]
    centres: NDArray[np.float64]
    owners: NDArray[np.int64]
    whitener: NDArray[np.float64]
    temperature: float
    known_distances: NDArray[np.float64]
    metric: NDArray[np.float64] | None = None
    reference: NDArray[np.float32] | None = None
    reference_owners: NDArray[np.int64] | None = None
    slopes: NDArray[np.float64] | None = None
    offsets: NDArray[np.float64] | None = None
    background_events_real: int = 0
    bands: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    @property
    def class_metric(self) -> NDArray[np.float64]:
        """The metric that separates classes, learnt or the identity."""
        return self.whitener if self.metric is None else self.metric

    @property
    def discriminants(self) -> Discriminants:
        """Linear discriminants of the classes, for use elsewhere or for gradients.

        With y = code @ metric, -|y - c|^2 / 2 is y . c - |c|^2 / 2 but for |y|^2 / 2, which
        all centres share (Hastie, Tibshirani & Friedman 2009, equation 4.10).
        """
        if self.slopes is not None and self.offsets is not None:
            own = np.eye(len(self.names), dtype=bool)
            return Discriminants(slopes=self.slopes, offsets=self.offsets, own=own)
        centres = self.centres @ self.class_metric
        own = self.owners == np.arange(len(self.names))[:, None]
        shares = np.log(own.sum(axis=1))[self.owners]
        return Discriminants(
            slopes=self.class_metric @ centres.T,
            offsets=-0.5 * (centres**2).sum(axis=1) - shares,
            own=own,
        )

    @classmethod
    def fit(
        cls,
        codes: NDArray[np.floating],
        labels: NDArray[np.object_],
        *,
        held_out: tuple[NDArray[np.floating], NDArray[np.object_]] | None = None,
        seed: int = 0,
    ) -> Self:
        """Fit prototypes to labelled codes.

        Args:
            codes: (N, Z); rows with NaN are left out.
            labels: (N,) class names; rows with "" are left out.
            held_out: Codes and labels that calibrate probability and novelty. Without
                them a fifth of each class of five or more events is kept back for it.
            seed: Of k-means and of the fifth kept back.

        Raises:
            InputError: no labelled code is left, or lengths differ.
        """
        known = _labelled(codes, labels)
        if held_out is None:
            known, held_out = _keep_back(*known, seed)
        names, classes = np.unique(known[1].astype(str), return_inverse=True)
        centres, owners, residuals = _place_centres(known[0], classes, seed)
        raw = cls(
            names=tuple(map(str, names)),
            centres=centres,
            owners=owners,
            whitener=_whitener(residuals, known[0]),
            temperature=1.0,
            known_distances=np.zeros(1),
        )
        spare = _labelled(*held_out)
        plain = raw._calibrated(*spare)
        learnt = plain._with_learnt_metric(known[0], classes, seed)._calibrated(*spare)
        better = learnt._surprise(*spare) < plain._surprise(*spare)
        return (learnt if better else plain)._referring_to(
            np.concatenate([spare[0], known[0]]),
            np.concatenate([spare[1], known[1]]),
            len(spare[0]),
            seed,
        )

    def classify(
        self, codes: NDArray[np.floating], f_max: NDArray[np.floating] | None = None
    ) -> Classes:
        """Classify codes: class, probability, novelty and flags of each.

        Args:
            codes: (N, Z).
            f_max: (N,) highest frequency (Hz) of the images; NaN, or None: the full axis. A
                class whose band begins there or above has probability 0.

        Returns:
            One entry per code. `novelty_p` is (k + 1) / (n + 1), where k of the n known events
            are as far from every centre or farther: never below 1 / (n + 1).
        """
        usable = np.isfinite(codes).all(axis=1)
        seen = self._visible(np.full(len(codes), np.nan) if f_max is None else f_max)
        usable &= seen.any(axis=1)
        name = np.full(len(codes), "", dtype=object)
        probability, novelty_p = np.full((2, len(codes)), np.nan, dtype=np.float32)
        shares = np.full((len(codes), len(self.names)), np.nan)
        rows = np.flatnonzero(usable)
        for own in np.split(rows, range(_ROWS, len(rows), _ROWS)) if len(rows) else ():
            scores, nearest = self._scores(np.asarray(codes[own], dtype=np.float64))
            scores = np.where(seen[own], scores, -np.inf)
            name[own] = np.asarray(self.names, dtype=object)[scores.argmax(axis=1)]
            shares[own] = self._shares(scores)
            probability[own] = shares[own].max(axis=1)
            novelty_p[own] = self._novelty_p(nearest)
        flags = np.full(len(codes), "", dtype=object)
        if self.background_events_real < ENOUGH_REAL:
            flags = add_flag(flags, usable, "extrapolated")
        return Classes(name, probability, novelty_p, flags, shares)

    def probabilities(self, codes: NDArray[np.floating]) -> NDArray[np.float64]:
        """(N, K) probability of each of `names`; NaN for a code (Z,) that holds NaN."""
        return self.classify(codes).probabilities

    def in_catalog(self, catalog: Catalog) -> Self:
        """Add the frequency bands that the classes have in a catalogue."""
        return replace(self, bands=catalog.bands(self.names))

    def with_linear(
        self, slopes: NDArray[np.floating], offsets: NDArray[np.floating], temperature: float
    ) -> Self:
        """Replace the classifier by `softmax((codes @ slopes + offsets) / temperature)`.

        Centres, distances and the known events kept for others stay.

        Args:
            slopes: (Z, K), a column for each of `names`.
            offsets: (K,).
            temperature: Above zero.

        Raises:
            InputError: another size, a number that is not finite, or a temperature that is not
                above zero.
        """
        slopes = np.ascontiguousarray(slopes, dtype=np.float64)
        offsets = np.ascontiguousarray(offsets, dtype=np.float64)
        expected = (self.centres.shape[1], len(self.names)), (len(self.names),)
        if (slopes.shape, offsets.shape) != expected:
            raise InputError(
                "the linear head has the wrong shape",
                found=(slopes.shape, offsets.shape),
                expected=f"slopes {expected[0]}, offsets {expected[1]}",
            )
        finite = np.isfinite(slopes).all() and np.isfinite(offsets).all()
        if not (finite and np.isfinite(temperature) and temperature > 0):
            raise InputError(
                "the linear head holds values that are not valid",
                expected="finite numbers and a temperature above 0",
                found=f"temperature {temperature}, all finite: {finite}",
            )
        return replace(self, slopes=slopes, offsets=offsets, temperature=float(temperature))

    def with_background(self, codes: NDArray[np.floating]) -> Self:
        """Measure novelty against codes of real background events.

        Args:
            codes: (N, Z) of known background events of real strain that nothing was fitted to.

        Raises:
            InputError: no usable code, or codes of another size.
        """
        own = np.asarray(codes, dtype=np.float64)
        if own.ndim != 2 or own.shape[1] != self.centres.shape[1]:
            raise InputError(
                "codes of the background have the wrong shape",
                found=own.shape,
                expected=f"(N, {self.centres.shape[1]})",
            )
        own, _ = _labelled(own, np.full(len(own), "background", dtype=object))
        return self.with_background_distances(self.distances(own))

    def distances(self, codes: NDArray[np.floating]) -> NDArray[np.float64]:
        """(N,) distance of codes (N, Z) to the nearest centre, of which novelty is the rank."""
        return self._scores(np.asarray(codes, dtype=np.float64))[1]

    def with_background_distances(self, distances: NDArray[np.floating]) -> Self:
        """Measure novelty against distances of real background events.

        Distances are of whitened codes: those of a model that was trained alike, but for
        the events they are of, stand for what this one would give had it not seen them.

        Args:
            distances: (N,) finite, as `distances` gives them.
        """
        kept = _kept_distances(np.asarray(distances, dtype=np.float64))
        return replace(self, known_distances=kept, background_events_real=len(distances))

    def with_class(self, name: str, codes: NDArray[np.floating], *, seed: int = 0) -> Self:
        """Add one class, or extend an existing one by these codes.

        Covariance, temperature and known distances stay as they are: they were measured on
        held-out events, of which a class of a few dozen has none to spare. A linear head gets
        a column for the class; the odds among the others stay.

        Args:
            name: Class.
            codes: (N, Z) of its events; rows with NaN are left out.
            seed: Of k-means and of the choice of reference events.

        Raises:
            InputError: no usable code, or codes of another size.
        """
        own = np.asarray(codes, dtype=np.float64)
        if own.ndim != 2 or own.shape[1] != self.centres.shape[1]:
            raise InputError(
                f"codes of class {name!r} have the wrong shape",
                found=own.shape,
                expected=f"(N, {self.centres.shape[1]})",
            )
        own, _ = _labelled(own, np.full(len(own), name, dtype=object))
        names = tuple(sorted({*self.names, name}))
        moved, k = np.searchsorted(names, self.names), names.index(name)
        centres = _place_centres(own, np.zeros(len(own), dtype=np.int64), seed)[0]
        owners = np.concatenate([moved[self.owners], np.full(len(centres), k)])
        grown = replace(
            self, names=names, owners=owners, centres=np.concatenate([self.centres, centres])
        )
        if self.slopes is not None and self.offsets is not None:
            slopes, offsets = self._one_more(name, names, own, (self.slopes, self.offsets))
            grown = replace(grown, slopes=slopes, offsets=offsets)
        if self.reference is None or self.reference_owners is None:
            return grown
        kept = np.random.default_rng(seed).permutation(own)[:REFERENCE_EVENTS].astype(np.float32)
        return replace(
            grown,
            reference=np.concatenate([self.reference, kept]),
            reference_owners=np.concatenate([moved[self.reference_owners], np.full(len(kept), k)]),
        )

    def _one_more(
        self,
        name: str,
        names: tuple[str, ...],
        own: NDArray[np.float64],
        linear: tuple[NDArray[np.float64], NDArray[np.float64]],
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Slopes and offsets of a linear head with one class added or fitted again."""
        from glitchvae.classes.linear import one_more_class

        known, owners = self.centres, self.owners
        if self.reference is not None and self.reference_owners is not None:
            known, owners = self.reference.astype(np.float64), self.reference_owners
        old = [self.names.index(each) for each in names if each != name]
        other = np.isin(owners, old)
        if name in self.names:
            own = np.concatenate([own, known[~other]])
        weights = 1.0 / np.bincount(owners)[owners[other]]
        slopes, offsets = linear[0][:, old], linear[1][old]
        head = slopes, offsets, self.temperature
        slope, offset = one_more_class(own, known[other], weights, head)
        k = names.index(name)
        return np.insert(slopes, k, slope, axis=1), np.insert(offsets, k, offset)

    def save(self, path: str | Path) -> None:
        """Write as safetensors; the class names are JSON in its header."""
        metadata = {
            "format_version": str(FORMAT_VERSION),
            "names": json.dumps(self.names),
            "background_events_real": str(self.background_events_real),
        }
        names = [n for n in (*_ARRAYS, *_OPTIONAL) if getattr(self, n) is not None]
        arrays = {name: np.atleast_1d(np.asarray(getattr(self, name))) for name in names}
        with replacing(path) as temporary:
            save_file(arrays, temporary, metadata=metadata)

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read what `save` wrote.

        Raises:
            ModelError: damaged, or of another format version.
        """
        with reading(path, "prototypes cannot be read", kind=ModelError):
            return cls._load(Path(path))

    @classmethod
    def _load(cls, path: Path) -> Self:
        with safetensors.safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        version = metadata.get("format_version")
        if version != str(FORMAT_VERSION) or set(arrays) - set(_OPTIONAL) != set(_ARRAYS):
            raise ModelError(
                "the prototypes have another format",
                where=path,
                expected=f"version {FORMAT_VERSION}",
                found=f"version {version} with {sorted(arrays)}",
                remedy="Fit them again.",
            )
        temperature = float(arrays.pop("temperature")[0])
        names = tuple(json.loads(metadata["names"]))
        real = int(metadata.get("background_events_real", 0))
        return cls(names=names, temperature=temperature, background_events_real=real, **arrays)

    def _scores(self, codes: NDArray[np.float64]) -> tuple[NDArray, NDArray]:
        """Log-density per class up to a constant (N, K), and distance to the next centre (N,)."""
        from scipy.special import logsumexp

        whitened = _squared_distances(codes @ self.whitener, self.centres @ self.whitener)
        slopes, offsets, own = self.discriminants
        each = codes @ slopes + offsets
        scores = np.stack(
            [np.asarray(logsumexp(each[:, members], axis=1)) for members in own], axis=1
        )
        return scores, np.sqrt(whitened.min(axis=1))

    def _shares(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """Probabilities (N, K) from scores (N, K)."""
        from scipy.special import log_softmax

        return np.exp(log_softmax(scores / self.temperature, axis=1))

    def _with_learnt_metric(
        self, codes: NDArray[np.float64], classes: NDArray[np.int64], seed: int
    ) -> Self:
        from glitchvae.classes.metric import learn_metric

        start = self.whitener / np.sqrt(self.temperature)
        return replace(
            self, metric=learn_metric(codes, classes, self.centres, self.owners, start, seed)
        )

    def _surprise(self, codes: NDArray[np.float64], labels: NDArray[np.object_]) -> float:
        """Mean cross-entropy of the true classes, in nats."""
        known = np.isin(labels.astype(str), self.names)
        truth = np.searchsorted(self.names, labels[known].astype(str))
        return _cross_entropy(self._scores(codes[known])[0] / self.temperature, truth)

    def _novelty_p(self, nearest: NDArray[np.float64]) -> NDArray[np.float64]:
        count = len(self.known_distances)
        as_far = count - np.searchsorted(self.known_distances, nearest, side="left")
        return (as_far + 1) / (count + 1)

    def _visible(self, f_max: NDArray[np.floating]) -> NDArray[np.bool_]:
        """(N, K) whether an image that ends at `f_max` (N,) reaches the band of each class."""
        lowest = np.array([self.bands.get(name, (0.0, np.inf))[0] for name in self.names])
        return ~(lowest >= np.asarray(f_max, dtype=np.float64)[:, None])

    def _calibrated(self, codes: NDArray[np.float64], labels: NDArray[np.object_]) -> Self:
        known = np.isin(labels.astype(str), self.names)
        scores, nearest = self._scores(codes[known])
        truth = np.searchsorted(self.names, labels[known].astype(str))
        return replace(
            self,
            temperature=_temperature(scores, truth),
            known_distances=_kept_distances(nearest),
        )

    def _referring_to(
        self, codes: NDArray[np.float64], labels: NDArray[np.object_], held_out: int, seed: int
    ) -> Self:
        """Keep `REFERENCE_EVENTS` codes of every class, drawn from held-out events first."""
        rng = np.random.default_rng(seed)
        order = np.r_[rng.permutation(held_out), held_out + rng.permutation(len(codes) - held_out)]
        order = order[np.sort(np.unique(codes[order], axis=0, return_index=True)[1])]
        labels = labels.astype(str)
        rows = np.concatenate(
            [order[labels[order] == name][:REFERENCE_EVENTS] for name in self.names]
        )
        return replace(
            self,
            reference=codes[rows].astype(np.float32),
            reference_owners=np.searchsorted(self.names, labels[rows]).astype(np.int64),
        )


def _kept_distances(distances: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sorted distances, reduced to `_QUANTILES` quantiles if there are more."""
    if len(distances) <= _QUANTILES:
        return np.sort(distances)
    return np.quantile(distances, np.linspace(0.0, 1.0, _QUANTILES))


def _labelled(codes: Any, labels: Any) -> tuple[NDArray[np.float64], NDArray[np.object_]]:
    codes, labels = np.asarray(codes, dtype=np.float64), np.asarray(labels, dtype=object)
    if len(codes) != len(labels):
        raise InputError("codes and labels differ in length", found=(len(codes), len(labels)))
    usable = np.isfinite(codes).all(axis=1) & (labels != "")
    if not usable.any():
        raise InputError(
            "no labelled code to fit class prototypes to",
            expected="codes with a label",
            found=f"{len(codes)} rows, none both usable and labelled",
        )
    return codes[usable], labels[usable]


def _keep_back(codes: NDArray, labels: NDArray, seed: int) -> tuple[tuple, tuple]:
    """Hold out a fifth of each class of at least five events; if there is none, use all twice."""
    from sklearn.model_selection import train_test_split

    names, counts = np.unique(labels.astype(str), return_counts=True)
    large = np.flatnonzero(np.isin(labels.astype(str), names[counts >= 5]))
    if len(large) == 0:
        return (codes, labels), (codes, labels)
    apart = train_test_split(
        large,
        test_size=max(0.2, np.sum(counts >= 5) / len(large)),
        stratify=labels[large].astype(str),
        random_state=seed,
    )[1]
    stays = np.setdiff1d(np.arange(len(codes)), apart)
    return (codes[stays], labels[stays]), (codes[apart], labels[apart])


def _place_centres(
    codes: NDArray[np.float64], classes: NDArray[np.int64], seed: int
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64]]:
    """Centres of every class, the class of each centre, and codes minus their centre."""
    from sklearn.cluster import KMeans

    centres, owners, residuals = [], [], np.empty_like(codes)
    for k in range(classes.max() + 1):
        own = classes == k
        count = int(np.clip(own.sum() // EVENTS_PER_CENTRE, 1, MOST_CENTRES))
        means = KMeans(count, random_state=seed).fit(codes[own])
        centres.append(means.cluster_centers_)
        owners.append(np.full(count, k, dtype=np.int64))
        residuals[own] = codes[own] - means.cluster_centers_[means.labels_]
    return np.concatenate(centres), np.concatenate(owners), residuals


def _whitener(residuals: NDArray[np.float64], codes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Inverse square root of the shrunk covariance of `residuals`.

    Where every class has a single event there are no residuals: the spread of all codes
    stands in, and one code alone gets the identity.
    """
    from sklearn.covariance import ledoit_wolf

    covariance = ledoit_wolf(residuals, assume_centered=True)[0]
    if not np.trace(covariance) > 0:
        covariance = ledoit_wolf(codes)[0]
    values, vectors = np.linalg.eigh(covariance)
    if values[-1] <= 0:
        return np.eye(codes.shape[1])
    return vectors / np.sqrt(np.maximum(values, 1e-9 * values[-1]))


def _squared_distances(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    squared = (a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1) - 2.0 * a @ b.T
    return np.maximum(squared, 0.0)


def _temperature(scores: NDArray[np.float64], truth: NDArray[np.int64]) -> float:
    """The temperature that maximises the likelihood of held-out labels (Guo et al. 2017)."""
    from scipy.optimize import minimize_scalar

    found: Any = minimize_scalar(
        lambda log_temperature: _cross_entropy(scores / np.exp(log_temperature), truth),
        bounds=(-4.0, 6.0),
        method="bounded",
    )
    return float(np.exp(found.x))


def _cross_entropy(scores: NDArray[np.float64], truth: NDArray[np.int64]) -> float:
    from scipy.special import log_softmax

    return float(-log_softmax(scores, axis=1)[np.arange(len(truth)), truth].mean())

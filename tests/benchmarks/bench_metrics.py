"""How long six metrics of one dSprites model take, encoding and all, and DCI's two learners.

    python tests/benchmarks/bench_metrics.py [--model DIR] [--points 50000]
        [--device cuda] [--sampled] [--exact]

Without a checkpoint the model has fresh weights of the reference study's size; that
changes the scores, not the work. `--exact` fits scikit-learn's exact boosted trees to the
same codes as well, which takes many minutes.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from sklearn.ensemble import GradientBoostingClassifier

from glitchvae.checkpoint import load_checkpoint
from glitchvae.models import build
from glitchvae.validation.disentanglement import METRICS, Protocol, dci, measure
from glitchvae.validation.disentanglement.dci import completeness, disentanglement
from glitchvae.validation.disentanglement.encoding import Codes, encode
from glitchvae.validation.disentanglement.protocol import two_samples
from glitchvae.validation.disentanglement.scoring import fitted
from glitchvae.validation.images.dsprites import draw_dsprites
from glitchvae.validation.images.factors import FactorData


def clock(label: str, begin: tuple[float, float]) -> None:
    """Print wall and processor seconds since `begin`."""
    wall, cpu = time.perf_counter() - begin[0], time.process_time() - begin[1]
    print(f"{label:24s}{wall:9.1f} s{cpu:9.1f} s of processors", flush=True)


def now() -> tuple[float, float]:
    return time.perf_counter(), time.process_time()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path)
    parser.add_argument("--points", type=int, default=50_000)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--sampled", action="store_true")
    parser.add_argument("--exact", action="store_true")
    options = parser.parse_args()
    print(f"{torch.get_num_threads()} threads, {options.points:,} points, {options.device}")
    begin = now()
    drawn = draw_dsprites()
    clock("drawing 737,280 images", begin)
    points = drawn.sample(options.points, np.random.default_rng(0))
    codes = encoded(points, options)
    protocol = Protocol().scaled_to(len(points))
    for metric in METRICS:
        begin = now()
        metric(codes.mean, points.factors, np.random.default_rng(0), protocol)
        clock(metric.__name__, begin)
    begin = now()
    log_var = codes.log_var if options.sampled else None
    scores = measure(codes.mean, points.factors, points.names, log_var=log_var, protocol=protocol)
    clock("all, with baselines", begin)
    for metric, representation, *numbers in scores:
        print(f"{metric:22s}{representation:9s}" + "".join(f"{n:9.3f}" for n in numbers))
    if options.exact:
        compare_learners(codes, points, protocol)


def encoded(points: FactorData, options: argparse.Namespace) -> Codes:
    """Codes of the points."""
    if options.model:
        model = load_checkpoint(options.model, options.device).model
    else:
        torch.manual_seed(0)
        model = build("image", {"network": "burgess"}).to(options.device).eval()
    pictures = fitted(points, model, options.model).to_training()
    begin = now()
    codes = encode(model, pictures, device=options.device)
    clock("encoding", begin)
    return codes


def compare_learners(codes: Codes, points: FactorData, protocol: Protocol) -> None:
    """DCI by exact trees beside DCI by histogram trees, of the same training points."""
    train, test = two_samples(len(points), protocol, np.random.default_rng(0))
    begin = now()
    fits = [
        GradientBoostingClassifier(n_estimators=protocol.rounds, max_depth=protocol.depth).fit(
            codes.mean[train], factor[train]
        )
        for factor in points.factors.T
    ]
    clock("exact trees", begin)
    importance = np.column_stack([fit.feature_importances_ for fit in fits])
    right = [
        fit.score(codes.mean[test], factor[test])
        for fit, factor in zip(fits, points.factors.T, strict=True)
    ]
    once = protocol.model_copy(update={"refits": 0})
    ours = dci(codes.mean, points.factors, np.random.default_rng(0), once)
    exact = (disentanglement(importance), completeness(importance), float(np.mean(right)))
    for (name, estimate), value in zip(ours.items(), exact, strict=True):
        print(f"{name:24s} histogram {estimate.value:.3f}, exact {value:.3f}")


if __name__ == "__main__":
    main()

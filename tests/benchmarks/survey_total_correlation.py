"""How far the estimates of total correlation and information are off, by batch size.

    python tests/benchmarks/survey_total_correlation.py [--size 10] [--batches 10]

Posteriors of width 0.25 around means that are drawn so that the aggregate posterior is a
normal with unit variances and one correlation between all dimensions: total correlation and
mutual information have a closed form. Printed are means over batches and their standard errors.
"""

from __future__ import annotations

import argparse

import numpy as np
import torch
from torch.distributions import Normal

from glitchvae.objectives import decompose

WIDTH = 0.25
POPULATION = 737_280
NAMES = ("total_correlation", "mutual_information")


def truth(covariance: np.ndarray) -> dict[str, float]:
    """The closed forms in nats."""
    log_det = float(np.linalg.slogdet(covariance)[1])
    information = 0.5 * log_det - len(covariance) * np.log(WIDTH)
    return {"total_correlation": -0.5 * log_det, "mutual_information": information}


def estimate(covariance: np.ndarray, batch: int, estimator: str, rng: np.random.Generator) -> list:
    """Total correlation and mutual information of one batch."""
    size = len(covariance)
    spread = covariance - WIDTH**2 * np.eye(size)
    mean = torch.from_numpy(rng.multivariate_normal(np.zeros(size), spread, batch))
    posterior = Normal(mean, WIDTH * torch.ones_like(mean))
    z = mean + WIDTH * torch.from_numpy(rng.standard_normal((batch, size)))
    prior = Normal(torch.zeros_like(z), 1.0)
    parts = decompose(z, posterior, prior, population=POPULATION, estimator=estimator)
    return [float(parts[name]) for name in NAMES]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=10, help="latent dimensions")
    parser.add_argument("--batches", type=int, default=10)
    options = parser.parse_args()
    for correlation in (0.0, 0.5):
        covariance = np.full((options.size, options.size), correlation)
        np.fill_diagonal(covariance, 1.0)
        exact = truth(covariance)
        print(f"correlation {correlation}: " + ", ".join(f"{n} {exact[n]:.2f}" for n in NAMES))
        for batch in (64, 256, 1024):
            for estimator in ("mws", "mss"):
                survey(covariance, batch, estimator, options.batches)


def survey(covariance: np.ndarray, batch: int, estimator: str, batches: int) -> None:
    """Print mean and standard error of one estimator at one batch size."""
    rng = np.random.default_rng(0)
    found = np.array([estimate(covariance, batch, estimator, rng) for _ in range(batches)])
    mean, error = found.mean(axis=0), found.std(axis=0, ddof=1) / batches**0.5
    figures = [f"{n} {m:8.2f} ± {e:.2f}" for n, m, e in zip(NAMES, mean, error, strict=True)]
    print(f"  {estimator} of {batch:5d}: " + "   ".join(figures), flush=True)


if __name__ == "__main__":
    main()

"""Settings of discovery."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from glitchvae.config import Settings


class DiscoverySettings(Settings):
    """Options of `discover`.

    Attributes:
        method: How the search groups events at first: "hdbscan" (tight groups, and a mixture
            of what is in none of them) or "gmm" (a mixture alone).
        min_events: Fewest events of a candidate.
        min_snr: Fainter events take no part. Known classes have neither labels nor simulated
            events below 7.5, so that noise would come out as a class of its own.
        significance: False candidates to expect in one run without a new class.
        bootstraps: Reclusterings behind the stability.
        rendered: Glitches of each known class that are rendered in the archive's noise where a
            group may be that class; 0 renders none.
        neighbours: Events around each one that the label audit asks.
        seed: Of every random number; the same seed gives the same result.
    """

    method: Literal["hdbscan", "gmm"] = "hdbscan"
    min_events: int = Field(default=10, ge=3)
    min_snr: float = Field(default=7.5, ge=0.0, allow_inf_nan=False)
    significance: float = Field(default=0.05, gt=0.0, lt=1.0)
    bootstraps: int = Field(default=20, ge=0)
    rendered: int = Field(default=100, ge=0)
    neighbours: int = Field(default=10, ge=3)
    seed: int = 0


def fewest_bouts(settings: DiscoverySettings) -> int:
    """Least number of bouts of a group in the half of the bouts that is fitted."""
    return max(3, settings.min_events // 2)

"""Discovery of groups of events that no known class explains, with tests of the groups."""

from glitchvae.archive.live import in_live_time
from glitchvae.discovery.classed import by_class
from glitchvae.discovery.record import (
    PROPERTIES,
    AuditRow,
    Candidate,
    Discovery,
    KnownClass,
    Rate,
)
from glitchvae.discovery.run import discover
from glitchvae.discovery.settings import DiscoverySettings

__all__ = [
    "PROPERTIES",
    "AuditRow",
    "Candidate",
    "Discovery",
    "DiscoverySettings",
    "KnownClass",
    "Rate",
    "by_class",
    "discover",
    "in_live_time",
]

"""All families by label."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from glitchvae.simulate import bursts, inspiral, lines, pulses, scattering
from glitchvae.simulate.family import Family

FAMILIES: Mapping[str, Family] = MappingProxyType(
    {
        family.label: family
        for family in sorted(
            (
                lines.LINES_1080,
                lines.RIPPLES_1400,
                lines.AIR_COMPRESSOR,
                lines.LOW_FREQUENCY_LINES,
                lines.POWER_LINE,
                lines.VIOLIN_MODE,
                lines.WANDERING_LINE,
                lines.WHISTLE,
                pulses.BLIP,
                pulses.BLIP_LOW_FREQUENCY,
                pulses.EXTREMELY_LOUD,
                pulses.HELIX,
                pulses.KOI_FISH,
                pulses.REPEATING_BLIPS,
                pulses.TOMTE,
                scattering.FAST_SCATTERING,
                scattering.SCATTERED_LIGHT,
                inspiral.CHIRP,
                bursts.LIGHT_MODULATION,
                bursts.LOW_FREQUENCY_BURST,
                bursts.NONE_OF_THE_ABOVE,
                bursts.NO_GLITCH,
                bursts.PAIRED_DOVES,
                bursts.SCRATCHY,
            ),
            key=lambda family: family.label,
        )
    }
)
"""The 22 classes of Gravity Spy's training set and the two that O3 added."""

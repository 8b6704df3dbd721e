"""The same glitches imaged at several sample rates: do they keep their class?

A glitch recorded at 1 kHz has lost what it had above 512 Hz. A class that lives there
cannot be recognised any more; what must not happen is that it becomes another one for sure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from glitchvae.checkpoint import Checkpoint
from glitchvae.classes.prototypes import Classes
from glitchvae.dataset.simulated import SPACING
from glitchvae.models import prepare
from glitchvae.progress import Progress
from glitchvae.qtransform.whitening import resample
from glitchvae.simulate import FAMILIES
from glitchvae.spectrogram import ImagingSettings, image_strain
from glitchvae.store import Record, column
from glitchvae.strain import Strain
from glitchvae.validation.robustness.strain_events import simulate_class

RATES = (16384.0, 4096.0, 2048.0, 1024.0)


@dataclass(frozen=True, kw_only=True)
class RateTest(Record):
    """What every event is taken for at every rate; rows are events times rates.

    Attributes:
        event: Number of the event.
        truth: Class that was simulated.
        sample_rate: Hz.
        class_name: Nearest class at that rate.
        class_probability: Its probability.
    """

    schema: ClassVar[str] = "rate-test"

    event: NDArray[Any] = column("i8")
    truth: NDArray[Any] = column(str)
    sample_rate: NDArray[Any] = column("f8")
    class_name: NDArray[Any] = column(str)
    class_probability: NDArray[Any] = column("f4")

    def at(self, rate: float) -> RateTest:
        """The rows of one rate, by event."""
        return self.take(self.sample_rate == rate)

    def kept(self, rate: float) -> NDArray[np.bool_]:
        """(events,) whether the class at a rate is that at the highest one."""
        return self.at(rate).class_name == self.at(self.sample_rate.max()).class_name


def classify_at_rates(
    checkpoint: Checkpoint,
    imaging: ImagingSettings,
    *,
    per_class: int,
    seed: int,
    rates: Sequence[float] = RATES,
    progress: Progress = lambda _: None,
) -> RateTest:
    """Simulate glitches of every class once, and classify them at each rate.

    Args:
        checkpoint: A model with class prototypes.
        imaging: How strain becomes images.
        per_class: Events of each class.
        seed: Of glitches and noise.
        rates: Hz, the highest first; strain is simulated at that one and resampled.
        progress: Called with the number of classes just finished.

    Raises:
        ModelError: the model has no prototypes.
    """
    parts = []
    for number, label in enumerate(sorted(FAMILIES)):
        strain, truth = simulate_class(
            label,
            per_class,
            spacing=SPACING,
            margin=imaging.block / 2 + 1.0,
            sample_rate=rates[0],
            seed=seed,
        )
        for rate in rates:
            found = _classified(checkpoint, _resampled(strain, rate), truth.gps, imaging)
            parts.append(
                RateTest(
                    event=number * per_class + np.arange(per_class),
                    truth=np.full(per_class, label, dtype=object),
                    sample_rate=np.full(per_class, rate),
                    class_name=found.class_name,
                    class_probability=found.class_probability,
                )
            )
        progress(1)
    return RateTest.join(parts)


def _resampled(strain: Strain, rate: float) -> Strain:
    return Strain(
        values=resample(strain.values, strain.sample_rate, rate),
        start=strain.start,
        sample_rate=rate,
        ifo=strain.ifo,
    )


def _classified(
    checkpoint: Checkpoint, strain: Strain, gps: NDArray[np.float64], imaging: ImagingSettings
) -> Classes:
    prototypes = checkpoint.require_prototypes()
    starts = np.round(gps - imaging.block / 2)
    blocks = [strain.crop(start, start + imaging.block) for start in starts]
    made = image_strain(blocks, gps, imaging)
    views = torch.from_numpy(made.views)
    with torch.inference_mode():
        codes = checkpoint.model.encode(prepare(views)[0]).mean
    return prototypes.classify(codes.numpy(), np.full(len(codes), made.f_max))

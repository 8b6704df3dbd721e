"""Images of one plane as a differentiable function of whitened strain.

A scan chooses the plane of the loudest tile and divides rows by their medians. Neither
has a useful gradient: the choice jumps, and a median moves with one tile. Here both are
those of a reference, and what remains - tiles, splines in time and frequency - is smooth.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import torch
from torch import Tensor

from glitchvae.errors import InputError
from glitchvae.qtransform.energies import (
    RowGroup,
    amplitude_spectrum,
    group_energies,
    row_groups,
)
from glitchvae.qtransform.medians import row_medians
from glitchvae.qtransform.scanning import Grid, frequency_spline, scan
from glitchvae.qtransform.splines import evaluate_spline, spline_coefficients
from glitchvae.qtransform.tiling import Tiling


@dataclass(frozen=True, kw_only=True, eq=False)
class FrozenScan:
    """The plane and the row medians of one reference block, held constant.

    Attributes:
        tiling: Of blocks of the reference's length.
        plane: Index of the plane that the reference's loudest tile lies in.
        centre: Time of the event in seconds from the start of the block.
        grids: Where the images are sampled.
        medians: For every group of the plane's rows their medians (R,) in the reference.
    """

    tiling: Tiling
    plane: int
    centre: float
    grids: tuple[Grid, ...]
    medians: tuple[Tensor, ...]

    @classmethod
    def of(
        cls,
        whitened: Tensor,
        tiling: Tiling,
        *,
        centre: float,
        grids: Sequence[Grid],
        search: float = 0.5,
        trim: float = 0.0,
    ) -> Self:
        """Take plane and medians from a scan of one block (1, T); arguments as of `scan`.

        Raises:
            InputError: more than one block, or one that cannot be scanned.
        """
        if len(whitened) != 1 or not whitened.isfinite().all():
            raise InputError(
                "the block cannot be used as reference",
                expected="one finite block (1, T)",
                found=tuple(whitened.shape),
            )
        where = torch.tensor([centre], dtype=torch.float64)
        found = scan(whitened, tiling, centre=where, grids=[], search=search, trim=trim)
        plane = int(np.argmin([abs(p.q - float(found.q)) for p in tiling.planes]))
        spectrum = amplitude_spectrum(whitened, tiling)
        medians = []
        for group in row_groups(tiling, whitened.device, plane):
            ends = int(np.ceil(trim / tiling.duration * group.tiles))
            energies = group_energies(spectrum, group)[0]
            medians.append(row_medians(energies[:, ends : group.tiles - ends]))
        return cls(
            tiling=tiling, plane=plane, centre=centre, grids=tuple(grids), medians=tuple(medians)
        )

    def views(self, whitened: Tensor) -> list[Tensor]:
        """Normalised energies (B, nf, nt) of blocks (B, T) for each grid, differentiable."""
        spectrum = amplitude_spectrum(whitened, self.tiling)
        times = self.centre + np.concatenate([g.times for g in self.grids])
        times = torch.as_tensor(times, device=whitened.device)
        groups = row_groups(self.tiling, whitened.device, self.plane)
        rows: dict[int, Tensor] = {}
        for group, medians in zip(groups, self.medians, strict=True):
            values = self._at(group_energies(spectrum, group) / medians[:, None], group, times)
            rows.update(zip(group.rows.tolist(), values.unbind(-1), strict=True))
        sampled = torch.stack([rows[row] for row in range(len(rows))], dim=-1)
        parts = sampled.split([len(g.times) for g in self.grids], dim=1)
        return [self._through(part.mT, grid) for grid, part in zip(self.grids, parts, strict=True)]

    def _through(self, values: Tensor, grid: Grid) -> Tensor:
        """Interpolate rows (B, R, nt) to the frequencies of a grid; NaN outside the band.

        Those points get no weight first: a NaN weight would make every gradient NaN.
        """
        wanted = np.asarray(grid.frequencies, np.float64).tobytes()
        spline = frequency_spline(self.tiling, self.plane, wanted, values.device)
        void = spline.weights.isnan().any(dim=1)
        inside = replace(spline, weights=spline.weights.nan_to_num(0.0))
        return inside(values).masked_fill(void[:, None], torch.nan)

    def _at(self, energies: Tensor, group: RowGroup, times: Tensor) -> Tensor:
        """Energies (B, R, tiles) at times (N,) in seconds from the start: (B, N, R)."""
        position = (times * (group.tiles / self.tiling.duration)).expand(len(energies), -1)
        return evaluate_spline(spline_coefficients(energies), position)

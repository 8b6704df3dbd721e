"""3D Faces: 50 heads of the Basel model under rotations and lights, as one tensor.

Source: Paysan, Knothe, Amberg, Romdhani & Vetter (2009), A 3D Face Model for Pose and
Illumination Invariant Face Recognition; the file and its layout are those of Chen et al.
(2018), Isolating Sources of Disentanglement.
"""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import torch

from glitchvae.errors import InputError
from glitchvae.validation.images.factors import FactorData, grid_of

NAMES = ("face", "azimuth", "elevation", "light")
SIZES = (50, 21, 11, 11)
SIZE = 64

_SHAPE = (*SIZES, SIZE, SIZE)


def read_faces(path: str | Path) -> FactorData:
    """Read the published `basel_face_renders.pth`: bytes (50, 21, 11, 11, 64, 64).

    The file is opened without running any code that it may hold.

    Raises:
        InputError: no such tensor; its shape and type are named with what is expected.
    """
    path = Path(path)
    try:
        faces = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise InputError(
            "not a readable tensor",
            where=path,
            found=str(error).splitlines()[0],
            remedy="Give the published basel_face_renders.pth.",
        ) from error
    kind = faces.dtype if isinstance(faces, torch.Tensor) else type(faces).__name__
    shape = tuple(getattr(faces, "shape", ()))
    if shape != _SHAPE or kind != torch.uint8:
        raise InputError(
            "not the tensor of 3D Faces",
            where=path,
            expected=f"shape {_SHAPE} of torch.uint8",
            found=f"shape {shape} of {kind}",
        )
    return FactorData(
        name="faces",
        pixels=faces.numpy().reshape(-1, 1, SIZE, SIZE),
        binary=False,
        factors=grid_of(SIZES),
        names=NAMES,
        values=tuple(np.arange(float(n)) for n in SIZES),
        description=f"3D Faces, {path.name}",
    )

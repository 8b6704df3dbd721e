"""The encoder of a model as one file that runs without glitchvae: ONNX, or torch's own program.

TorchScript is not written: torch calls it deprecated in favour of `torch.export`, whose `.pt2`
takes its place and is opened with torch alone. Either file holds the preparation of the images, so
that whoever runs it gives energies or pictures as they are.
"""

from __future__ import annotations

import logging
import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from glitchvae.checkpoint import Checkpoint
from glitchvae.errors import InputError, ModelError, how_to_install
from glitchvae.models import Model, prepare, scale_to_range, takes_views
from glitchvae.shapes import IMAGE_SHAPE
from glitchvae.store import replacing

_OUTPUTS = ("code_mean", "code_log_var")
"""Names that no operation inside bears: "mean" is one of averaging."""


class Encoder(nn.Module):
    """From images as they are to means and log-variances of codes.

    Args:
        model: In evaluation mode.
    """

    def __init__(self, model: Model[Any]) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Means and log-variances (B, Z).

        Args:
            images: Energies of glitches (B, 4, 140, 170), NaN where not computed; or pictures
                (B, C, H, W) in [0, 1].
        """
        if takes_views(self.model):
            x, _ = prepare(images)
        else:
            x = scale_to_range(images, self.model.likelihood)
        posterior = self.model.infer(x, sample=False).posterior
        return posterior.mean, 2.0 * posterior.stddev.log()


def export_encoder(checkpoint: Checkpoint, path: str | Path) -> Path:
    """Write the encoder of a model for programs that do not have glitchvae.

    The file has the input `images`, as `Encoder.forward` takes them, in batches of any size, and
    the outputs `code_mean` and `code_log_var`. ONNX files name the model and the digest of its
    codes in their metadata.

    Args:
        checkpoint: An open model.
        path: Ending in `.onnx`, or in `.pt2` for `torch.export.load(path).module()`.

    Returns:
        The path.

    Raises:
        InputError: another ending; ONNX without the extra `onnx`.
        ModelError: a network that torch cannot trace.
        StorageError: the disk refused the write.
    """
    path = Path(path)
    if path.suffix not in (".onnx", ".pt2"):
        raise InputError("no format to export to", where=path, expected=".onnx or .pt2")
    if path.suffix == ".onnx":
        _require_onnx(path)
    model = checkpoint.model
    shape = (4, *IMAGE_SHAPE) if takes_views(model) else model.settings.image_shape
    device = next(model.parameters()).device
    example = torch.rand(2, *shape, device=device)
    batch = {0: torch.export.Dim("batch", min=1)}
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")  # of torch's own pieces
            encoder = Encoder(model).eval()
            program = torch.export.export(encoder, (example,), dynamic_shapes={"images": batch})
            with replacing(path) as temporary:
                if path.suffix == ".onnx":
                    _write_onnx(program, checkpoint, temporary)
                else:
                    with temporary.open("wb") as stream:
                        torch.export.save(program, stream)
    except (RuntimeError, ValueError) as error:
        raise ModelError(
            "torch cannot export this network",
            where=checkpoint.path,
            found=str(error).strip().partition("\n")[0],
            remedy="A network of your own must not branch on the values of its images.",
        ) from error
    return path


def _write_onnx(program: Any, checkpoint: Checkpoint, path: Path) -> None:
    # What torch tells of its progress and of packages that this network does not need.
    log = logging.getLogger("torch.onnx")
    before = log.level
    log.setLevel(logging.ERROR)
    names: dict[str, Any] = {"input_names": ["images"], "output_names": list(_OUTPUTS)}
    try:
        found: Any = torch.onnx.export(program, (), dynamo=True, verbose=False, **names)
        found.model.metadata_props.update(
            {
                "glitchvae.model": checkpoint.name,
                "glitchvae.code_digest": checkpoint.digest,
                "glitchvae.input": "energies, NaN where not computed, or pictures in [0, 1]",
            }
        )
        found.save(path)
    finally:
        log.setLevel(before)


def _require_onnx(path: Path) -> None:
    from importlib.util import find_spec

    missing = [name for name in ("onnx", "onnxscript") if find_spec(name) is None]
    if missing:
        raise InputError(
            f"ONNX needs {' and '.join(missing)}",
            where=path,
            remedy=f"{how_to_install('onnx')} A file that ends in .pt2 needs torch alone.",
        )

"""Resources of an installation: shipped folders, packaged data, and devices.

A wheel carries `catalog/` and `pipelines/` inside the package as `_shipped/`; a
checkout has them at its top level. `data/` always lives inside the package.
"""

from __future__ import annotations

import ctypes
import sys
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path

from glitchvae.errors import ConfigError, InputError

_PACKAGE = Path(__file__).resolve().parent


def shipped(name: str) -> Path:
    """The folder `catalog` or `pipelines`, packaged or of the checkout.

    Raises:
        InputError: neither is there: the installation is damaged.
    """
    for folder in (_PACKAGE / "_shipped" / name, _PACKAGE.parent / name):
        if folder.is_dir():
            return folder
    raise InputError(
        f"the folder {name!r} is missing from this installation",
        where=_PACKAGE,
        remedy="Install glitchvae again.",
    )


def data(name: str) -> Path:
    """Path of a file or folder of `glitchvae/data` (noise curves, fitted tables, models).

    Raises:
        InputError: no such data in this installation; what is there is listed.
    """
    path = _PACKAGE / "data" / name
    if not path.exists():
        there = sorted(p.name for p in path.parent.glob("*")) if path.parent.is_dir() else []
        raise InputError(f"no packaged data {name!r}", where=_PACKAGE / "data", found=there)
    return path


def choose_device(name: object = "auto") -> str:
    """The torch device that `name` means on this machine.

    Args:
        name: "auto" (a GPU where torch finds one), "cpu", "cuda", "cuda:1", or a torch.device.

    Raises:
        ConfigError: no such device here.
    """
    asked = str(name)
    if asked == "cpu" or (asked == "auto" and not _may_find_gpu()):
        return "cpu"
    import torch

    if asked == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(asked)
    except RuntimeError:
        device = None
    here = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if device is None or not (
        device.type == "cpu" or (device.type == "cuda" and (device.index or 0) < here)
    ):
        raise ConfigError(
            f"the device {asked!r} is not available",
            expected="auto, cpu, or cuda",
            found=_devices_here(here),
        )
    return asked


def _devices_here(gpus: int) -> str:
    """Devices that torch can use here, and the reason where that is no GPU."""
    import torch

    if gpus:
        return ", ".join(["cpu", *(f"cuda:{number}" for number in range(gpus))])
    if torch.version.cuda is None and torch.version.hip is None:
        return f"cpu alone: torch {torch.__version__} is built without CUDA"
    return f"cpu alone: torch {torch.__version__} finds no GPU"


def _may_find_gpu() -> bool:
    """Whether torch may find a GPU, without importing torch.

    A build without CUDA and ROCm finds none, nor does one for CUDA where the driver is missing.
    """
    found = find_spec("torch")
    if "torch" in sys.modules or found is None or found.origin is None:
        return True
    build = spec_from_file_location("torch_version", Path(found.origin).with_name("version.py"))
    if build is None or build.loader is None:
        return True
    version = module_from_spec(build)
    build.loader.exec_module(version)
    if version.hip is not None or sys.platform != "linux":
        return True
    if version.cuda is None:
        return False
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        return False
    return True

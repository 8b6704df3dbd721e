"""A CUDA device that is not there: tensors that say so, and whose numbers are the CPU's.

What a program does wrong on a GPU mostly has nothing to do with the GPU: tensors of two
devices in one operation, an array made of a tensor that is not in main memory, a branch for
CUDA that no test has taken. All of that shows here, on any machine:

- a tensor on `DEVICE` wraps one in main memory and reports `cuda:0`;
- operations on such tensors are done on what they wrap, and raise as CUDA does where another
  tensor is not on the device; scalars and indices may stay behind, as with CUDA;
- `numpy()` and storage are refused;
- `waits` counts what makes the host wait for the device.

What it cannot show: kernels that CUDA lacks, its rounding, memory, speed, captured graphs.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any
from unittest import mock

import torch
from torch.utils._python_dispatch import TorchDispatchMode, return_and_correct_aliasing
from torch.utils._pytree import tree_leaves, tree_map

DEVICE = torch.device("cuda", 0)
_aten = torch.ops.aten
_COPIES = (_aten._to_copy.default, _aten.copy_.default)
_TAKES_INDICES = (
    _aten.index.Tensor,
    _aten.index_put.default,
    _aten.index_put_.default,
    _aten._index_put_impl_.default,
)
_WAITS = (
    _aten._local_scalar_dense.default,
    _aten.equal.default,
    _aten.nonzero.default,
    _aten.unique_dim.default,
    _aten._unique2.default,
    _aten.masked_select.default,
)
_FREE_MEMORY = 2**33
_watchers: list[list[str]] = []


class EmulatedTensor(torch.Tensor):
    """A tensor on `DEVICE`. To torch's C++ code it is a meta tensor, which no kernel reads."""

    __torch_function__ = torch._C._disabled_torch_function_impl

    @staticmethod
    def __new__(cls, held: torch.Tensor):
        return torch.Tensor._make_wrapper_subclass(
            cls,
            held.shape,
            strides=held.stride(),
            storage_offset=held.storage_offset(),
            dtype=held.dtype,
            layout=held.layout,
            device="meta",
        )

    def __init__(self, held: torch.Tensor) -> None:
        self.held = held

    def __repr__(self) -> str:
        return f"EmulatedTensor({self.held})"

    @property
    def device(self) -> torch.device:
        return DEVICE

    @property
    def is_cuda(self) -> bool:
        return True

    @property
    def is_meta(self) -> bool:
        return False

    def tolist(self) -> Any:
        _note("tolist")
        return self.detach().held.tolist()

    def __reduce_ex__(self, protocol: Any) -> Any:
        return self.detach().held.__reduce_ex__(protocol)

    def new_tensor(self, data: Any, *, dtype=None, device=None, requires_grad=False):
        made = torch.tensor(data, dtype=dtype or self.dtype, device=device or DEVICE)
        return made.requires_grad_(requires_grad)

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        return _done(func, args, kwargs or {})


class _Emulation(TorchDispatchMode):
    """Sees what makes a tensor out of none."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        return _done(func, args, kwargs or {})


def _done(func: Any, args: tuple, kwargs: dict[str, Any]) -> Any:
    result = func(*tree_map(_held, args), **tree_map(_held, kwargs))
    if _waits_for_device(func, args, kwargs):
        _note(str(func))
    if not _is_there(func, args, kwargs):
        return result
    normal = torch.is_inference_mode_enabled() and not any(
        x.is_inference() for x in tree_leaves((args, kwargs)) if isinstance(x, torch.Tensor)
    )
    # A view of a tensor that is no inference tensor is none either.
    with torch.inference_mode(False) if normal else nullcontext():
        result = tree_map(_moved, result)
    if torch.is_inference_mode_enabled():
        return _written(func, args, kwargs, result)
    return return_and_correct_aliasing(func, args, kwargs, result)


def _is_there(func: Any, args: tuple, kwargs: dict[str, Any]) -> bool:
    """Whether the result of an operation is on the device."""
    tensors = [x for x in tree_leaves((args, kwargs)) if isinstance(x, torch.Tensor)]
    there = [x for x in tensors if isinstance(x, EmulatedTensor)]
    here = [x for x in tensors if not isinstance(x, EmulatedTensor) and x.dim()]
    if there and here and func not in (*_COPIES, *_TAKES_INDICES):
        raise RuntimeError(f"Expected all tensors to be on the same device, cuda:0 and cpu: {func}")
    if func in _TAKES_INDICES and not isinstance(args[0], EmulatedTensor) and there:
        raise RuntimeError(f"indices should be on the same device as the indexed tensor: {func}")
    if func is _aten.copy_.default:
        return isinstance(args[0], EmulatedTensor)
    device = kwargs.get("device")
    if device is None:
        return bool(there)
    return torch.device(device).type in ("cuda", "meta")


def _waits_for_device(func: Any, args: tuple, kwargs: dict[str, Any]) -> bool:
    """Whether an operation's result, or its size, is known only once the device is done."""
    if func is _aten.copy_.default:
        return isinstance(args[1], EmulatedTensor) and not isinstance(args[0], EmulatedTensor)
    if not args or not isinstance(args[0], EmulatedTensor):
        return False
    if func is _aten._to_copy.default:
        return not _is_there(func, args, kwargs)
    if func in _TAKES_INDICES:
        return any(x is not None and x.dtype == torch.bool for x in args[1])
    return func in _WAITS


def _note(what: str) -> None:
    for watcher in _watchers:
        watcher.append(what)


@contextmanager
def waits() -> Iterator[list[str]]:
    """The operations inside the block that made the host wait for the device, as they come."""
    found: list[str] = []
    _watchers.append(found)
    try:
        yield found
    finally:
        _watchers.remove(found)


def _held(value: Any) -> Any:
    if isinstance(value, EmulatedTensor):
        return value.held
    return torch.device("cpu") if isinstance(value, torch.device) else value


def _moved(value: Any) -> Any:
    return EmulatedTensor(value) if isinstance(value, torch.Tensor) else value


def _written(func: Any, args: tuple, kwargs: dict[str, Any], result: Any) -> Any:
    """The tensor that an operation has written to, else its result."""
    for place, argument in enumerate(func._schema.arguments):
        if argument.alias_info is not None and argument.alias_info.is_write:
            return args[place] if place < len(args) else kwargs[argument.name]
    return result


class _Autocast(torch.autocast):
    """Inside `vmap` a tensor forgets its class, and with it what device it reports."""

    def __init__(self, device_type: str, *args: Any, **kwargs: Any) -> None:
        super().__init__("cpu" if device_type == "meta" else device_type, *args, **kwargs)


@contextmanager
def emulated_cuda() -> Iterator[torch.device]:
    """A CUDA device inside the block."""
    generator = torch.default_generator
    calls = {
        "_lazy_init": lambda: None,
        "is_available": lambda: True,
        "current_device": lambda: 0,
        "default_generators": (generator,),
        "get_rng_state": lambda device=None: generator.get_state(),
        "set_rng_state": lambda state, device=None: generator.set_state(state),
        "mem_get_info": lambda device=None: (_FREE_MEMORY, _FREE_MEMORY),
        "empty_cache": lambda: None,
        "synchronize": lambda device=None: None,
        "is_current_stream_capturing": lambda: False,
    }
    lifted = torch._C._only_lift_cpu_tensors()
    torch._C._set_only_lift_cpu_tensors(True)  # `torch.tensor` asks for the device last
    try:
        with (
            mock.patch.multiple(torch.cuda, **calls),
            mock.patch.object(torch, "autocast", _Autocast),
            _Emulation(),
        ):
            yield DEVICE
    finally:
        torch._C._set_only_lift_cpu_tensors(lifted)

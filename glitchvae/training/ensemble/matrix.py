"""Convolutions as matrix products of unfolded images.

`vmap` over members turns a convolution into one with groups, which libraries are slow at;
it turns a matrix product into a batched one, which they are fast at. The price is memory:
an image unfolded for a 4x4 window of stride 2 is four times its size.
"""

from __future__ import annotations

import copy
from typing import Any

from torch import Tensor, nn
from torch.nn.functional import fold, unfold


class MatrixConv2d(nn.Conv2d):
    """A convolution by unfolding and matrix product, with the same weights and result."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - the name that torch gives it
        """(B, C, H, W) to (B, outputs, H', W')."""
        pairs = zip(input.shape[-2:], *_geometry(self), strict=True)
        size = [(n + 2 * pad - gap * (k - 1) - 1) // step + 1 for n, k, gap, pad, step in pairs]
        columns = unfold(input, *_geometry(self)).transpose(1, 2)
        products = columns @ self.weight.flatten(1).T
        if self.bias is not None:
            products = products + self.bias
        return products.transpose(1, 2).unflatten(2, size).contiguous()


class MatrixConvTranspose2d(nn.ConvTranspose2d):
    """A transposed convolution by matrix product and folding, with the same weights and result."""

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:  # noqa: A002
        """(B, C, H, W) to (B, outputs, H', W')."""
        pairs = zip(input.shape[-2:], *_geometry(self), self.output_padding, strict=True)
        size = tuple(
            (n - 1) * step - 2 * pad + gap * (k - 1) + extra + 1
            for n, k, gap, pad, step, extra in pairs
        )
        products = input.flatten(2).transpose(1, 2) @ self.weight.flatten(1)
        image = fold(products.transpose(1, 2), size, *_geometry(self))
        return image if self.bias is None else image + self.bias[:, None, None]


_FORMS: dict[type[nn.Module], type[nn.Module]] = {
    nn.Conv2d: MatrixConv2d,
    nn.ConvTranspose2d: MatrixConvTranspose2d,
}


def with_matrix_products(model: nn.Module) -> nn.Module:
    """Copy a model with convolutions replaced by matrix products.

    Raises:
        ValueError: a convolution in groups, or padded by anything but zeros.
    """
    return _converted(copy.deepcopy(model))


def _converted(module: nn.Module) -> nn.Module:
    for name, child in module.named_children():
        setattr(module, name, _converted(child))
    form = _FORMS.get(type(module))
    return module if form is None else _in_form(module, form)


def _in_form(layer: Any, form: type[Any]) -> nn.Module:
    if layer.groups != 1 or layer.padding_mode != "zeros" or isinstance(layer.padding, str):
        raise ValueError(f"{layer} cannot be written as a matrix product")
    settings: dict[str, Any] = {
        key: getattr(layer, key) for key in ("kernel_size", "stride", "padding", "dilation")
    }
    if form is MatrixConvTranspose2d:
        settings["output_padding"] = layer.output_padding
    new = form(
        layer.in_channels,
        layer.out_channels,
        bias=layer.bias is not None,
        device="meta",
        **settings,
    )
    new.weight, new.bias = layer.weight, layer.bias
    return new


def _geometry(layer: Any) -> tuple[Any, Any, Any, Any]:
    """Kernel, dilation, padding and stride, in the order of `unfold` and `fold`."""
    return layer.kernel_size, layer.dilation, layer.padding, layer.stride

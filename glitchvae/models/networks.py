"""Encoders and decoders of the literature, for pictures of any size.

All were published for 64x64 pixels. Other sizes keep the same stages: each halves an
image, rounding down, and the decoder mirrors the encoder size by size, without cropping.
Weights start as torch initialises them unless a network's description says otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Literal, NamedTuple

from pydantic import PositiveInt
from torch import nn

Shape = tuple[PositiveInt, PositiveInt, PositiveInt]
"""Channels, rows and columns of an image."""

NetworkName = Literal["burgess", "reference", "chen-mlp", "chen-conv"]


class Network(NamedTuple):
    """An encoder and a decoder, and their settings.

    Attributes:
        encoder: From the shape of an image and a number of outputs to a module that makes
            (B, outputs) of images (B, C, H, W).
        decoder: From the shape of an image and a number of inputs to a module that makes
            parameters of pixels (B, C, H, W) of latents (B, inputs).
        smallest: Fewest rows or columns of an image.
    """

    encoder: Callable[[Shape, int], nn.Sequential]
    decoder: Callable[[Shape, int], nn.Sequential]
    smallest: int = 16

    def check(self, shape: Shape) -> None:
        """Refuse an image that is too small for the network.

        Raises:
            ValueError: fewer than `smallest` rows or columns.
        """
        if min(shape[1:]) < self.smallest:
            least = f"{self.smallest} x {self.smallest}"
            raise ValueError(
                f"this network needs images (channels, rows, columns) of at least {least} pixels,"
                f" not {shape}"
            )


def burgess_encoder(shape: Shape, outputs: int) -> nn.Sequential:
    """Four 4x4 convolutions of stride 2 and 32 channels, then 256 and 256 units, all ReLU.

    Burgess et al. 2018, "Understanding disentangling in beta-VAE", appendix A.1, where the
    head gives log standard deviations, here log-variances. The paper does not say how
    weights start; here as those of the reference study: started as torch does, a training
    may sit at the mean image for hundreds of steps.
    """
    flat = 32 * _area(_halvings(shape, 4)[-1])
    return nn.Sequential(
        *_convolutions((shape[0], 32, 32, 32, 32), (4, 4, 4, 4)),
        nn.Flatten(),
        *_dense((flat, 256, 256), nn.ReLU),
        nn.Linear(256, outputs),
    ).apply(_start_as_tensorflow)


def burgess_decoder(shape: Shape, inputs: int) -> nn.Sequential:
    """The mirror image of `burgess_encoder`."""
    sizes = _halvings(shape, 4)
    start = (32, *sizes[-1])
    return nn.Sequential(
        *_dense((inputs, 256, 256, 32 * _area(sizes[-1])), nn.ReLU),
        nn.Unflatten(1, start),
        *_transposed((32, 32, 32, 32, shape[0]), sizes),
    ).apply(_start_as_tensorflow)


def reference_encoder(shape: Shape, outputs: int) -> nn.Sequential:
    """4x4 convolutions of 32 and 32 channels, 2x2 of 64 and 64, then 256 units, all ReLU.

    Locatello et al. 2019, "Challenging common assumptions in the unsupervised learning of
    disentangled representations", Table 1, and the authors' disentanglement_lib
    (`conv_encoder`). Weights start Glorot-uniform and biases zero, as TensorFlow's layers
    do; means and log-variances are two layers there, so each half starts as a layer.
    """
    flat = 64 * _area(_halvings(shape, 4)[-1])
    head = nn.Linear(256, outputs)
    network = nn.Sequential(
        *_convolutions((shape[0], 32, 32, 64, 64), (4, 4, 2, 2)),
        nn.Flatten(),
        *_dense((flat, 256), nn.ReLU),
        head,
    ).apply(_start_as_tensorflow)
    for half in head.weight.chunk(2):
        nn.init.xavier_uniform_(half)
    return network


def reference_decoder(shape: Shape, inputs: int) -> nn.Sequential:
    """256 units, the last image of the encoder, then transposed 4x4 convolutions, all ReLU.

    Locatello et al. 2019, Table 1; `deconv_decoder` in disentanglement_lib. Its kernels are
    4x4 throughout: it is no mirror image of the encoder.
    """
    sizes = _halvings(shape, 4)
    start = (64, *sizes[-1])
    return nn.Sequential(
        *_dense((inputs, 256, 64 * _area(sizes[-1])), nn.ReLU),
        nn.Unflatten(1, start),
        *_transposed((64, 64, 32, 32, shape[0]), sizes),
    ).apply(_start_as_tensorflow)


def chen_mlp_encoder(shape: Shape, outputs: int) -> nn.Sequential:
    """Two layers of 1200 ReLU units.

    Chen et al. 2018, "Isolating sources of disentanglement in VAEs", for dSprites; the
    authors' beta-tcvae (`MLPEncoder`), without its convolution that nothing uses.
    """
    pixels = shape[0] * _area(shape[1:])
    dense = _dense((pixels, 1200, 1200), nn.ReLU)
    return nn.Sequential(nn.Flatten(), *dense, nn.Linear(1200, outputs))


def chen_mlp_decoder(shape: Shape, inputs: int) -> nn.Sequential:
    """Three layers of 1200 tanh units: Chen et al. 2018, as `chen_mlp_encoder`."""
    pixels = shape[0] * _area(shape[1:])
    return nn.Sequential(
        *_dense((inputs, 1200, 1200, 1200), nn.Tanh),
        nn.Linear(1200, pixels),
        nn.Unflatten(1, shape),
    )


def chen_conv_encoder(shape: Shape, outputs: int) -> nn.Sequential:
    """4x4 convolutions of 32, 32, 64 and 64 channels, 512 units; BatchNorm and ReLU.

    Chen et al. 2018, for faces and chairs; the authors' beta-tcvae (`ConvEncoder`). The
    convolutions have no biases here: BatchNorm subtracts them again.
    """
    stages: list[nn.Module] = []
    for before, after in pairwise((shape[0], 32, 32, 64, 64)):
        stages += _normalised(nn.Conv2d(before, after, 4, stride=2, padding=1, bias=False))
    whole_image = nn.Conv2d(64, 512, _halvings(shape, 4)[-1], bias=False)
    head = nn.Linear(512, outputs)
    return nn.Sequential(*stages, *_normalised(whole_image), nn.Flatten(), head)


def chen_conv_decoder(shape: Shape, inputs: int) -> nn.Sequential:
    """The mirror image of `chen_conv_encoder`, with BatchNorm on all but the last layer."""
    sizes = _halvings(shape, 4)
    *inner, last = _odd(sizes)
    stages: list[nn.Module] = [nn.Unflatten(1, (inputs, 1, 1))]
    stages += _normalised(nn.ConvTranspose2d(inputs, 512, 1, bias=False))
    stages += _normalised(nn.ConvTranspose2d(512, 64, sizes[-1], bias=False))
    for (before, after), odd in zip(pairwise((64, 64, 32, 32)), inner, strict=True):
        stages += _normalised(_growing(before, after, odd, bias=False))
    return nn.Sequential(*stages, _growing(32, shape[0], last))


NETWORKS: dict[str, Network] = {
    "burgess": Network(burgess_encoder, burgess_decoder),
    "reference": Network(reference_encoder, reference_decoder),
    "chen-mlp": Network(chen_mlp_encoder, chen_mlp_decoder, smallest=1),
    "chen-conv": Network(chen_conv_encoder, chen_conv_decoder),
}


def _convolutions(widths: Sequence[int], kernels: Sequence[int]) -> list[nn.Module]:
    """Convolutions that each halve the image, with ReLU."""
    layers: list[nn.Module] = []
    for (before, after), kernel in zip(pairwise(widths), kernels, strict=True):
        padding = kernel // 2 - 1
        layers += [nn.Conv2d(before, after, kernel, stride=2, padding=padding), nn.ReLU()]
    return layers


def _transposed(widths: Sequence[int], sizes: Sequence[tuple[int, int]]) -> list[nn.Module]:
    """Transposed convolutions from the smallest size to the largest, ReLU between them."""
    layers: list[nn.Module] = []
    for (before, after), odd in zip(pairwise(widths), _odd(sizes), strict=True):
        layers += [_growing(before, after, odd), nn.ReLU()]
    return layers[:-1]


def _growing(
    before: int, after: int, odd: tuple[int, int], *, bias: bool = True
) -> nn.ConvTranspose2d:
    """A transposed 4x4 convolution that doubles the image and adds `odd` rows and columns."""
    return nn.ConvTranspose2d(before, after, 4, stride=2, padding=1, output_padding=odd, bias=bias)


def _normalised(layer: nn.Conv2d | nn.ConvTranspose2d) -> list[nn.Module]:
    return [layer, nn.BatchNorm2d(layer.out_channels), nn.ReLU()]


def _dense(widths: Sequence[int], activation: Callable[[], nn.Module]) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for before, after in pairwise(widths):
        layers += [nn.Linear(before, after), activation()]
    return layers


def _halvings(shape: Shape, stages: int) -> list[tuple[int, int]]:
    """(rows, columns) before the first stage and after each; a stage rounds down."""
    return [(shape[1] >> stage, shape[2] >> stage) for stage in range(stages + 1)]


def _odd(sizes: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Rows and columns lost by rounding down at each stage, smallest size first."""
    steps = pairwise(reversed(sizes))
    return [(large[0] - 2 * small[0], large[1] - 2 * small[1]) for small, large in steps]


def _area(size: tuple[int, int]) -> int:
    return size[0] * size[1]


def _start_as_tensorflow(layer: nn.Module) -> None:
    """Glorot-uniform weights and zero biases (Glorot & Bengio 2010)."""
    if isinstance(layer, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
        nn.init.xavier_uniform_(layer.weight)
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)

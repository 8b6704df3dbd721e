"""The user's own networks behind the interface of every model.

A **VAE** is a torch module with two methods:

    encode(x)  -> means (B, Z) and log-variances (B, Z), or a torch Normal of that shape
    decode(z)  -> means of the pixels in [0, 1] (B, C, H, W), or a torch Distribution of them

A module with an attribute `arguments`, a dict of what its constructor takes, can be built again
from a checkpoint alone; without it the constructor has to do without arguments.

`x` are pictures (B, C, H, W) in [0, 1], float32. Of glitches it is what `prepare` makes: four
views and, as a fifth channel, where they were computed; `decode` then gives the four views.
Means of pixels are read as probabilities of a Bernoulli likelihood; another likelihood is the
distribution that `decode` returns.

An **encoder** alone is a module or any callable from `x` to codes (B, Z), to means and
log-variances, or to a Normal. A code without a spread is read as a normal of width one, so that
the divergence of two codes is half of their squared distance.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.distributions import Bernoulli, Distribution, Independent, Normal

from glitchvae.config import Settings, parse
from glitchvae.errors import ConfigError, ModelError
from glitchvae.models.latents import Latents, draw, standard_normal
from glitchvae.models.likelihood import UNIT, Likelihood, at_least_float32
from glitchvae.models.model import Model
from glitchvae.models.networks import Shape
from glitchvae.models.preparation import reduce
from glitchvae.plugins import find, path_of
from glitchvae.shapes import IMAGE_SHAPE, VIEWS

ENCODES = "codes (B, Z), means and log-variances (B, Z), or a torch Normal of them"
DECODES = "means of pixels in [0, 1], or a torch Distribution of them"

_FAILURES = (RuntimeError, ValueError, TypeError, IndexError, AttributeError, KeyError)
"""Exceptions that a network may raise for images it is not made for."""

_ROUNDING = 1e-4
"""Largest relative difference between codes of equal images, due to the order of sums."""


class UserVAESettings(Settings):
    """Settings of the user's own VAE on a card: its class, and the arguments of its constructor.

    Attributes:
        network: `module:Class` of the torch module.
        arguments: What its constructor takes; None where nobody said.
        image_shape: Channels, rows and columns of what it decodes.
        latent_size: Latent variables.
        takes_views: Whether its input is glitches as `prepare` makes them.
        data_range: Lowest and highest value of its images.

    Example:
        >>> settings = {"network": "my_module:Net", "image_shape": (1, 16, 16), "latent_size": 4}
        >>> UserVAESettings.model_validate(settings).data_range
        (0.0, 1.0)
    """

    network: str
    arguments: dict[str, Any] | None = None
    image_shape: Shape
    latent_size: int = Field(ge=1)
    takes_views: bool = False
    data_range: tuple[float, float] = UNIT


class UserLikelihood(Likelihood):
    """Distribution made from the output of the user's `decode`."""

    def __init__(self, data_range: tuple[float, float] = UNIT) -> None:
        super().__init__()
        self.data_range = data_range

    def forward(self, outputs: Any) -> Distribution:
        """Bernoulli for an array of pixel means; distributions are returned unchanged."""
        if isinstance(outputs, Distribution):
            return _without_events(outputs)
        return Bernoulli(probs=at_least_float32(outputs), validate_args=False)


class UserVAE(Model[UserVAESettings]):
    """A module with `encode` and `decode` behind the interface of our models.

    Objectives, training, metrics and attacks take it as any other. A checkpoint holds its weights
    and names its class, which is built again where its module has been imported (`plugins`); else
    the weights come back into a module that is given (`load_checkpoint(folder, network=...)`). Code
    never comes from a checkpoint.

    Example:
        >>> class Net(torch.nn.Module):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.up, self.down = torch.nn.Linear(256, 8), torch.nn.Linear(4, 256)
        ...
        ...     def encode(self, x):
        ...         return self.up(x.flatten(1)).chunk(2, dim=1)
        ...
        ...     def decode(self, z):
        ...         return self.down(z).sigmoid().unflatten(1, (1, 16, 16))
        >>> model = wrap_vae(Net(), torch.rand(2, 1, 16, 16))
        >>> type(model).__name__, model.layers
        ('UserVAE', (4,))
    """

    def __init__(self, network: Any, settings: UserVAESettings) -> None:
        super().__init__()
        self.network, self.settings = network, settings
        self.likelihood = UserLikelihood(settings.data_range)

    @property
    def layers(self) -> tuple[int, ...]:
        """Sizes of the latent layers; here one layer."""
        return (self.settings.latent_size,)

    def infer(self, x: Tensor, *, sample: bool = True) -> Latents:
        """Posterior, prior and a draw (or the mean) of the latents of `x`.

        Glitches larger than the network's images are reduced, as by networks of ours.
        """
        if self.settings.takes_views:
            x = reduce(x, self.settings.image_shape[1:])
        posterior, _ = posterior_of(self.network.encode(x.contiguous()))
        z = draw(posterior) if sample else posterior.mean
        return Latents((posterior,), (standard_normal(posterior),), (z,))

    def decode(self, z: Tensor) -> Distribution:
        """Distribution of the images (B, C, H, W) given latents (B, Z)."""
        return self.likelihood(self.network.decode(z))


class UserEncoder:
    """An encoder without a decoder behind the interface for latent attacks and codes.

    Attributes:
        likelihood: Of no images: it holds the range of the data alone.
        layers: Size of the code.
        spread: Whether the encoder says how sure it is of a code.

    Example:
        >>> encoder = wrap_encoder(lambda x: x.flatten(1)[:, :3], torch.rand(2, 1, 8, 8))
        >>> encoder.layers, encoder.encode(torch.rand(5, 1, 8, 8)).mean.shape
        ((3,), torch.Size([5, 3]))
    """

    def __init__(
        self,
        encoder: Callable[[Tensor], Any],
        latent_size: int,
        *,
        spread: bool,
        data_range: tuple[float, float] = UNIT,
    ) -> None:
        self.encoder, self.layers, self.spread = encoder, (latent_size,), spread
        self.likelihood = UserLikelihood(data_range)

    def infer(self, x: Tensor, *, sample: bool = False) -> Latents:
        """Posterior, prior and the mean (or a draw) of the code of `x`."""
        posterior, _ = posterior_of(self.encoder(x.contiguous()))
        z = draw(posterior) if sample else posterior.mean
        return Latents((posterior,), (standard_normal(posterior),), (z,))

    def encode(self, x: Tensor) -> Normal:
        """The code of each image."""
        return self.infer(x).posterior


def posterior_of(output: Any) -> tuple[Normal, bool]:
    """Convert the output of an encoder to normals (B, Z), and tell whether it gives a width.

    Raises:
        ModelError: it is no code.
    """
    if isinstance(output, Distribution):
        found = _without_events(output)
        if not isinstance(found, Normal):
            raise _no_code(f"a distribution {type(output).__name__}")
        parts = (found.mean, found.stddev)
    elif isinstance(output, tuple | list):
        if len(output) != 2:
            raise _no_code(f"{len(output)} values")
        parts = tuple(map(_as_tensor, output))
    else:
        parts = (_as_tensor(output),)
    mean = parts[0]
    if any(part.ndim != 2 or part.shape != mean.shape for part in parts) or not mean.shape[1]:
        raise _no_code(f"shape {' and '.join(str(tuple(part.shape)) for part in parts)}")
    if not all(part.is_floating_point() for part in parts):
        raise _no_code(f"{' and '.join(str(part.dtype) for part in parts)}")
    parts = tuple(map(at_least_float32, parts))
    if isinstance(output, Distribution):
        return Normal(*parts, validate_args=False), True
    if len(parts) == 1:
        return Normal(parts[0], torch.ones_like(parts[0]), validate_args=False), False
    return Normal(parts[0], (0.5 * parts[1]).exp(), validate_args=False), True


def wrap_vae(network: object, x: Tensor, *, data_range: tuple[float, float] = UNIT) -> UserVAE:
    """Wrap the user's VAE as a model after a test on some images.

    Args:
        network: A module with `encode` and `decode`.
        x: Some inputs (B, C, H, W).
        data_range: Lowest and highest value of the images.

    Raises:
        ModelError: it is no module, lacks a method, or one returns something else.
    """
    if isinstance(network, type) or not isinstance(network, nn.Module):
        raise _not_usable("not a network", network, "a torch module with encode(x) and decode(z)")
    missing = [name for name in ("encode", "decode") if not has_method(network, name)]
    if missing:
        raise ModelError(
            f"the network has no method {' and no method '.join(missing)}",
            where=name_of(network),
            expected="encode(x) and decode(z)",
            remedy="encode gives means and log-variances, decode means of pixels in [0, 1].",
        )
    with evaluating(network), torch.no_grad():
        posterior, spread = posterior_of(_asked(network, "encode", x))
        _check_codes(posterior.mean, x)
        if not spread:
            raise ModelError(
                "encode gives codes without log-variances",
                where=name_of(network),
                expected="means and log-variances (B, Z), or a torch Normal of them",
            )
        shape = _shape_of(_asked(network, "decode", posterior.mean), x, data_range, network)
    settings = UserVAESettings(
        network=name_of(network),
        arguments=_arguments_of(network),
        image_shape=shape,
        latent_size=posterior.mean.shape[1],
        takes_views=shape[0] < x.shape[1],
        data_range=data_range,
    )
    return UserVAE(network, settings)


def wrap_encoder(
    encoder: object, x: Tensor, *, data_range: tuple[float, float] = UNIT
) -> UserEncoder:
    """Wrap any encoder as the encoder of a model.

    Args:
        encoder: A module or another object with `encode`; else a callable.
        x: Some inputs (B, C, H, W).
        data_range: Lowest and highest value of the images.

    Raises:
        ModelError: it cannot be called, what it returns is no code, or the next time it
            returns another.
    """
    encode: Any = getattr(encoder, "encode", encoder)
    if isinstance(encoder, type | str) or not callable(encode):
        expected = "a model, a torch module, or a function from images to codes"
        raise _not_usable("nothing that encodes", encoder, expected)
    with evaluating(encoder), torch.no_grad():
        posterior, spread = posterior_of(_called(encode, x))
        _check_codes(posterior.mean, x)
        again = posterior_of(_called(encode, x))[0].mean
    if not torch.allclose(posterior.mean, again, rtol=_ROUNDING, atol=_ROUNDING):
        raise ModelError(
            "the encoder gives another code for the same images",
            remedy="Return the mean, not a draw, and switch dropout off.",
        )
    return UserEncoder(encode, posterior.mean.shape[1], spread=spread, data_range=data_range)


def has_method(network: object, name: str) -> bool:
    """Whether an object has a method of this name."""
    return callable(getattr(network, name, None))


def name_of(network: nn.Module) -> str:
    """Module and name of the class."""
    return path_of(type(network))


def build_user(settings: UserVAESettings) -> UserVAE:
    """Build the network that a card or a file describes, with fresh weights.

    Raises:
        ModelError: its class is not there, cannot be built, or is no such VAE.
    """
    channels, rows, columns = settings.image_shape
    example = torch.zeros(2, channels + settings.takes_views, rows, columns)
    model = wrap_vae(_instance(settings), example, data_range=settings.data_range)
    if model.layers != (settings.latent_size,) or model.settings.image_shape != (
        channels,
        rows,
        columns,
    ):
        raise ModelError(
            "a network of another size",
            where=settings.network,
            expected=f"{settings.latent_size} latent variables of {settings.image_shape}",
            found=f"{model.layers[0]} of {model.settings.image_shape}",
            remedy="Give the module the attribute arguments, or open its weights in Python: "
            "glitchvae.load_model(folder, network=…).",
        )
    model.settings = settings
    return model


def complete_user(values: dict[str, Any], *, where: object = None) -> UserVAESettings:
    """Complete the settings of a network of which a file names only the class.

    Args:
        values: `network`, and perhaps `arguments`, `image_shape` (the four views of a glitch
            unless given), `takes_views` and `data_range`.
        where: The file, for errors.

    Raises:
        ConfigError: an unknown key or bad value.
        ModelError: as `build_user`.
    """
    shape = values.get("image_shape", (len(VIEWS), *IMAGE_SHAPE))
    views = values.get("takes_views", tuple(shape) == (len(VIEWS), *IMAGE_SHAPE))
    known = {"image_shape": shape, "takes_views": views, "latent_size": 1, **values}
    settings = parse(UserVAESettings, known, where=where)
    if "latent_size" in values:
        return settings
    channels, rows, columns = settings.image_shape
    example = torch.zeros(2, channels + settings.takes_views, rows, columns)
    found = wrap_vae(_instance(settings), example, data_range=settings.data_range)
    return settings.model_copy(update={"latent_size": found.layers[0]})


def _instance(settings: UserVAESettings) -> nn.Module:
    """Make an instance of the class that settings name."""
    path = settings.network
    try:
        kind = find("models", path)
    except ConfigError as error:
        raise ModelError(
            f"a network of the user's own: {error.problem}",
            expected=error.expected,
            found=error.found,
            remedy=f"{error.remedy or ''} Or open its weights in Python: "
            "glitchvae.load_model(folder, network=…).".strip(),
        ) from error
    if not (isinstance(kind, type) and issubclass(kind, nn.Module)):
        raise ModelError(
            "no network of the user's own",
            where=path,
            expected="a class derived from torch.nn.Module",
            found=type(kind).__name__,
        )
    try:
        return kind(**(settings.arguments or {}))
    except _FAILURES as error:
        raise ModelError(
            "a network of the user's own that cannot be built",
            where=path,
            expected="a constructor that takes the arguments of [model]",
            found=f"{settings.arguments or 'no arguments'}: {type(error).__name__}: {error}",
            remedy="Give the module the attribute arguments, or open its weights in Python: "
            "glitchvae.load_model(folder, network=…).",
        ) from error


def _arguments_of(network: nn.Module) -> dict[str, Any] | None:
    """Constructor arguments stated by the module, if a card can hold them."""
    arguments = getattr(network, "arguments", None)
    if not isinstance(arguments, dict):
        return None
    try:
        return json.loads(json.dumps(arguments))
    except (TypeError, ValueError) as error:
        raise ModelError(
            "arguments of a network that cannot be written down",
            where=name_of(network),
            expected="numbers, text, lists",
            found=error,
        ) from error


@contextmanager
def evaluating(network: object) -> Iterator[None]:
    """Put a module in evaluation mode for the block; all parts are restored afterwards."""
    if not isinstance(network, nn.Module):
        yield
        return
    before = {part: part.training for part in network.modules()}
    network.eval()
    try:
        yield
    finally:
        for part, training in before.items():
            part.training = training


def _shape_of(
    decoded: Any, x: Tensor, data_range: tuple[float, float], network: nn.Module
) -> Shape:
    """Channels, rows and columns of the images that a network decodes."""
    mean = decoded.mean if isinstance(decoded, Distribution) else decoded
    found = tuple(mean.shape) if isinstance(mean, Tensor) else type(decoded).__name__
    wanted = [(len(x), channels, *x.shape[2:]) for channels in (x.shape[1], x.shape[1] - 1)]
    if found not in wanted:
        raise ModelError(
            "decode gives something else than the images",
            where=name_of(network),
            expected=f"{DECODES}, of shape {wanted[0]}",
            found=found,
        )
    if not isinstance(decoded, Distribution):
        low, high = mean.amin().item(), mean.amax().item()
        if data_range != UNIT or not (low >= 0 and high <= 1):  # NaN fails both
            raise ModelError(
                "decode gives no means of pixels in [0, 1]",
                where=name_of(network),
                expected=DECODES,
                found=f"{low:g} to {high:g}",
                remedy="End it with a sigmoid, or return a distribution.",
            )
    return found[1], found[2], found[3]


def _asked(network: nn.Module, method: str, x: Tensor) -> Any:
    """Call a method of the user's network, with errors that name it."""
    return _called(getattr(network, method), x)


def _called(function: Callable[[Tensor], Any], x: Tensor) -> Any:
    try:
        return function(x)
    except _FAILURES as error:
        raise ModelError(
            f"the network fails on a batch of shape {tuple(x.shape)}",
            where=getattr(function, "__qualname__", type(function).__name__),
            found=f"{type(error).__name__}: {error}",
        ) from error


def _check_codes(mean: Tensor, x: Tensor) -> None:
    if len(mean) != len(x):
        raise _no_code(f"{len(mean)} of {len(x)} images")
    if not mean.isfinite().all():
        raise _no_code("NaN or infinity")


def _not_usable(problem: str, found: object, expected: str) -> ModelError:
    """The error for a class in place of an instance, or for an object of another kind."""
    if isinstance(found, type):
        name = found.__name__
        return ModelError(
            problem,
            expected=expected,
            found=f"the class {name}",
            remedy=f"Give an instance, {name}(…).",
        )
    return ModelError(problem, expected=expected, found=type(found).__name__)


def _as_tensor(value: Any) -> Tensor:
    try:
        return torch.as_tensor(value)
    except (TypeError, ValueError, RuntimeError) as error:
        raise _no_code(type(value).__name__) from error


def _no_code(found: str) -> ModelError:
    return ModelError("what the encoder returns is no code", expected=ENCODES, found=found)


def _without_events(distribution: Distribution) -> Distribution:
    """The base distribution of `Independent`: sums over latents and pixels are ours."""
    while isinstance(distribution, Independent):
        distribution = distribution.base_dist
    return distribution

"""Training of a VAE in one call."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from pydantic_core import PydanticSerializationError
from torch import nn

from glitchvae.api.arrays import as_path
from glitchvae.api.datasets import PREPARED_SHAPE, Dataset, as_dataset
from glitchvae.api.models import Model
from glitchvae.checkpoint import load_checkpoint
from glitchvae.config import Settings, nearest, parse
from glitchvae.errors import ConfigError, InputError
from glitchvae.models import (
    ARCHITECTURES,
    USER,
    UserVAE,
    UserVAESettings,
    architecture_of,
    wrap_vae,
)
from glitchvae.models import Model as Network
from glitchvae.models.networks import NETWORKS
from glitchvae.objectives import OBJECTIVES, Objective, find_objective
from glitchvae.progress import progress_of
from glitchvae.resources import choose_device
from glitchvae.training import (
    TrainingConfig,
    TrainingImages,
    changed_config,
    launched_ranks,
    read_training_data,
    resident_limit,
)
from glitchvae.training import train as train_into


def train(
    data: Any,
    objective: str | Objective = "annealed",
    steps: int | None = None,
    *,
    model: str | Settings | Mapping[str, Any] | nn.Module | None = None,
    output: str | Path | None = None,
    resume: bool = False,
    seed: int = 0,
    device: str = "auto",
    progress: bool = False,
    **settings: Any,
) -> Model:
    """Train a VAE, as `glitchvae train` does.

    Args:
        data: A `Dataset`; an array of pictures (N, C, H, W) or (N, H, W), bool, uint8 or floats
            in [0, 1]; energies of glitches (N, 4, 140, 170); or the path of a set of glitches, or
            several, which may be larger than the memory. Images of the splits "train" and ""
            are trained on; labels, where there are some, give the model classes.
        objective: A name ("annealed", "beta", "bottleneck", "factor", "tc", "dip-i", "dip-ii",
            "dlgm", "tc-dlgm", "seatbelt", "consistent", "labelled", and all others of the page on
            objectives), or an `Objective`, one of your own too.
        steps: Updates in all; 8,000 unless given.
        model: Of pictures "burgess" (the default), "reference", "chen-mlp" or "chen-conv"; a
            table as of `[model]` in a configuration file, or settings of
            `glitchvae.models`; or a torch module of your own with `encode(x) -> (means,
            log-variances)` and `decode(z) -> means of pixels in [0, 1]`
            (`glitchvae.models.user`), which stays as it is: a copy is trained. By name a class of
            yours is {"architecture": "module:Class", "arguments": {…}}.
        output: Folder of the run, which is then a model for `load_model` and `--model`; unless
            given it goes with the model that is returned.
        resume: Go on with the run in `output`.
        seed: Of weights, data order and samples.
        device: "auto" (a GPU where torch finds one), "cpu" or "cuda".
        progress: Show progress on stderr.
        settings: Further keys of a training (`batch_size`, `learning_rate`, …), of an objective
            that is given by name (`beta0`, `iteration_threshold`, …), or of a network of ours
            (`latent_size`, `likelihood`, …).

    Raises:
        InputError: bad images; `output` holds a run already, or none to resume.
        ConfigError: an unknown objective, network or key, with the nearest name; a bad value.
        ModelError: images, network and objective do not fit together; the loss is not finite.

    Example:
        >>> import numpy as np
        >>> import glitchvae as gv
        >>> squares = np.zeros((64, 16, 16))
        >>> squares[:32, 4:8, 4:8] = 1
        >>> model = gv.train(squares, "beta", steps=3, latent_size=2, device="cpu")
        >>> model.encode(squares).shape
        (64, 2)
    """
    asked = _Asked(objective, model, {"steps": steps, "seed": seed, **settings})
    place, paths = choose_device(device), _paths(data)
    dataset = as_dataset(data) if paths is None else None
    config, start = asked.plan(dataset)
    if output is None and (resume or launched_ranks().count > 1):
        raise InputError(
            "the folder of the run is not given",
            where="train",
            expected="output=…",
            found="resume" if resume else "processes that share a run",
        )
    temporary = Path(tempfile.mkdtemp(prefix="glitchvae-")) if output is None else None
    run = temporary / asked.name if temporary else as_path(output, "output")
    try:
        images = _images(dataset, paths, config, place, run)
        with progress_of("training", config.steps, "steps", shown=progress) as report:
            train_into(
                images, config, run, resume=resume, device=place, progress=report, network=start
            )
        own = start.network if isinstance(start, UserVAE) else None
        return Model(load_checkpoint(run, place, network=own), temporary=temporary)
    except BaseException:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)
        raise


@dataclass(frozen=True)
class _Asked:
    """Arguments of a call of `train`, to be converted to the settings of a run."""

    objective: object
    network: object
    settings: dict[str, Any]

    @property
    def name(self) -> str:
        """Name of a model that is written to no named folder."""
        return self.objective if isinstance(self.objective, str) else type(self.objective).__name__

    def plan(self, data: Dataset | None) -> tuple[TrainingConfig, Network[Any] | None]:
        """Settings of a training on these images, and a model to start from."""
        kind = _kind_of_objective(self.objective)
        model, table = self._network(data)
        given = {key: value for key, value in self.settings.items() if value is not None}
        fields = {
            "run": _OF_THE_RUN,
            "objective": set(kind.model_fields) - {"name"} if kind else set(),
            "model": set() if model or isinstance(self.network, Settings) else _fields(table),
        }
        known = sorted(set().union(*fields.values()))
        if unknown := [key for key in given if key not in known]:
            hint = nearest(unknown[0], known)
            raise ConfigError(f"unknown setting {unknown[0]!r}{hint}", where="train")
        run, own, size = ({k: given[k] for k in given if k in keys} for keys in fields.values())
        values: dict[str, Any] = {"model": {**table, **size}}
        if kind is None:
            return parse(TrainingConfig, {**values, **run, "objective": self.objective}), model
        return changed_config({**values, "objective": {"name": self.objective, **own}}, run), model

    def _network(self, data: Dataset | None) -> tuple[Network[Any] | None, dict[str, Any]]:
        """The model to start from, if one is given, and the table `[model]`."""
        network = self.network
        if network is None or isinstance(network, str | Mapping):
            shape = None if data is None or data.kind == "glitches" else data.shape
            return None, _table(network, shape)
        if isinstance(network, Settings):
            return None, _written(network)
        if not isinstance(network, Network):
            example = torch.zeros(1, *PREPARED_SHAPE) if data is None else data.inputs(slice(0, 2))
            network = wrap_vae(network, example.to(_device_of(network)))
        return network, _written(network.settings)


_OF_THE_RUN = frozenset(TrainingConfig.model_fields) - {"objective", "model"}


def _kind_of_objective(objective: object) -> type[Objective] | None:
    """The class of an objective given by name; None for an instance."""
    if isinstance(objective, str):
        return find_objective(objective)
    if not isinstance(objective, Objective):
        found = objective.__name__ if isinstance(objective, type) else type(objective).__name__
        raise ConfigError(
            "the objective is neither a name nor an Objective",
            where="objective",
            found=found,
            expected=f"one of {', '.join(OBJECTIVES)}, or an Objective such as Beta(beta=4)",
        )
    objective.require_complete()
    try:
        objective.model_dump_json()
    except PydanticSerializationError as error:
        raise ConfigError(
            "the objective has settings that cannot be stored",
            where=type(objective).__name__,
            expected="numbers, text, lists",
            found=error,
        ) from error
    return None


def _table(
    network: str | Mapping[str, Any] | None, pictures: tuple[int, int, int] | None
) -> dict[str, Any]:
    """The table `[model]` of a network; its image shape defaults to that of the pictures."""
    table: dict[str, Any] = {}
    if isinstance(network, Mapping):
        table = dict(network)
    elif isinstance(network, str):
        architectures = [name for name in ARCHITECTURES if name != USER]
        if network not in (*NETWORKS, *architectures):
            raise ConfigError(
                f"unknown network {network!r}{nearest(network, [*NETWORKS, *architectures])}"
            )
        table = {"architecture": network} if network in architectures else {"network": network}
    kind = table.get("architecture", "image" if pictures or "network" in table else "glitch")
    if (kind == "glitch" and pictures) or (kind == "image" and not pictures):
        raise ConfigError(
            f"this network is for {'glitches' if pictures else 'pictures'}",
            where="model",
            expected=f"one of {'pictures: ' + ', '.join(NETWORKS) if pictures else 'glitches'}",
            found=network,
            remedy="Leave model out for the default.",
        )
    return table if pictures is None else {"architecture": kind, "image_shape": pictures, **table}


def _fields(table: dict[str, Any]) -> set[str]:
    """Names of the settings of an architecture."""
    name = str(table.get("architecture", "glitch"))
    return set(ARCHITECTURES[name][0].model_fields) if name in ARCHITECTURES else set()


def _written(network: Settings) -> dict[str, Any]:
    """Settings of a network as a table."""
    kinds = [kind for kind, _ in ARCHITECTURES.values()]
    if type(network) not in kinds:
        raise ConfigError(
            "these settings are not those of a network",
            where="model",
            found=type(network).__name__,
            expected=", ".join(kind.__name__ for kind in kinds if kind is not UserVAESettings),
        )
    return {"architecture": architecture_of(network), **network.model_dump()}


def _images(
    dataset: Dataset | None,
    paths: Sequence[Path] | None,
    config: TrainingConfig,
    device: str,
    run: Path,
) -> TrainingImages:
    """Images in the form that training uses, at the model's size."""
    _, rows, columns = config.image_shape
    if dataset is not None:
        return dataset.training_images((rows, columns))
    return read_training_data(
        paths or (), shape=(rows, columns), limit=resident_limit(device), folder=run.parent
    )


def _paths(data: object) -> Sequence[Path] | None:
    """The data as paths, or None if they are not paths."""
    if isinstance(data, str | Path):
        return [Path(data)]
    if isinstance(data, list | tuple) and data and all(isinstance(d, str | Path) for d in data):
        return [Path(path) for path in data]
    return None


def _device_of(network: object) -> torch.device:
    parameters = network.parameters() if isinstance(network, nn.Module) else iter(())
    first = next(parameters, None)
    return torch.device("cpu") if first is None else first.device

"""Settings of a training run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import (
    Field,
    FieldSerializationInfo,
    ValidationInfo,
    field_serializer,
    field_validator,
    model_validator,
)

from glitchvae.classes.model_card import CARD, ModelCard, read_card
from glitchvae.config import Settings, nearest, parse, read_toml, with_changes
from glitchvae.errors import ConfigError
from glitchvae.models import GlitchVAESettings, architecture_of, read_model
from glitchvae.objectives import (
    Annealed,
    Linear,
    Objective,
    describe_objective,
    find_objective,
    read_objective,
)
from glitchvae.training.augmentation import Augmentation


class TrainingConfig(Settings):
    """All settings that, together with the data, determine a training run.

    Attributes:
        objective: What is minimised.
        steps: Updates in all.
        batch_size: Events per update.
        learning_rate: Of Adam at the first step.
        learning_rate_schedule: "linear" falls from there to zero at the last step;
            "constant" stays, as in both papers.
        seed: Of initial weights, data order, augmentation and posterior samples.
        precision: Arithmetic of the convolutions; KL and likelihood stay in float32.
        compiled: Whether the step is captured by `torch.compile`; "auto" does so on a GPU,
            where launching its many small operations would take longer than running them.
        log_every: Steps averaged into one row of `log.csv`.
        save_every: Steps between two writes of the state a run resumes from.
        optimizer: "adam", or "adamw", whose weight decay is apart from the gradient.
        weight_decay: Of the optimiser.
        gradient_clip: Norm to which a longer gradient is shortened; None leaves it as it is.
        validate_every: Steps between two looks at the validation events, whose distortion, rate
            and ELBO stand in `log.csv`; the checkpoint with the highest ELBO is kept in `best`. 0:
            never.
        patience: Validations without a better ELBO after which a run ends early; 0: none.
        keep_every: Steps between two checkpoints that are kept in `checkpoints`; 0: none.
        model: Architecture and size of the network: the settings of one of
            `models.ARCHITECTURES`, in a file the table `[model]` with its key `architecture`.
            Without that key it is what the objective asks for: see `model_for`.
        augmentation: Changes of images of glitches during training; pictures have none.
    """

    objective: Objective = Field(default_factory=Annealed)
    steps: int = Field(default=8000, ge=1)
    batch_size: int = Field(default=64, ge=1)
    learning_rate: float = Field(default=1e-3, gt=0)
    learning_rate_schedule: Literal["linear", "constant"] = "linear"
    seed: int = Field(default=0, ge=0)
    precision: Literal["float32", "bfloat16"] = "float32"
    compiled: Literal["auto", "yes", "no"] = "auto"
    log_every: int = Field(default=20, ge=1)
    save_every: int = Field(default=500, ge=1)
    optimizer: Literal["adam", "adamw"] = "adam"
    weight_decay: float = Field(default=0.0, ge=0.0)
    gradient_clip: float | None = Field(default=None, gt=0.0)
    validate_every: int = Field(default=0, ge=0)
    patience: int = Field(default=0, ge=0)
    keep_every: int = Field(default=0, ge=0)
    model: Settings = Field(default_factory=lambda given: model_for(given["objective"], {}))
    augmentation: Augmentation = Augmentation()

    @field_validator("objective", mode="before")
    @classmethod
    def _read_objective(cls, value: Any) -> Any:
        return read_objective(value) if isinstance(value, dict) else value

    @field_validator("model", mode="before")
    @classmethod
    def _read_model(cls, value: Any, info: ValidationInfo) -> Any:
        if not isinstance(value, dict):
            return value
        objective = info.data.get("objective")
        return read_model(value) if objective is None else model_for(objective, value)

    @field_serializer("objective", mode="plain")
    def _with_class(self, objective: Objective, info: FieldSerializationInfo) -> dict[str, Any]:
        return describe_objective(objective, mode=info.mode, exclude_none=info.exclude_none)

    @field_serializer("model", mode="plain")
    def _with_architecture(self, model: Settings, info: FieldSerializationInfo) -> dict[str, Any]:
        settings = model.model_dump(mode=info.mode, exclude_none=info.exclude_none)
        return {"architecture": architecture_of(model), **settings}

    @model_validator(mode="after")
    def _watched(self) -> Self:
        if self.patience and not self.validate_every:
            raise ValueError("patience counts validations: set validate_every, too")
        return self

    @property
    def image_shape(self) -> tuple[int, ...]:
        """Channels, rows and columns of the images that the likelihood describes."""
        settings: Any = self.model
        if isinstance(settings, GlitchVAESettings):
            return (settings.views, *settings.image_shape)
        return settings.image_shape

    def learning_rate_at(self, step: int) -> float:
        """Learning rate of the update number `step`, counted from 0."""
        if self.learning_rate_schedule == "constant":
            return self.learning_rate
        return Linear(self.learning_rate, 0.0, self.steps)(step)


def read_training_config(
    path: str | Path | None = None, *, lines: Sequence[str] = (), **changes: Any
) -> TrainingConfig:
    """Read a TOML file, or the defaults, with some entries replaced.

    Args:
        path: A TOML file with the keys of `TrainingConfig`; or the card of a model or its folder,
            for the settings that it was trained with.
        lines: Entries that win over the file's, as lines of TOML: `batch_size=32`,
            `model.latent_size=16`; keys of the objective stand alone or behind `objective.`.
        changes: Entries that win over the file's; None leaves the file's. `objective` is a
            name, or the `module:Class` of one's own: it keeps the file's `[objective]` table if
            that has the same name.

    Raises:
        ConfigError: unknown keys or objectives, with the nearest valid name; bad values.
    """
    values = {} if path is None else _read_file(Path(path))
    return changed_config(values, changes, lines=lines, where=path)


def _read_file(path: Path) -> dict[str, Any]:
    """The table of a file, or the settings on a card."""
    if path.is_dir() or path.name == CARD:
        return config_of_card(read_card(path if path.is_dir() else path.parent))
    return read_toml(path)


def config_of_card(card: ModelCard) -> dict[str, Any]:
    """Settings that a model was trained with, from its card."""
    return {
        **card.training,
        "objective": card.objective,
        "model": {"architecture": card.architecture, **card.model},
        "steps": card.steps,
        "seed": card.seed,
    }


def changed_config(
    values: dict[str, Any],
    changes: dict[str, Any],
    *,
    lines: Sequence[str] = (),
    where: object = None,
) -> TrainingConfig:
    """Replace some entries of a table, as `read_training_config` describes.

    Raises:
        ConfigError: as `read_training_config`.
    """
    chosen = _chosen(_table(values, "objective", where), changes.get("objective"))
    values = with_changes({**values, "objective": chosen}, lines)
    for name in ("objective", "model"):
        values[name] = _table(values, name, where)
    values = _of_the_objective(values, where)
    given = {key: value for key, value in changes.items() if value is not None}
    given.pop("objective", None)
    objective = read_objective(values["objective"], where=_inside(where, "objective"))
    model = model_for(objective, values["model"], where=_inside(where, "model"))
    tables = {"objective": objective, "model": model}
    return parse(TrainingConfig, {**values, **tables, **given}, where=where)


def _table(values: dict[str, Any], name: str, where: object) -> dict[str, Any]:
    table = values.get(name, {})
    if not isinstance(table, dict):
        raise ConfigError(
            f"{name} is no table",
            where=where,
            expected=f"[{name}] and its keys, or --set {name}.KEY=VALUE",
            found=table,
        )
    return table


def _chosen(table: dict[str, Any], name: str | None) -> dict[str, Any]:
    """The table of the objective, or a new one if another objective is asked for."""
    if name is None:
        return {"name": "annealed", **table}
    if not {"name", "class"} & set(table):
        return {**table, "name": name}
    return table if name in (table.get("name"), table.get("class")) else {"name": name}


def _of_the_objective(values: dict[str, Any], where: object) -> dict[str, Any]:
    """Separate the keys of the objective, which other settings do not have.

    One that is misspelt goes there too where it is nearer to a key of the objective, whose error
    then names that.
    """
    table = values["objective"]
    kind = find_objective(
        str(table.get("class", table.get("name"))), where=_inside(where, "objective")
    )
    ours, theirs = list(TrainingConfig.model_fields), list(kind.model_fields)
    alone = [key for key in values if key not in ours]
    own = {k for k in alone if k in theirs or (not _near(k, ours) and _near(k, theirs))}
    rest = {key: value for key, value in values.items() if key not in own}
    return {**rest, "objective": {**table, **{key: values[key] for key in own}}}


def _near(key: str, known: list[str]) -> bool:
    return "did you mean" in nearest(key, known)


def model_for(objective: Objective, values: dict[str, Any], *, where: object = None) -> Settings:
    """Settings of the model in a table, completed by the requirements of the objective.

    Where the table names no architecture, an objective for hierarchies brings one around the
    network of glitches, with the latent layers of `HierarchySettings`; a hierarchy that does
    not say which layers its likelihood is on gets what the objective needs. All other
    objectives train the model "glitch" unless the table says otherwise, with `model_defaults` of
    the objective where the table has no such key.

    Raises:
        ConfigError: an unknown architecture or key, with the nearest valid name.
    """
    if objective.hierarchy_on is None:
        settings = read_model(values, where=where)
        brought = {
            key: value
            for key, value in objective.model_defaults.items()
            if key in type(settings).model_fields and key not in values
        }
        return read_model({**values, **brought}, where=where) if brought else settings
    if "architecture" not in values:
        values = {"architecture": "hierarchy", "network": "glitch", **values}
        name = objective.model_dump()["name"]
        where = " ".join(filter(None, [str(where or ""), f"(hierarchy of the objective {name})"]))
    if values["architecture"] == "hierarchy":
        values = {"likelihood_on": objective.hierarchy_on, **values}
    return read_model(values, where=where)


def _inside(where: object, table: str) -> str:
    """Name of a table of a file, for errors."""
    return f"[{table}]" if where is None else f"{where} [{table}]"

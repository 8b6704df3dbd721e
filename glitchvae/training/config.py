"""Settings of a training run."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import (
    Field,
    FieldSerializationInfo,
    ValidationInfo,
    field_serializer,
    field_validator,
)

from glitchvae.config import Settings, parse, read_toml
from glitchvae.models import GlitchVAESettings, architecture_of, read_model
from glitchvae.objectives import (
    Annealed,
    Linear,
    Objective,
    describe_objective,
    read_objective,
)
from glitchvae.training.augmentation import Augmentation


class TrainingConfig(Settings):
    """Everything that, with the data, determines a training run.

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

    @property
    def image_shape(self) -> tuple[int, ...]:
        """Channels, rows and columns of the images that the model explains."""
        settings: Any = self.model
        if isinstance(settings, GlitchVAESettings):
            return (settings.views, *settings.image_shape)
        return settings.image_shape

    def learning_rate_at(self, step: int) -> float:
        """Learning rate of the update after `step` others."""
        if self.learning_rate_schedule == "constant":
            return self.learning_rate
        return Linear(self.learning_rate, 0.0, self.steps)(step)


def read_training_config(path: str | Path | None = None, **changes: Any) -> TrainingConfig:
    """A TOML file, or the defaults, with some entries replaced.

    Args:
        path: A TOML file with the keys of `TrainingConfig`.
        changes: Entries that win over the file's; None leaves the file's. `objective` is a
            name, or the `module:Class` of one's own: it keeps the file's `[objective]` table if
            that has the same name.

    Raises:
        ConfigError: unknown keys or objectives, with the nearest valid name; bad values.
    """
    return changed_config(read_toml(path) if path is not None else {}, changes, where=path)


def changed_config(
    values: dict[str, Any], changes: dict[str, Any], *, where: object = None
) -> TrainingConfig:
    """A table with some entries replaced, as `read_training_config` describes.

    Raises:
        ConfigError: as `read_training_config`.
    """
    given = {key: value for key, value in changes.items() if value is not None}
    table = values.get("objective", {})
    name = given.pop("objective", None)
    if name is None:
        table = {"name": "annealed", **table}
    elif not {"name", "class"} & set(table):
        table = {**table, "name": name}
    elif name not in (table.get("name"), table.get("class")):
        table = {"name": name}
    objective = read_objective(table, where=_inside(where, "objective"))
    model = model_for(objective, values.get("model", {}), where=_inside(where, "model"))
    tables = {"objective": objective, "model": model}
    return parse(TrainingConfig, {**values, **tables, **given}, where=where)


def model_for(objective: Objective, values: dict[str, Any], *, where: object = None) -> Settings:
    """Settings of the model that a table describes, completed by what the objective asks for.

    Where the table names no architecture, an objective for hierarchies brings one around the
    network of glitches, with the latent layers of `HierarchySettings`; a hierarchy that does
    not say which layers its likelihood is on gets what the objective needs. All other
    objectives train the model "glitch" unless the table says otherwise.

    Raises:
        ConfigError: an unknown architecture or key, with the nearest valid name.
    """
    if objective.hierarchy_on is None:
        return read_model(values, where=where)
    if "architecture" not in values:
        values = {"architecture": "hierarchy", "network": "glitch", **values}
        name = objective.model_dump()["name"]
        where = " ".join(filter(None, [str(where or ""), f"(hierarchy of the objective {name})"]))
    if values["architecture"] == "hierarchy":
        values = {"likelihood_on": objective.hierarchy_on, **values}
    return read_model(values, where=where)


def _inside(where: object, table: str) -> str:
    """A table of a file, for errors."""
    return f"[{table}]" if where is None else f"{where} [{table}]"

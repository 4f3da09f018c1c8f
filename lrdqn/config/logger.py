"""Schema of the loggers, which write rows of a run beside ``metrics.jsonl``, which is always
written."""

from __future__ import annotations

from dataclasses import dataclass, field

from lrdqn.config.fields import choice_field, int_field, plain_field


@dataclass
class TensorboardConfig:
    """Event files in ``tensorboard/`` of the run folder; needs ``lrdqn[tensorboard]``."""

    enabled: bool = plain_field(False, "write TensorBoard event files")
    flush_seconds: int = int_field(
        10,
        1,
        "least seconds between two flushes; a killed run may lose the rows since the last one",
    )


@dataclass
class WandbConfig:
    """Weights & Biases run, in ``wandb/`` of the run folder; needs ``lrdqn[wandb]``."""

    enabled: bool = plain_field(False, "log to Weights & Biases")
    mode: str = choice_field(
        "offline",
        ("offline", "online", "disabled"),
        "offline needs no account; `wandb sync` uploads it later",
    )
    project: str = plain_field("lrdqn", "W&B project of the run")
    entity: str | None = plain_field(
        None, "user or team that owns the project; null takes the account's default"
    )
    group: str | None = plain_field(None, "name shared by runs that are shown together")


@dataclass
class LoggerConfig:
    """Loggers that write beside ``metrics.jsonl``."""

    tensorboard: TensorboardConfig = field(default_factory=TensorboardConfig)
    wandb: WandbConfig = field(default_factory=WandbConfig)

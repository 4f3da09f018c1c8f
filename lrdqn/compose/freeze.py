"""``freeze()``: check a composed config against its schema and make it frozen and hashable."""

from __future__ import annotations

import dataclasses
import difflib
import math
import typing
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, cast

from omegaconf import MISSING, OmegaConf

from lrdqn.compose import families
from lrdqn.compose.checks import check_calibrate, check_train, check_tune
from lrdqn.compose.roots import CalibrateRun, TrainRun, TuneRun
from lrdqn.config.fields import ConfigError

T = TypeVar("T")


@cache
def _frozen(schema: type) -> type:
    """Return a subclass of ``schema`` whose instances cannot be changed and can be hashed."""
    names = [spec.name for spec in dataclasses.fields(schema)]

    def init(self: Any, **values: Any) -> None:
        for name in names:
            object.__setattr__(self, name, values[name])

    def refuse(self: Any, name: str, value: object = None) -> None:
        raise dataclasses.FrozenInstanceError(f"cannot change {name} of a frozen {schema.__name__}")

    def as_number(self: Any) -> int:
        return hash(tuple(getattr(self, name) for name in names))

    members = {
        "__init__": init,
        "__setattr__": refuse,
        "__delattr__": refuse,
        "__hash__": as_number,
        "__module__": schema.__module__,
    }
    return type(schema.__name__, (schema,), members)


def schema_of(config_key: str, declared: Any, value: Any) -> type | None:
    """Return the dataclass behind a node of the config, or ``None`` for a leaf."""
    if isinstance(value, dict) and declared is families.BASES.get(config_key):
        name = value.get(families.NAMED_BY[config_key])
        return families.family(config_key, name).schema
    return declared if dataclasses.is_dataclass(declared) and isinstance(declared, type) else None


def _check_leaf(key: str, value: Any, limits: Mapping[str, Any]) -> Any:
    if "each" in limits and value is not None:
        return _check_list(key, value, limits["each"])
    if "allowed" in limits and value not in limits["allowed"]:
        raise ConfigError(key, value, "must be one of " + ", ".join(limits["allowed"]))
    if "each_low" in limits:
        if not value or any(v < limits["each_low"] for v in value):
            raise ConfigError(
                key, value, f"must be a list of integers, each at least {limits['each_low']}"
            )
        return tuple(value)
    if "low" in limits and value is not None:
        low, high = limits["low"], limits["high"]
        inside = (low < value if limits["open_low"] else low <= value) and value <= high
        finite = not isinstance(value, float) or math.isfinite(value)
        if not inside or not finite:
            if inside:
                raise ConfigError(key, value, "must be a finite number")
            if high == math.inf:
                raise ConfigError(
                    key,
                    value,
                    f"must be {'greater than' if limits['open_low'] else 'at least'} {low:g}",
                )
            raise ConfigError(
                key,
                value,
                f"must lie in {'(' if limits['open_low'] else '['}{low:.12g}, {high:.12g}]",
            )
    elif isinstance(value, float) and not math.isfinite(value):
        raise ConfigError(key, value, "must be a finite number")
    elif isinstance(value, str) and not value.strip():
        # as a path it would mean the current folder
        raise ConfigError(key, value, "is empty; give a value, or leave it out")
    elif limits.get("path") and isinstance(value, str):
        try:
            return str(Path(value).expanduser().absolute())
        except RuntimeError as error:
            raise ConfigError(key, value, "there is no home folder; give the whole path") from error
    return tuple(value) if isinstance(value, list) else value


def _check_list(key: str, value: Any, each: Mapping[str, Any]) -> tuple[float, ...]:
    """Return an axis of a grid as a tuple of numbers, each within the range of the single value."""
    numbers = isinstance(value, list) and all(
        isinstance(x, int | float) and not isinstance(x, bool) for x in value
    )
    if not (numbers and value):
        raise ConfigError(key, value, "must be a list of numbers, [a,b,...]")
    return tuple(_check_leaf(key, float(x), each) for x in value)


def _freeze(schema: type, values: dict[str, Any], prefix: str) -> Any:
    hints, frozen = typing.get_type_hints(schema), {}
    fields = {f.name: f for f in dataclasses.fields(schema)}
    for name in values:
        if name not in fields:
            raise ConfigError(
                prefix + name,
                values[name],
                unknown_key(prefix + name, [prefix + f for f in fields]),
            )
    for name, spec in fields.items():
        key, value = prefix + name, values.get(name, MISSING)
        if value == MISSING:
            raise ConfigError(key, "???", f"is required; give it as {key}=VALUE")
        child = schema_of(name, hints[name], value)
        frozen[name] = (
            _freeze(child, value, key + ".") if child else _check_leaf(key, value, spec.metadata)
        )
    return _frozen(schema)(**frozen)


def unknown_key(key: str, known: list[str]) -> str:
    """Return the message for a key that does not exist, with the nearest known key."""
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.65)
    if near:
        return f"unknown key; did you mean {near[0]}?"
    parent = key.rpartition(".")[0]
    beside = sorted(k for k in known if k.rpartition(".")[0] == parent) or sorted(
        k for k in known if "." not in k
    )
    return f"unknown key; allowed are {', '.join(beside)}"


def freeze_env(values: dict[str, Any]) -> Any:
    """Check the keys of one environment, ``kind`` among them, and return its config frozen.

    Raises:
        ConfigError: unknown or missing key, value out of range, keys that do not fit together.
    """
    family = families.env_family(values["kind"])
    frozen = _freeze(family.schema, values, "env.")
    family.check(frozen)
    return frozen


def freeze(schema: type[T], config: Any) -> T:
    """Check a composed config against its schema and return it frozen and hashable, lists as
    tuples.

    Args:
        schema: the root's dataclass (``TrainRun``, ``EvaluateRun``, ...).
        config: an OmegaConf node or a plain dict.

    Returns:
        An instance of a subclass of the schema that cannot be changed, so that it can be a dict key
        and be closed over by a compiled program; ``dataclasses.replace`` returns a changed copy.

    Raises:
        ConfigError: unknown or missing key, value out of range, impossible combination.
    """
    values = OmegaConf.to_container(config, resolve=True) if OmegaConf.is_config(config) else config
    frozen = cast(Any, _freeze(schema, cast("dict[str, Any]", values), ""))
    if issubclass(schema, TrainRun | CalibrateRun):
        families.env_family(frozen.env.kind).check(frozen.env)
    if issubclass(schema, TrainRun):
        check_train(frozen)
    if issubclass(schema, TuneRun):
        check_tune(frozen)
    if schema is CalibrateRun:
        check_calibrate(frozen)
    return cast(T, frozen)

"""Environments and agents by name: lrdqn's own, and those that installed packages declare as entry
points.

``pip install their-package`` makes ``env=NAME`` and ``agent=NAME`` known. Nothing of such a package
is imported until it is chosen by name, so an unused package costs nothing and cannot break
anything.

Entry points are code that the user installed, and are trusted like any other installed package.
Only an installed name can be chosen: no override, config file or run folder can say where code is.
"""

from __future__ import annotations

import dataclasses
import typing
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any, TypeVar

from omegaconf import OmegaConf

from lrdqn.agents.dqn.config import DQNConfig
from lrdqn.config import AgentConfig, ConfigError, EnvConfig, InputError
from lrdqn.config.family import AgentFamily, EnvFamily
from lrdqn.config.fields import choice_field

T = TypeVar("T")

OWN: dict[str, dict[str, str]] = {
    "env": {
        "live": "lrdqn.envs.live.family:FAMILY",
        "probe": "lrdqn.envs.probes.family:FAMILY",
        "garnet": "lrdqn.envs.garnet.family:FAMILY",
        "gymnax": "lrdqn.envs.gymnax.family:FAMILY",
        "gymnasium": "lrdqn.envs.gymnasium.family:FAMILY",
        "recsim": "lrdqn.envs.recsim.family:FAMILY",
    },
    "agent": {
        "dqn": "lrdqn.agents.dqn.family:FAMILY",
        "slateq": "lrdqn.agents.slateq.family:FAMILY",
        "full_slate": "lrdqn.agents.full_slate.family:FAMILY",
        "q_learning": "lrdqn.agents.tabular.family:Q_LEARNING",
        "double_q_learning": "lrdqn.agents.tabular.family:DOUBLE_Q_LEARNING",
        "value_iteration": "lrdqn.agents.tabular.family:VALUE_ITERATION",
    },
}
"""Part of the config -> name -> place of its family, ``module:member``."""

GROUPS = {"env": "lrdqn.envs", "agent": "lrdqn.agents"}
"""Part of the config -> entry-point group."""

KINDS: dict[str, type] = {"env": EnvFamily, "agent": AgentFamily}
BASES: dict[str, type] = {"env": EnvConfig, "agent": AgentConfig}

NAMED_BY = {"env": "kind", "agent": "name"}
"""Key that says which of a part's schemas a config follows. An environment's ``name`` stays free
for suites of several environments."""


def env_family(kind: str) -> EnvFamily:
    """Return the family of an environment; see ``family``."""
    return family("env", kind)


def agent_family(name: str) -> AgentFamily:
    """Return the family of an agent; see ``family``."""
    return family("agent", name)


def family(part: str, name: Any) -> Any:
    """Return lrdqn's own family of that name, or an installed one.

    Args:
        part: ``env`` or ``agent``.
        name: as in the config.

    Raises:
        ConfigError: there is none of that name.
        InputError: it is installed and cannot be loaded.
    """
    if name in OWN[part]:
        module, _, member = OWN[part][name].partition(":")
        return getattr(import_module(module), member)
    if name not in installed(part):
        allowed = ", ".join([*OWN[part], *installed(part)])
        raise ConfigError(f"{part}.{NAMED_BY[part]}", name, f"must be one of {allowed}")
    return load(part, name)


def own_families(part: str) -> dict[str, Any]:
    """Return all of lrdqn's own families of a part, by name."""
    return {name: family(part, name) for name in OWN[part]}


def with_key(part: str, key: str) -> list[str]:
    """Return the names of lrdqn's own families whose schema has a dotted key."""
    return [name for name, own in own_families(part).items() if has_key(own.schema, key)]


def has_key(schema: type, key: str) -> bool:
    """Return whether a schema, or one that it holds, has a dotted key."""
    first, _, rest = key.partition(".")
    hints = typing.get_type_hints(schema)
    return first in hints and (not rest or has_key(hints[first], rest))


def installed(part: str) -> list[str]:
    """Return the names that installed packages add, without importing anything.

    Args:
        part: ``env`` or ``agent``; any other part has no entry points.
    """
    return (
        sorted({point.name for point in entry_points(group=GROUPS[part])}) if part in GROUPS else []
    )


def refuse_taken(part: str, presets: list[str]) -> None:
    """Raise
    ``InputError`` where an installed name is also one of lrdqn's own, or of a preset in ``conf/``:
    which of the two runs must not depend on the order of installation."""
    for point in entry_points(group=GROUPS[part]):
        if point.name in OWN[part] or point.name in presets:
            raise InputError(
                f"{part}={point.name}: {origin(point)} takes a name "
                "of lrdqn's own; rename or uninstall it"
            )


def origin(point: EntryPoint) -> str:
    """Return an entry point as its package declares it, with the package's name and version."""
    package = f"{point.dist.name} {point.dist.version}" if point.dist else "an unnamed package"
    return f"{package} ({point.group}: {point.name} = {point.value})"


def load(part: str, name: str) -> Any:
    """Import an installed family and check its shape.

    Args:
        part: ``env`` or ``agent``.
        name: one of ``installed(part)``.

    Returns:
        Its ``EnvFamily`` or ``AgentFamily``; the schema's ``kind`` (or ``name``) is the entry
        point's. A function counts as an agent's ``make``.

    Raises:
        InputError: it cannot be imported, has another type, or two packages declare it. The line
            names package and entry point.
    """
    point, *others = entry_points(group=GROUPS[part], name=name)
    if others:
        rivals = " and ".join(map(origin, (point, *others)))
        raise InputError(f"{part}={name}: comes from {rivals}; uninstall all but one")
    try:
        found = point.load()
    except Exception as error:
        raise InputError(
            f"{part}={name}: {origin(point)} cannot be loaded ({type(error).__name__}: {error})"
        ) from error
    kind = KINDS[part]
    if part == "agent" and not isinstance(found, kind) and callable(found):
        found = AgentFamily(found)
    if not isinstance(found, kind):
        what = f"is of type {type(found).__name__}; must be a lrdqn.config.family.{kind.__name__}"
        raise InputError(f"{part}={name}: {origin(point)} {what}")
    return found._replace(schema=checked_schema(part, name, found.schema or DQNConfig, point))


def checked_schema(part: str, name: str, schema: Any, point: EntryPoint) -> type:
    """Return the schema under the entry point's name, once it is checked that Hydra can compose
    it."""
    base = BASES[part]
    if not (
        isinstance(schema, type)
        and issubclass(schema, base)
        and "__dataclass_fields__" in vars(schema)
    ):
        raise InputError(
            f"{part}={name}: {origin(point)} has a schema that "
            f"is no @dataclass derived from {base.__name__}"
        )
    try:
        OmegaConf.structured(schema)
    except Exception as error:
        reason = str(error).partition("\n")[0]
        raise InputError(
            f"{part}={name}: {origin(point)} has a schema that cannot be composed ({reason})"
        ) from error
    return named_schema(part, name, schema)


@cache
def named_schema(part: str, name: str, schema: type) -> type:
    """Return ``schema`` with ``name`` as its only allowed name. There is one class per schema and
    name, as equal configurations would not compare equal otherwise."""
    own = (NAMED_BY[part], str, choice_field(name, (name,), "from an installed package"))
    return dataclasses.make_dataclass(schema.__name__, [own], bases=(schema,))


def register_own() -> None:
    """Make lrdqn's own schemas known to Hydra, under ``schema/``, so that they cannot be selected
    by mistake."""
    from hydra.core.config_store import ConfigStore

    store = ConfigStore.instance()
    for part in GROUPS:
        for name, own in own_families(part).items():
            store.store(group=f"schema/{part}", name=name, node=default_schema(part, name, own))


def register_installed() -> None:
    """Make installed names known to Hydra, beside the choices of ``conf/``, with schemas that are
    loaded only when they are composed."""
    from hydra.core.config_store import ConfigNode, ConfigStore

    class Later(ConfigNode):
        """Node whose schema is loaded when Hydra reads it, which copies the node first."""

        def __copy__(self) -> ConfigNode:
            schema = load(str(self.group), self.name.removesuffix(".yaml")).schema
            return ConfigNode(
                self.name, OmegaConf.structured(schema), self.group, self.package, self.provider
            )

    store = ConfigStore.instance()
    for part in GROUPS:
        for name in installed(part):
            store.store(group=part, name=name, node={})
            at = store.repo[part]
            at[f"{name}.yaml"] = Later(**vars(at[f"{name}.yaml"]))


def default_schema(part: str, name: str, own: Any) -> Any:
    """Return the schema's defaults under ``name``: one schema may serve several names."""
    return own.schema(**{NAMED_BY[part]: name})


def made(kind: type[T], found: Any, by: str) -> T:
    """Return what a family's ``make`` returned, once its type is checked.

    Raises:
        InputError: it is not a ``kind``.
    """
    if not isinstance(found, kind):
        what = f"made a {type(found).__name__}; must make a lrdqn.types.{kind.__name__}"
        raise InputError(f"{by}: the plugin {what}")
    return found

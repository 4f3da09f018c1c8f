"""Third parties' environments and agents, found through the entry points of installed packages
(DESIGN P6).

``pip install their-package`` makes ``env=NAME`` and ``agent=NAME`` known. Nothing of theirs is
imported until it is named, so what is installed costs nothing, and cannot break anything, while it
is not used.

Entry points are code that the user installed, and are trusted as far as any other installed
package. What can be chosen is an installed name: no override, config file or run folder says where
code is (DESIGN P19).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any, cast

from omegaconf import OmegaConf

from lrdqn.config.env import EnvConfig
from lrdqn.config.fields import InputError, choice
from lrdqn.config.learner import AgentConfig

GROUPS = {"env": "lrdqn.envs", "agent": "lrdqn.agents"}
"""Part of the config -> entry-point group."""

BASES: dict[str, type] = {"env": EnvConfig, "agent": AgentConfig}

NAMED_BY = {"env": "kind", "agent": "name"}
"""Key that says which of a part's schemas a config follows. An environment's ``name`` is free for
suites of many."""


def names(part: str) -> list[str]:
    """What is installed beside lrdqn's own, by name; imports nothing.

    Args:
        part: ``env`` or ``agent``; any other part has no entry points.
    """
    return (
        sorted({point.name for point in entry_points(group=GROUPS[part])}) if part in GROUPS else []
    )


def origin(point: EntryPoint) -> str:
    """An entry point as its package declares it, and whose it is."""
    package = f"{point.dist.name} {point.dist.version}" if point.dist else "an unnamed package"
    return f"{package} ({point.group}: {point.name} = {point.value})"


def refuse_taken(part: str, built_in: Iterable[str]) -> None:
    """Raise ``InputError`` where an installed name is one of lrdqn's own: which of the two runs
    must not depend on luck."""
    for point in entry_points(group=GROUPS[part]):
        if point.name in built_in:
            raise InputError(
                f"{part}={point.name}: {origin(point)} takes a name "
                "of lrdqn's own; rename or uninstall it"
            )


def load(part: str, name: str) -> Any:
    """Import a plugin and check its shape.

    Args:
        part: ``env`` or ``agent``.
        name: one of ``names(part)``.

    Returns:
        ``types.EnvPlugin`` or ``types.AgentPlugin``; the schema's ``kind`` (or ``name``) is the
        entry point's.

    Raises:
        InputError: it cannot be imported, is something else, or two packages bring it. The line
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
    from lrdqn.types import AgentPlugin, EnvPlugin  # jax is there by now: the plugin needs it

    kind = {"env": EnvPlugin, "agent": AgentPlugin}[part]
    if part == "agent" and not isinstance(found, kind) and callable(found):
        found = AgentPlugin(cast(Any, found))
    if not isinstance(found, kind):
        what = f"is of type {type(found).__name__}; must be a lrdqn.types.{kind.__name__}"
        raise InputError(f"{part}={name}: {origin(point)} {what}")
    return found._replace(schema=checked_schema(part, name, found.schema or AgentConfig, point))


def checked_schema(part: str, name: str, schema: Any, point: EntryPoint) -> type:
    """The plugin's schema under its own name, once it is known to be one that Hydra can compose."""
    base = BASES[part]
    if not (
        isinstance(schema, type)
        and issubclass(schema, base)
        and "__dataclass_fields__" in vars(schema)
    ):
        raise InputError(
            f"{part}={name}: {origin(point)} has a schema that is "
            f"no @dataclass derived from {base.__name__}"
        )
    try:
        OmegaConf.structured(schema)
    except Exception as error:
        reason = str(error).partition("\n")[0]
        raise InputError(
            f"{part}={name}: {origin(point)} has a schema that cannot be composed ({reason})"
        ) from error
    return named(part, name, schema)


@cache
def named(part: str, name: str, schema: type) -> type:
    """``schema`` with ``name`` as the only one it goes by; one class per schema, or equal configs
    would not compare equal."""
    return dataclasses.make_dataclass(
        schema.__name__,
        [(NAMED_BY[part], str, choice(name, (name,), "from an installed package"))],
        bases=(schema,),
    )


def register() -> None:
    """Make installed names known to Hydra. A schema is loaded when, and only when, it is
    composed."""
    from hydra.core.config_store import ConfigNode, ConfigStore

    class Later(ConfigNode):
        """A node whose schema is loaded when Hydra reads it, which copies it first."""

        def __copy__(self) -> ConfigNode:
            schema = load(str(self.group), self.name.removesuffix(".yaml")).schema
            return ConfigNode(
                self.name, OmegaConf.structured(schema), self.group, self.package, self.provider
            )

    store = ConfigStore.instance()
    for part in GROUPS:
        for name in names(part):
            store.store(group=part, name=name, node={})
            at = store.repo[part]
            at[f"{name}.yaml"] = Later(**vars(at[f"{name}.yaml"]))

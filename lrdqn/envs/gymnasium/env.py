"""Environments of Gymnasium, stepped outside the compiled program by callbacks (extra ``gym``;
highway-env: extra ``driving``)."""

from __future__ import annotations

import difflib
import importlib
import math
import re
from collections.abc import Callable
from functools import partial
from importlib.metadata import entry_points
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import PRNGKeyArray

from lrdqn.config import ConfigError, InputError
from lrdqn.envs.gymnasium.config import GymnasiumConfig
from lrdqn.envs.gymnasium.sessions import Sessions
from lrdqn.types import Env, EnvSpec, Outside, PyTree, TimeStep

REGISTERS = "lrdqn.gymnasium_envs"
"""Group of entry points whose modules register environments with Gymnasium."""
NAMES = re.compile(r"[\w.-]+(/[\w.-]+)?")
"""Gymnasium's own names, and not its ``MODULE:NAME``, which would import whatever an override
says."""

DRIVING = (
    "highway",
    "merge",
    "roundabout",
    "intersection",
    "racetrack",
    "u-turn",
    "two-way",
    "exit",
    "lane-keeping",
)
"""Beginnings of the names of highway-env, which registers them when it is imported."""

UNLIMITED = 10_000
"""Steps after which evaluation gives up a session of an environment that has no time limit."""


def make_gymnasium(config: GymnasiumConfig, sessions: int) -> Env:
    """Make an environment of Gymnasium, whose sessions open when they are first reset.

    Sessions end as Gymnasium ends them: ``terminated`` and ``truncated`` apart; those that ended
    begin anew in the same step (``AutoresetMode.SAME_STEP``), and ``final_obs`` is what they saw
    before. Box observations are flattened to float32 ``[D]``; of Discrete ones the state is
    one-hot.

    Args:
        config: names the environment.
        sessions: N, per learner.

    Raises:
        InputError: gymnasium, or the package that has the environment, is not installed.
        ConfigError: there is no such environment, or it shows or takes something else.

    Source: Towers et al. 2024 (Gymnasium).
    """
    made, make = _made(config)
    space, actions = made.observation_space, made.action_space
    limit = made.spec.max_episode_steps
    made.close()
    kind, size = _shown(config, space)
    choices = _numbered(config, actions)
    if config.idle is not None and config.idle >= choices:
        raise ConfigError(
            "env.idle",
            config.idle,
            f"must be below {choices}, the number of actions of {config.name}",
        )

    def flat(obs: Any) -> np.ndarray:
        obs = np.asarray(obs)
        if kind == "one_hot":
            return np.eye(size, dtype=np.float32)[obs - space.start]
        return obs.reshape(len(obs), size).astype(np.float32)

    kept = Sessions(
        f"env.name={config.name}",
        make,
        flat,
        size,
        int(actions.start),
        config.vectorization == "async",
    )
    number, one_each, flag = shape((), jnp.int32), shape((sessions,)), shape((sessions,), jnp.bool_)
    shown = shape((sessions, size))

    def reset(key: PRNGKeyArray, world: PyTree) -> tuple[PyTree, Array]:
        del world
        seeds = jax.random.bits(key, (sessions,))
        return jax.pure_callback(kept.reset, (number, shown), seeds, vmap_method="broadcast_all")

    def step(
        key: PRNGKeyArray, steps: PyTree, action: Array, world: PyTree
    ) -> tuple[PyTree, TimeStep]:
        del key, world
        answer = (number, shown, one_each, flag, flag, shown)
        steps, obs, reward, terminated, truncated, final = jax.pure_callback(
            kept.step, answer, steps, action, vmap_method="broadcast_all"
        )
        elapsed = jnp.ones(sessions)
        return steps, TimeStep(obs, reward, terminated, truncated, final, elapsed, {})

    spec = EnvSpec(
        config.name, sessions, choices, 1, kind, config.horizon or limit or UNLIMITED, (size,)
    )
    return Env(spec, reset, step, lambda world: (), Outside(kept.check, kept.close))


def shape(dimensions: tuple[int, ...], dtype: Any = jnp.float32) -> jax.ShapeDtypeStruct:
    """Return the shape of an array that a callback gives."""
    return jax.ShapeDtypeStruct(dimensions, dtype)


def _options(config: GymnasiumConfig) -> dict[str, Any]:
    limit = {} if config.horizon is None else {"max_episode_steps": config.horizon}
    return {"disable_env_checker": True, **limit}


def _register_installed() -> None:
    """Load the modules that installed packages name in the group ``REGISTERS``; each registers its
    environments with Gymnasium when it is loaded."""
    for point in entry_points(group=REGISTERS):
        try:
            point.load()
        except Exception as error:  # whatever a package's module raises
            raise InputError(
                f"env=gymnasium: the entry point {point.name} = {point.value} of {REGISTERS} "
                f"cannot be loaded ({type(error).__name__}: {' '.join(str(error).split())})"
            ) from error


def _made(config: GymnasiumConfig) -> tuple[Any, Callable[[], Any]]:
    """Return one environment, and how any process makes more of them."""
    try:
        import gymnasium
    except ImportError as error:
        raise InputError("env=gymnasium: needs gymnasium; pip install 'lrdqn[gym]'") from error
    name = config.name
    if ":" in name:
        raise ConfigError(
            "env.name",
            name,
            "must be a name of Gymnasium's without a module; a package registers its "
            f"environments through an entry point of the group {REGISTERS}",
        )
    _register_installed()
    if not NAMES.fullmatch(name):
        raise ConfigError(
            "env.name", name, "must be a name of Gymnasium's, NAME-vN or SUITE/NAME-vN"
        )
    full_name = name
    if name not in gymnasium.registry and name.startswith(DRIVING):
        try:
            importlib.import_module("highway_env")
        except ImportError as error:
            raise InputError(
                f"env.name={name}: needs highway-env; pip install 'lrdqn[driving]'"
            ) from error
    if name in gymnasium.registry and name.startswith(DRIVING):
        full_name = f"highway_env:{name}"
    if name not in gymnasium.registry:
        near = difflib.get_close_matches(name, gymnasium.registry, n=1, cutoff=0.4)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise ConfigError("env.name", name, f"gymnasium has no such environment{hint}")
    try:
        make = partial(gymnasium.make, full_name, **_options(config))
        return make(), make
    except Exception as error:  # whatever a package's own constructor raises
        raise ConfigError(
            "env.name", name, f"gymnasium cannot make it: {' '.join(str(error).split())}"
        ) from error


def _shown(config: GymnasiumConfig, space: Any) -> tuple[str, int]:
    """Return kind and size of what is observed."""
    from gymnasium.spaces import Box, Discrete

    if isinstance(space, Discrete):
        return "one_hot", int(space.n)
    if isinstance(space, Box):
        return "vector", math.prod(space.shape)
    allowed = "lrdqn reads Box and Discrete observations"
    raise ConfigError("env.name", config.name, f"shows a {type(space).__name__}; {allowed}")


def _numbered(config: GymnasiumConfig, space: Any) -> int:
    """Return the number of actions."""
    from gymnasium.spaces import Discrete

    if isinstance(space, Discrete):
        return int(space.n)
    allowed = "lrdqn chooses among numbered ones (Discrete)"
    raise ConfigError("env.name", config.name, f"takes {type(space).__name__} actions; {allowed}")

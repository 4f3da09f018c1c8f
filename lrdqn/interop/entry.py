"""Live worlds behind another library's interface, built from overrides as on the command line."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, cast

import jax
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import ConfigKeyError, OmegaConfBaseException

from lrdqn import build
from lrdqn.compose.freeze import freeze, unknown_key
from lrdqn.compose.roots import CalibrateRun
from lrdqn.config import ConfigError, InputError
from lrdqn.envs.live.config import LiveConfig
from lrdqn.envs.live.world import LiveParams
from lrdqn.interop.gymnax import LiveGymnax

if TYPE_CHECKING:
    from lrdqn.interop.vector import LiveVectorEnv


def live_vector_env(
    *overrides: str, sessions: int = 64, seed: int = 0, flat: bool = False
) -> LiveVectorEnv:
    """Return a batch of live sessions as a ``gymnasium.vector.VectorEnv``.

    Args:
        overrides: keys of the environment, ``env.streamers=200``, as ``lrdqn train`` takes them.
        sessions: number of sessions that step together.
        seed: of the world: its streamers, users and schedule. Sessions are seeded by
            ``reset(seed=)``.
        flat: one float32 vector per session (``interop.flatten``) instead of a dictionary of
            ``LiveObs``'s fields.

    Raises:
        InputError: gymnasium is not installed, or a population folder is not valid.
        ConfigError: an override is wrong.
    """
    try:
        from lrdqn.interop.vector import LiveVectorEnv
    except ImportError as error:
        raise InputError("live_vector_env: needs gymnasium; pip install 'lrdqn[gym]'") from error
    config = live_config(overrides)
    return LiveVectorEnv(build.build_env(config, sessions), live_params(config, seed), flat)


def live_gymnax_env(
    *overrides: str, seed: int = 0, flat: bool = True, legacy: bool = False
) -> LiveGymnax:
    """Return one live session as an environment with gymnax's interface; gymnax itself is not
    needed.

    Args:
        overrides, seed, flat: as in ``live_vector_env``; without ``flat`` an observation is a
            ``LiveObs`` without its axis N.
        legacy: ``step`` returns five values with ``done``, as before gymnax 1.0, instead of six.

    Raises: InputError: a population folder is not valid.
        ConfigError: an override is wrong.
    """
    config = live_config(overrides)
    return LiveGymnax(build.build_env(config, 1), live_params(config, seed), flat, legacy)


def live_config(overrides: tuple[str, ...]) -> LiveConfig:
    """Return the frozen configuration of a live world.

    Raises:
        ConfigError: unknown key, wrong type, value out of range, sizes that do not fit.
    """
    values = OmegaConf.structured(LiveConfig)
    for override in overrides:
        key, equals, value = override.partition("=")
        if not (equals and key.startswith("env.")):
            raise ConfigError(key, value, "must be a key of the environment, env.KEY=VALUE")
        try:
            values = OmegaConf.merge(
                values, OmegaConf.from_dotlist([override.removeprefix("env.")])
            )
        except ConfigKeyError as error:
            known = [f"env.{field.name}" for field in dataclasses.fields(LiveConfig)]
            raise ConfigError(key, value, unknown_key(key, known)) from error
        except OmegaConfBaseException as error:
            raise ConfigError(key, value, str(error).partition("\n")[0]) from error
    env = OmegaConf.to_container(cast(DictConfig, values))
    if cast(dict[str, object], env)["slate"] != 1:
        raise ConfigError(
            "env.slate", cast(dict[str, object], env)["slate"], "an action is one place; must be 1"
        )
    return freeze(CalibrateRun, dataclasses.asdict(CalibrateRun()) | {"env": env}).env


def live_params(config: LiveConfig, seed: int) -> LiveParams:
    """Return the world of one seed, on the device: the world that ``lrdqn train train.seed=SEED``
    gives its first seed."""
    return jax.tree.map(lambda x: jax.numpy.asarray(x[0]), build.build_worlds(config, seed, 1))

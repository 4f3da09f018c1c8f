"""Another package's environment: a bandit, one pull per session, every seed with arms of its
own."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp

from lrdqn.config import EnvConfig
from lrdqn.config.family import EnvFamily
from lrdqn.config.fields import float_field, int_field
from lrdqn.types import Env, EnvSpec, TimeStep


@dataclass
class BanditConfig(EnvConfig):
    arms: int = int_field(10, 2, "arms; their mean rewards are uniform on [0, 1]")
    noise: float = float_field(0.0, 0.0, 10.0, "standard deviation of a reward around its mean")


def world(config, rng):
    return {"mean": rng.uniform(size=config.arms)}


def make(config, sessions):
    obs, ended = jnp.ones((sessions, 1)), jnp.ones(sessions, bool)

    def reset(key, params):
        return (), obs

    def step(key, state, action, params):
        reward = params["mean"][action] + config.noise * jax.random.normal(key, (sessions,))
        return (), TimeStep(obs, reward, ended, ~ended, obs, elapsed=jnp.ones(sessions), info={})

    spec = EnvSpec(
        "bandit",
        sessions,
        actions=config.arms,
        slate=1,
        observation="vector",
        horizon=1,
        obs_shape=(1,),
    )
    return Env(spec, reset, step, catalogue=lambda params: ())


PLUGIN = EnvFamily(BanditConfig, make, world)

"""A Q-network from its configuration: the one that reads what the environment shows."""

from __future__ import annotations

import jax

from lrdqn.config import InputError, NetworkConfig
from lrdqn.config.network import READS
from lrdqn.networks.cnn import make_cnn
from lrdqn.networks.document_scorer import make_documents
from lrdqn.networks.flatten import flat_size, on_flat_observations
from lrdqn.networks.live_scorer import Shapes, make_scorer
from lrdqn.networks.mlp import make_mlp
from lrdqn.networks.slates import SlateTable
from lrdqn.networks.table import make_table
from lrdqn.ops.values import Values
from lrdqn.types import Env, Network, PyTree

CHANGING = ("candidates", "documents")
"""Kinds of observations of a changing set of candidates."""


def make_network(
    config: NetworkConfig, env: Env, worlds: PyTree, values: Values, slates: SlateTable = None
) -> Network:
    """Return the Q-network; a scorer takes its widths from the worlds.

    Args:
        config: which network, and its widths.
        env: what it plays.
        worlds: parameters ``[seeds, ...]`` of the environment, or their shapes.
        values: what the last axis of the output means.
        slates: places ``[M, P]`` of each slate that is scored; ``None`` scores single candidates.

    Raises:
        InputError: it cannot read this environment's observations.
    """
    shown, fixed = env.spec.observation, env.spec.observation not in CHANGING
    flat = slates is not None and config.name == "mlp" and not fixed
    if shown not in READS[config.name] and not flat:
        fitting = " or ".join(f"network={name}" for name, read in READS.items() if shown in read)
        advice = f"use {fitting}" if fitting else "no network reads that"
        reads = f"reads {' or '.join(READS[config.name])}, and env={env.spec.name} shows {shown}"
        raise InputError(f"network={config.name}: {reads}; {advice}")
    if config.name == "table":
        return make_table(env.spec)
    if fixed:
        return {"mlp": make_mlp, "cnn": make_cnn}[config.name](config, env.spec, values)
    one = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape[1:], x.dtype), worlds)
    _, obs = jax.eval_shape(env.reset, jax.eval_shape(lambda: jax.random.key(0)), one)
    catalogue = jax.eval_shape(env.catalogue, one)
    if flat and slates is not None:
        size = (flat_size(obs, catalogue),)
        vectors = env.spec._replace(observation="vector", actions=len(slates), obs_shape=size)
        return on_flat_observations(make_mlp(config, vectors, values), slates)
    if shown == "documents":
        return make_documents(config, obs, catalogue, values, slates)
    return make_scorer(config, Shapes.of(one.catalogue, obs), values, slates)

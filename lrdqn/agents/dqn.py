"""Deep Q-learning as pure functions (Mnih et al. 2015, algorithm 1); the target rule and the loss are seams."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import Array
from jaxtyping import Float, Int, PRNGKeyArray

from lrdqn.config import AgentConfig
from lrdqn.ops.exploration import epsilon_greedy
from lrdqn.ops.losses import LOSSES
from lrdqn.ops.masking import masked
from lrdqn.ops.targets import TARGETS
from lrdqn.types import Agent, Hypers, Network, Params, Policy, PyTree, QOutput, Sample, TimeStep, View


class AgentState(NamedTuple):
    """Online and target parameters and the optimiser's state."""

    params: Params
    target_params: Params
    opt_state: Any


def make_optimizer(config: AgentConfig) -> optax.GradientTransformation:
    """Direction of a step; the caller multiplies it by ``-learning_rate``, which may be a traced value (DESIGN P2)."""
    rules = {
        "adam": lambda: optax.scale_by_adam(eps=config.adam_eps),
        "rmsprop": lambda: optax.scale_by_rms(decay=0.95, eps=config.adam_eps),
        "sgd": optax.identity,
    }
    return optax.chain(optax.clip_by_global_norm(config.max_grad_norm), rules[config.optimizer]())


def bootstrap_values(
    network: Network, rule: str, target_params: Params, obs: PyTree, catalogue: PyTree, online: QOutput, key: PRNGKeyArray
) -> Float[Array, "B A"]:
    """Target values ``[B, A]`` that the rule will read.

    ``double`` reads the target network at one action, the online network's best. Only that one is computed (for a scorer, one
    candidate instead of all) and stands at every place of the row.
    """
    if rule != "double":
        return network.apply(target_params, obs, catalogue, key).q
    best = jnp.argmax(masked(online.q, online.mask), axis=-1).astype(jnp.int32)
    value = network.value(target_params, obs, best, catalogue, key)
    return jnp.broadcast_to(value[:, None], online.q.shape)


def make_dqn(config: AgentConfig, network: Network) -> Agent:
    """The DQN family.

    One update on a batch of (s, a, r, discount, s') with importance weights w::

        delta_i = y_i - Q(s_i, a_i; theta),    y_i = target rule (r, discount, Q(s'; theta), Q(s'; theta^-))
        theta  <- theta - learning_rate * direction( grad mean_i w_i loss(delta_i) )

    A TD error that is not finite is masked out of the loss and counted (``nonfinite``); a gradient that is not finite changes
    nothing (DESIGN P20). The same gate keeps it out of the priorities.

    Args:
        config: validated by ``freeze``.
        network: a ``Network`` for this environment's observations.

    Source: Mnih et al. 2015 (algorithm 1); van Hasselt et al. 2016 (double); Schaul et al. 2016 (weights, algorithm 1).
    """
    optimizer, target_rule, loss_rule = make_optimizer(config), TARGETS[config.target], LOSSES[config.loss]

    def init(key: PRNGKeyArray) -> AgentState:
        params = network.init(key)
        # A copy, not an alias: the state is donated, and a buffer can be donated once.
        return AgentState(params, jax.tree.map(jnp.copy, params), optimizer.init(params))

    def act(state: AgentState, obs: PyTree, catalogue: PyTree, epsilon: Float[Array, ""], key: PRNGKeyArray) -> Int[Array, "N"]:
        explore_key, noise_key = jax.random.split(key)
        out = network.apply(state.params, obs, catalogue, noise_key)
        u = jax.random.uniform(explore_key, out.q.shape[:1])
        return jax.vmap(epsilon_greedy, in_axes=(0, 0, 0, None))(u, out.q, out.mask, epsilon)

    def update(
        state: AgentState, sample: Sample, catalogue: PyTree, hypers: Hypers, key: PRNGKeyArray
    ) -> tuple[AgentState, Float[Array, "B"], dict[str, Array]]:
        t = sample.transition
        online_key, select_key, target_key = jax.random.split(key, 3)
        online = network.apply(state.params, t.next_obs, catalogue, select_key)
        target_q = bootstrap_values(network, config.target, state.target_params, t.next_obs, catalogue, online, target_key)
        y = jax.vmap(target_rule)(t.reward, t.discount, online.q, target_q, online.mask)

        def loss_fn(params: Params) -> tuple[Float[Array, ""], tuple[Array, Array]]:
            q = network.value(params, t.obs, t.action, catalogue, online_key)
            td = y - q
            finite = jnp.isfinite(td)
            losses = jax.vmap(loss_rule)(jnp.where(finite, td, 0.0))
            return jnp.mean(sample.weights * losses), (td, q)

        (loss, (td, q)), grads = jax.value_and_grad(loss_fn, has_aux=True)(state.params)
        norm = optax.tree.norm(grads)
        sound = jnp.isfinite(norm)
        direction, opt_state = optimizer.update(grads, state.opt_state)
        moved = jax.tree.map(lambda p, d: p - hypers.learning_rate * d, state.params, direction)
        params, opt_state = jax.tree.map(
            lambda new, old: jnp.where(sound, new, old), (moved, opt_state), (state.params, state.opt_state)
        )
        finite = jnp.isfinite(td)
        metrics = {
            "loss": loss,
            "q": jnp.mean(q),
            "td_error": jnp.mean(jnp.where(finite, jnp.abs(td), 0.0)),
            "grad_norm": jnp.where(sound, norm, 0.0),
            "nonfinite": jnp.sum(~finite) + ~sound,
        }
        return AgentState(params, state.target_params, opt_state), td, metrics

    def sync(state: AgentState, hypers: Hypers) -> AgentState:
        moved = optax.incremental_update(state.params, state.target_params, hypers.tau)
        return state._replace(target_params=moved)

    return Agent(init, act, update, sync, lambda state: state.params)


def make_greedy(network: Network) -> Policy:
    """The greedy policy of a Q-network. Its state is the parameters, so ``init`` gives an untrained one."""

    def scores(state: Params, view: View, key: PRNGKeyArray) -> Float[Array, "B A"]:
        out = network.apply(state, view.obs, view.catalogue, key)
        return masked(out.q, out.mask)

    def act(state: Params, view: View, key: PRNGKeyArray) -> tuple[Int[Array, "B"], Params]:
        return jnp.argmax(scores(state, view, key), axis=-1).astype(jnp.int32), state

    def observe(state: Params, timestep: TimeStep) -> Params:
        del timestep
        return state

    return Policy(network.init, scores, act, observe)

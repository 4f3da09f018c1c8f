"""Deep Q-learning as pure functions (Mnih et al. 2015, algorithm 1), with exchangeable target rule,
head, loss, replay and horizon."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, cast

import jax
import jax.numpy as jnp
import optax
from jax import Array
from jax.flatten_util import ravel_pytree
from jaxtyping import Float, Int, PRNGKeyArray

from lrdqn.agents.dqn.config import DQNConfig
from lrdqn.agents.dqn.targets import TargetInputs, TargetRule, make_target
from lrdqn.ops.exploration import epsilon_greedy
from lrdqn.ops.masking import masked
from lrdqn.ops.values import Values
from lrdqn.types import (
    Agent,
    Hypers,
    Network,
    Params,
    Policy,
    PyTree,
    Sample,
    TimeStep,
    Transition,
    View,
)


class AgentState(NamedTuple):
    """Online and target parameters and the optimiser's state."""

    params: Params
    target_params: Params
    """``()`` if the target rule reads no target network."""
    opt_state: Any


def make_optimizer(config: DQNConfig) -> optax.GradientTransformation:
    """Return the optimiser of ``config``. It gives the direction of a step; the caller multiplies
    it by ``-learning_rate``, which may be a traced value. Weight decay is decoupled from the
    gradient (Loshchilov and Hutter 2019, algorithm 2)."""
    rules = {
        "adam": lambda: optax.scale_by_adam(eps=config.adam_eps),
        "radam": lambda: optax.scale_by_radam(eps=config.adam_eps),
        "rmsprop": lambda: optax.scale_by_rms(decay=0.95, eps=config.adam_eps),
        "sgd": optax.identity,
    }
    parts = [rules[config.optimizer]()]
    if config.max_grad_norm is not None:
        parts.insert(0, optax.clip_by_global_norm(config.max_grad_norm))
    if config.weight_decay:
        parts.append(optax.add_decayed_weights(config.weight_decay))
    return parts[0] if len(parts) == 1 else optax.chain(*parts)


class UpdateRule(NamedTuple):
    """The interface between this update and agents that act in other ways: the target of a
    transition, the action it is credited to, and a further loss."""

    target: TargetRule
    """The bootstrap of a transition (``TargetRule``)."""
    credit: Callable[[Transition], tuple[Int[Array, "B"], Float[Array, "B"]]]
    """``credit(t) -> action, weight``: the action whose value is moved towards the target, and the
    weight of its loss."""
    auxiliary_loss: Callable[[Params, Transition, PyTree], Float[Array, "B"]] | None = None
    """``auxiliary_loss(params, t, catalogue)``: a further loss on the same parameters."""


def credit_action(t: Transition) -> tuple[Int[Array, "B"], Float[Array, "B"]]:
    """Return the action that was taken, with weight 1."""
    return t.action, jnp.ones_like(t.reward)


def make_dqn(
    config: DQNConfig, network: Network, values: Values, rule: UpdateRule | None = None
) -> Agent:
    """Return an agent of the DQN family.

    One update on a batch of (s, a, r, discount, s') with importance weights w

    ::

        y_i     = target by the target rule (agents.dqn.targets) and the value representation
                  (ops.values), no gradient
        delta_i = y_i - Q(s_i, a_i; theta)
        theta  <- theta - learning_rate * direction( grad mean_i w_i (c_i loss(delta_i) + aux_i) )

    has c_i = 1 and aux_i = 0, unless ``rule`` gives other credits or an auxiliary loss. A TD error
    that is not finite is masked out of the loss and of the priorities, and counted (``nonfinite``);
    a gradient that is not finite leaves the parameters unchanged.

    Args:
        config: validated by ``freeze``.
        network: a ``Network`` for this environment's observations.
        values: representation of the last axis of its output, and the loss on it.
        rule: target, credit and auxiliary loss; ``None`` is the target rule ``config.target`` on
            the actions that were taken.

    Source: Mnih et al. 2015 (algorithm 1); van Hasselt et al. 2016 (double); Schaul et al. 2016
    (weights, algorithm 1).
    """
    optimizer = make_optimizer(config)
    target, credit, auxiliary_loss = (
        UpdateRule(make_target(config), credit_action) if rule is None else rule
    )
    targetless = config.target == "lambda"

    def init(key: PRNGKeyArray) -> AgentState:
        params = network.init(key)
        # A copy, not an alias: the state is donated, and a buffer can be donated only once.
        return AgentState(
            params,
            () if targetless else jax.tree.map(jnp.copy, params),
            optimizer.init(ravel_pytree(params)[0]),
        )

    def act(
        state: AgentState,
        obs: PyTree,
        catalogue: PyTree,
        epsilon: Float[Array, ""],
        key: PRNGKeyArray,
    ) -> Int[Array, "N"]:
        explore_key, noise_key = jax.random.split(key)
        out = network.apply(state.params, obs, catalogue, noise_key)
        u = jax.random.uniform(explore_key, out.q.shape[:1])
        return jax.vmap(epsilon_greedy, in_axes=(0, 0, 0, None))(u, out.q, out.mask, epsilon)

    def update(
        state: AgentState, sample: Sample, catalogue: PyTree, hypers: Hypers, key: PRNGKeyArray
    ) -> tuple[AgentState, Float[Array, "B"], dict[str, Array]]:
        t = sample.transition
        action, credited = credit(t)
        online_key, target_key = jax.random.split(key)
        inputs = TargetInputs(network, values, state.params, state.target_params, catalogue, hypers)
        bootstrap = jax.lax.stop_gradient(target(inputs, t, target_key))

        def loss_fn(params: Params) -> tuple[Float[Array, ""], tuple[Array, Array]]:
            raw = network.value(params, t.obs, action, catalogue, online_key)
            _, td = jax.vmap(values.loss)(
                jax.lax.stop_gradient(raw), bootstrap.reward, bootstrap.discount, bootstrap.raw
            )
            finite = jnp.isfinite(td)
            # Prediction and target of a bad error are both replaced before the loss: 0 times its
            # infinite gradient would be NaN.
            parts = (where_rows(finite, x) for x in (raw, *bootstrap))
            losses = where_rows(finite, jax.vmap(values.loss)(*parts)[0])
            losses = credited * losses + (
                0.0 if auxiliary_loss is None else auxiliary_loss(params, t, catalogue)
            )
            return jnp.mean(sample.weights * losses), (credited * td, values.mean(raw))

        (loss, (td, q)), grads = jax.value_and_grad(loss_fn, has_aux=True)(state.params)
        # As one vector, a norm and an optimiser step are a few kernels, not a few per layer.
        gradient, layers_of = ravel_pytree(grads)
        norm = jnp.linalg.norm(gradient)
        sound = jnp.isfinite(norm)
        flat, _ = ravel_pytree(state.params)
        direction, opt_state = optimizer.update(gradient, state.opt_state, flat)
        moved = jax.tree.map(
            lambda p, d: p - hypers.learning_rate * d,
            state.params,
            layers_of(cast(Array, direction)),
        )
        params, opt_state = jax.tree.map(
            lambda new, old: jnp.where(sound, new, old),
            (moved, opt_state),
            (state.params, state.opt_state),
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
        if targetless:
            return state
        moved = optax.incremental_update(state.params, state.target_params, hypers.tau)
        return state._replace(target_params=moved)

    def policy_params(state: AgentState) -> Params:
        return state.target_params if config.policy == "target" else state.params

    def warm(state: AgentState, hypers: Hypers) -> AgentState:
        assert network.warm is not None
        params = network.warm(state.params, hypers)
        copy = () if targetless else jax.tree.map(jnp.copy, params)
        return state._replace(params=params, target_params=copy)

    return Agent(init, act, update, sync, policy_params, None if network.warm is None else warm)


def where_rows(keep: Array, x: Array) -> Array:
    """Return ``x [B, ...]`` with zeros in the rows that are not kept."""
    return jnp.where(keep.reshape(keep.shape + (1,) * (x.ndim - 1)), x, 0.0)


def make_greedy(network: Network) -> Policy:
    """Return the greedy policy of a Q-network, noisy layers at their means. Its state is the
    parameters; ``init`` returns untrained ones."""

    def scores(state: Params, view: View, key: PRNGKeyArray) -> Float[Array, "B A"]:
        del key
        out = network.apply(state, view.obs, view.catalogue, None)
        return masked(out.q, out.mask)

    def act(state: Params, view: View, key: PRNGKeyArray) -> tuple[Int[Array, "B"], Params]:
        return jnp.argmax(scores(state, view, key), axis=-1).astype(jnp.int32), state

    def observe(state: Params, timestep: TimeStep) -> Params:
        del timestep
        return state

    return Policy(network.init, scores, act, observe)

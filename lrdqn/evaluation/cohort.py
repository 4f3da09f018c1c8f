"""Evaluation on a fixed cohort of session starts, each played to its end or the horizon by several
policies.

All policies step in lockstep on the same random numbers (common random numbers) inside one compiled
program: policies are one more axis of the same environment step.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Bool, Float, Int, PRNGKeyArray

from lrdqn.evaluation.slate_metrics import (
    SlateSums,
    make_slate_metrics,
    mean_slate_metrics,
    no_slate_sums,
)
from lrdqn.evaluation.summary import GROUPS, NONFINITE
from lrdqn.types import Env, Policy, PyTree, TimeStep, View


class Outcome(NamedTuple):
    """Outcome of the cohort, per policy P and session N; sums over each session."""

    returns: Float[Array, "P N"]
    watch_minutes: Float[Array, "P N"]
    length: Float[Array, "P N"]
    """Decisions."""
    clicks: Float[Array, "P N"]
    quality: Float[Array, "P N"]
    """Quality of what was clicked, where the environment reports it."""
    censored: Bool[Array, "P N"]
    """Truncated by the horizon instead of terminated."""
    newcomers: Float[Array, "P N"]
    """Impressions of new streamers."""
    group: Int[Array, "P N"]
    """Index into ``GROUPS`` by the user's past interactions, -1 where the environment does not
    report it."""
    nonfinite: Int[Array, "P N"]
    """Rewards and observations that were not finite; they count as 0."""
    slates: SlateSums | None = None
    """``None`` where actions are not slates."""


class CohortKeys(NamedTuple):
    """A key for each consumer of randomness. (``fold_in(key, i)`` is ``split(key, n)[i]``: keys of
    one root must all come from one of the two.)"""

    reset: PRNGKeyArray
    env: PRNGKeyArray
    act: PRNGKeyArray
    init: PRNGKeyArray
    """Of policies' own states."""


class Players(NamedTuple):
    """Several policies, one after the other along the axis P, as one."""

    total: int
    decide: Callable[[tuple[PyTree, ...], View, PRNGKeyArray], tuple[Array, tuple[PyTree, ...]]]
    """``decide(states, view, key) -> actions [P, N], states``; ``obs`` and the state in ``truth``
    of the view are ``[P, N, ...]``, and only privileged policies see ``truth``."""
    remember: Callable[[tuple[PyTree, ...], TimeStep], tuple[PyTree, ...]]
    """``remember(states, timestep [P, N, ...]) -> states``"""


def make_players(groups: tuple[tuple[Policy, int], ...]) -> Players:
    """Join policies into one; ``groups`` as of ``make_cohort``."""
    counts = [count for _, count in groups]
    first = [sum(counts[:i]) for i in range(len(groups))]

    def members(tree: PyTree, group: int) -> PyTree:
        return jax.tree.map(lambda x: x[first[group] : first[group] + counts[group]], tree)

    def decide(
        states: tuple[PyTree, ...], view: View, key: PRNGKeyArray
    ) -> tuple[Array, tuple[PyTree, ...]]:
        chosen = []
        for g, ((policy, _), state) in enumerate(zip(groups, states, strict=True)):
            shown = View(members(view.obs, g), view.catalogue)
            if policy.privileged:
                env_state, world = view.truth
                shown = shown._replace(truth=(members(env_state, g), world))
            axes = View(0, None, (0, None) if policy.privileged else None)
            # by group, so that a baseline's draws do not depend on the number of learners
            keys = jax.random.split(jax.random.fold_in(key, g), counts[g])
            chosen.append(jax.vmap(policy.act, in_axes=(0, axes, 0))(state, shown, keys))
        actions, states = zip(*chosen, strict=True)
        return jnp.concatenate(actions), states

    def remember(states: tuple[PyTree, ...], timestep: TimeStep) -> tuple[PyTree, ...]:
        parts = (members(timestep, g) for g in range(len(groups)))
        return tuple(
            jax.vmap(policy.observe)(s, t)
            for (policy, _), s, t in zip(groups, states, parts, strict=True)
        )

    return Players(sum(counts), decide, remember)


def nothing_yet(shape: tuple[int, ...], slates: SlateSums | None = None) -> Outcome:
    """Return the outcome before the first step."""
    zero = jnp.zeros(shape)
    return Outcome(
        zero,
        zero,
        zero,
        zero,
        zero,
        jnp.zeros(shape, bool),
        zero,
        jnp.full(shape, -1, jnp.int32),
        jnp.zeros(shape, jnp.int32),
        slates,
    )


def accumulate(
    outcome: Outcome, alive: Any, t: TimeStep, measured: SlateSums | None = None
) -> tuple[Outcome, Any]:
    """Add one step, and the slate that led to it, to the outcome of the sessions that have not
    ended; return the outcome and which sessions go on.

    Arrays may be those of JAX or of NumPy.
    """
    live = alive.astype("float32")
    made = live if t.pending is None else live * t.pending.complete
    finite = abs(t.reward) < math.inf  # neither NaN nor infinite
    odd = ~finite + t.info.get("nonfinite_observations", 0)
    total = Outcome(
        returns=outcome.returns + jnp.where(alive & finite, t.reward, 0.0),
        watch_minutes=outcome.watch_minutes + live * t.info.get("seconds", 0.0) / 60,
        length=outcome.length + made,
        clicks=outcome.clicks + live * t.info.get("clicked", 0.0),
        quality=outcome.quality + live * t.info.get("quality", 0.0),
        censored=outcome.censored | (alive & t.truncated & ~t.terminated),
        newcomers=outcome.newcomers + live * t.info.get("newcomers", 0.0),
        # set by the first step that reports it
        group=outcome.group + (outcome.group < 0) * (t.info.get("cohort", -1) + 1),
        nonfinite=outcome.nonfinite + alive * odd,
        slates=jax.tree.map(lambda total, x: total + live * x, outcome.slates, measured),
    )
    return total, alive & ~(t.terminated | t.truncated)


class _Progress(NamedTuple):
    step: Array
    env: PyTree
    obs: PyTree
    policies: tuple[PyTree, ...]
    alive: Bool[Array, "P N"]
    outcome: Outcome


def make_cohort(
    env: Env, groups: tuple[tuple[Policy, int], ...]
) -> Callable[[tuple[PyTree, ...], PyTree, PRNGKeyArray], Outcome]:
    """Build ``evaluate(states, world, key) -> Outcome``.

    The cohort is the N session starts that ``key`` draws. A session counts until its first end, so
    that short and long ones weigh the same (counting all sessions that finish would favour short
    ones). The loop stops when every session has ended.

    Args:
        env: with ``env.spec.sessions`` = N.
        groups: policies, each with the number of states it is played with (the learners of a grid
            share one policy); P is their sum. ``evaluate`` takes one state per group, with that
            number as leading axis; ``None`` stands for fresh ones, ``policy.init(key)``.
    """
    players = make_players(groups)
    shape = (players.total, env.spec.sessions)
    look = make_slate_metrics(env.spec)
    measure = None if look is None else jax.vmap(look, in_axes=(0, None, 0, 0))

    def spread(tree: PyTree) -> PyTree:
        return jax.tree.map(lambda x: jnp.broadcast_to(x, (players.total, *x.shape)), tree)

    def initial(states: tuple[PyTree, ...], key: PRNGKeyArray) -> tuple[PyTree, ...]:
        keys = jax.random.split(key, len(groups))
        return tuple(
            jax.vmap(policy.init)(jax.random.split(own, count)) if state is None else state
            for (policy, count), state, own in zip(groups, states, keys, strict=True)
        )

    def evaluate(states: tuple[PyTree, ...], world: PyTree, key: PRNGKeyArray) -> Outcome:
        keys = CohortKeys(*jax.random.split(key, len(CohortKeys._fields)))
        catalogue = env.catalogue(world)
        if env.outside is None:
            env_state, obs = spread(env.reset(keys.reset, world))
        else:  # its state cannot be copied
            env_state, obs = jax.vmap(env.reset, in_axes=(0, None))(spread(keys.reset), world)
        nothing = nothing_yet(shape, no_slate_sums(env.spec, shape))
        first = initial(states, keys.init)
        start = _Progress(jnp.int32(0), env_state, obs, first, jnp.ones(shape, bool), nothing)

        def body(p: _Progress) -> _Progress:
            view = View(p.obs, catalogue, (p.env, world))
            actions, states = players.decide(p.policies, view, jax.random.fold_in(keys.act, p.step))
            step_key = jax.random.fold_in(keys.env, p.step)
            env_state, t = jax.vmap(env.step, in_axes=(None, 0, 0, None))(
                step_key, p.env, actions, world
            )
            measured = (
                None
                if measure is None or t.clicked_place is None
                else measure(p.obs, catalogue, actions, t.clicked_place)
            )
            outcome, alive = accumulate(p.outcome, p.alive, t, measured)
            return _Progress(
                p.step + 1, env_state, t.obs, players.remember(states, t), alive, outcome
            )

        def unfinished(p: _Progress) -> Array:
            return jnp.any(p.alive) & (p.step < env.spec.horizon)

        end = jax.lax.while_loop(unfinished, body, start)
        return end.outcome._replace(censored=end.outcome.censored | end.alive)

    return evaluate


METRICS: dict[str, str] = {
    "return": "returns",
    "watch_minutes": "watch_minutes",
    "session_length": "length",
    "clicks": "clicks",
    "censored": "censored",
}
"""Name in the files -> field of ``Outcome``."""


def per_seed(outcome: Any) -> dict[str, Any]:
    """Return means over the cohort, keeping leading axes: ``{metric: [..., P]}`` for an ``Outcome``
    of host arrays ``[..., P, N]``; of ``nonfinite``, which counts, the sum.

    Where the environment reports groups of users, each metric is also given by group,
    ``return/cold`` and so on (NaN where a seed's cohort has none of them), and so is the share of
    impressions of new streamers, ``new_streamers``. Where actions are slates, the slate metrics are
    added (``mean_slate_metrics``).
    """
    metrics = {name: getattr(outcome, field).mean(-1) for name, field in METRICS.items()}
    metrics[NONFINITE] = outcome.nonfinite.sum(-1)
    metrics |= mean_slate_metrics(outcome.slates, outcome.length, outcome.clicks, outcome.quality)
    if (outcome.group < 0).any():
        return metrics
    metrics["new_streamers"] = outcome.newcomers.sum(-1) / np.maximum(outcome.length.sum(-1), 1)
    for number, name in enumerate(GROUPS):
        among = outcome.group == number
        share = among / np.where(among.any(-1), among.sum(-1), np.nan)[..., None]
        metrics |= {
            f"{m}/{name}": (getattr(outcome, field) * share).sum(-1)
            for m, field in METRICS.items()
            if m != "censored"
        }
    return metrics


def joined(outcomes: Sequence[Any]) -> Any:
    """Return cohorts side by side as one, host arrays ``[..., P, N]``."""
    return jax.tree.map(lambda *x: np.concatenate(x, axis=-1), *outcomes)

"""Evaluation: a fixed cohort of session starts, each played to its end or the horizon by several
policies side by side.

All policies step in lockstep on the same random numbers (common random numbers), inside one
compiled program: their sessions are one more axis of the same environment step.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Bool, Float, Int, PRNGKeyArray

from lrdqn.evaluation.slate_metrics import Pages, make_slate_metrics, no_pages, page_metrics
from lrdqn.evaluation.summary import GROUPS
from lrdqn.types import Env, Policy, PyTree, TimeStep, View


class Outcome(NamedTuple):
    """What became of the cohort, per policy P and session N; sums over each session's own life."""

    returns: Float[Array, "P N"]
    watch_minutes: Float[Array, "P N"]
    length: Float[Array, "P N"]
    """Decisions."""
    clicks: Float[Array, "P N"]
    quality: Float[Array, "P N"]
    """Of what was clicked, where the world tells it."""
    censored: Bool[Array, "P N"]
    """Cut by the horizon instead of ending by itself."""
    newcomers: Float[Array, "P N"]
    """Impressions of streamers who were new."""
    group: Int[Array, "P N"]
    """Place in ``GROUPS`` by what lies behind the viewer, -1 where the environment does not
    tell."""
    pages: Pages | None = None
    """``None`` where actions are no slates."""


class Players(NamedTuple):
    """Several policies, one after the other along the axis P, as one."""

    total: int
    decide: Callable[[tuple[PyTree, ...], View, PRNGKeyArray], tuple[Array, tuple[PyTree, ...]]]
    """``decide(states, view, key) -> actions [P, N], states``; of the view, ``obs`` and the state
    in ``truth`` are ``[P, N, ...]``, and only privileged policies are shown ``truth``."""
    remember: Callable[[tuple[PyTree, ...], TimeStep], tuple[PyTree, ...]]
    """``remember(states, timestep [P, N, ...]) -> states``"""


def make_players(groups: tuple[tuple[Policy, int], ...]) -> Players:
    """Join policies; ``groups`` as of ``make_cohort``."""
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
            # by group, so that a baseline's luck does not depend on how many learners there are
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


def nothing_yet(shape: tuple[int, ...], pages: Pages | None = None) -> Outcome:
    """The outcome before the first step."""
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
        pages,
    )


def accumulate(
    outcome: Outcome, alive: Any, t: TimeStep, page: Pages | None = None
) -> tuple[Outcome, Any]:
    """What one step, and the page that led to it, add for the sessions that have not ended yet, and
    which of them go on; arrays of jax or of NumPy."""
    live = alive.astype("float32")
    made = live if t.pending is None else live * t.pending.complete
    total = Outcome(
        returns=outcome.returns + live * t.reward,
        watch_minutes=outcome.watch_minutes + live * t.info.get("seconds", 0.0) / 60,
        length=outcome.length + made,
        clicks=outcome.clicks + live * t.info.get("clicked", 0.0),
        quality=outcome.quality + live * t.info.get("quality", 0.0),
        censored=outcome.censored | (alive & t.truncated & ~t.terminated),
        newcomers=outcome.newcomers + live * t.info.get("newcomers", 0.0),
        # the first step tells it, and it stays
        group=outcome.group + (outcome.group < 0) * (t.info.get("cohort", -1) + 1),
        pages=jax.tree.map(lambda total, x: total + live * x, outcome.pages, page),
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

    The cohort is the N session starts that ``key`` draws; a session counts until its first end, so
    short and long ones weigh the same (counting whatever happened to finish would favour short
    ones). The loop stops when nobody is left.

    Args:
        env: with ``env.spec.sessions`` = N.
        groups: policies, each with the number of states it is played with (the learners of a grid
            share one policy); P is their sum. ``evaluate`` takes one state per group, with that
            number as leading axis.
    """
    players = make_players(groups)
    shape = (players.total, env.spec.sessions)
    look = make_slate_metrics(env.spec)
    figures = None if look is None else jax.vmap(look, in_axes=(0, None, 0, 0))

    def spread(tree: PyTree) -> PyTree:
        return jax.tree.map(lambda x: jnp.broadcast_to(x, (players.total, *x.shape)), tree)

    def evaluate(states: tuple[PyTree, ...], world: PyTree, key: PRNGKeyArray) -> Outcome:
        reset_key, env_key, act_key = jax.random.split(key, 3)
        catalogue = env.catalogue(world)
        if env.outside is None:
            first = env.reset(reset_key, world)
        else:  # its state cannot be copied
            first = jax.vmap(env.reset, in_axes=(0, None))(spread(reset_key), world)
        nothing = nothing_yet(shape, no_pages(env.spec, shape))
        env_state, obs = spread(first) if env.outside is None else first
        start = _Progress(jnp.int32(0), env_state, obs, states, jnp.ones(shape, bool), nothing)

        def body(p: _Progress) -> _Progress:
            view = View(p.obs, catalogue, (p.env, world))
            actions, states = players.decide(p.policies, view, jax.random.fold_in(act_key, p.step))
            step_key = jax.random.fold_in(env_key, p.step)
            env_state, t = jax.vmap(env.step, in_axes=(None, 0, 0, None))(
                step_key, p.env, actions, world
            )
            page = (
                None
                if figures is None or t.clicked_place is None
                else figures(p.obs, catalogue, actions, t.clicked_place)
            )
            outcome, alive = accumulate(p.outcome, p.alive, t, page)
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
    """Mean over the cohort, keeping leading axes: ``{metric: [..., P]}`` for an ``Outcome`` of host
    arrays ``[..., P, N]``.

    Where viewers are told apart, each metric also by group of viewers, ``return/cold`` and so on
    (NaN where a seed's cohort has none of them), and the share of impressions that went to new
    streamers, ``new_streamers``. Where actions are slates, also what their pages were like
    (``slate_figures``).
    """
    figures = {name: getattr(outcome, field).mean(-1) for name, field in METRICS.items()}
    figures |= page_metrics(outcome.pages, outcome.length, outcome.clicks, outcome.quality)
    if (outcome.group < 0).any():
        return figures
    figures["new_streamers"] = outcome.newcomers.sum(-1) / np.maximum(outcome.length.sum(-1), 1)
    for number, name in enumerate(GROUPS):
        among = outcome.group == number
        share = among / np.where(among.any(-1), among.sum(-1), np.nan)[..., None]
        figures |= {
            f"{m}/{name}": (getattr(outcome, field) * share).sum(-1)
            for m, field in METRICS.items()
            if m != "censored"
        }
    return figures


def joined(outcomes: Sequence[Any]) -> Any:
    """Cohorts side by side as one, host arrays ``[..., P, N]``."""
    return jax.tree.map(lambda *x: np.concatenate(x, axis=-1), *outcomes)

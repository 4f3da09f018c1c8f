"""RecSim's environments as a batch of users: one step loop around three tasks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, Int, PRNGKeyArray

from lrdqn.envs.recsim.config import RecsimConfig
from lrdqn.envs.recsim.evolution import make_evolution
from lrdqn.envs.recsim.exploration import make_exploration
from lrdqn.envs.recsim.satisfaction import make_satisfaction
from lrdqn.envs.recsim.task import Documents, Response, Task, at
from lrdqn.observations import DocumentObs, Topics
from lrdqn.ops.slates import existing
from lrdqn.types import Env, EnvSpec, PyTree, TimeStep

TASKS: dict[str, Callable[[RecsimConfig, int], Task]] = {
    "interest_evolution": make_evolution,
    "interest_exploration": make_exploration,
    "long_term_satisfaction": make_satisfaction,
}
"""Builders of a task by the name in ``env.task``."""


class RecsimState(NamedTuple):
    """State of N users: the user, the documents on offer, and the response to the last slate."""

    user: PyTree
    documents: Documents
    response: Response
    steps: Int[Array, "N"]
    memory: Float[Array, "N M"]
    """Running sums of ``env.memory``."""


def make_memory(decays: Sequence[float]) -> Callable[[Array, Array, Array], Float[Array, "N M"]]:
    """Build ``remember``, which adds a step's response to running sums, three for each decay.

    ``m <- decay m + scale (1, log1p(watch), quality of the clicked document)``. The scale is 1 -
    decay, which makes the sum an average, and 1/20 where the decay is 1. With a decay of 1 the sums
    determine the remaining budget of interest evolution (``sampler=utility``), which is otherwise
    hidden.

    Source: the sufficient statistics of RecSim's agent layers (Ie et al. 2019, RecSim, section 4).
    """
    kept = jnp.repeat(jnp.asarray(decays, jnp.float32), 3)[None]
    scale = jnp.where(kept < 1, 1 - kept, 0.05)

    def remember(
        memory: Float[Array, "N M"], watch: Float[Array, "N"], quality: Float[Array, "N"]
    ) -> Float[Array, "N M"]:
        now = jnp.stack([jnp.ones_like(watch), jnp.log1p(watch), quality], axis=1)
        return kept * memory + scale * jnp.tile(now, (1, len(decays)))

    return remember


def make_recsim_task(config: RecsimConfig, sessions: int) -> Task:
    """Return the laws of ``env.task`` without the step loop; its ``weights`` are those of the
    users' choice model."""
    return TASKS[config.task](config, sessions)


def make_recsim(config: RecsimConfig, sessions: int) -> Env:
    """Build ``env.task``. ``params`` is ``()``; the action is a slate of places ``[N, K]``, best
    first, or ``[N]`` where K is 1.

    Documents are drawn anew at each step. They do not depend on the user, so a session that begins
    is offered the documents that its predecessor would have been offered next. ``info`` holds per
    user ``clicked``, ``place`` (K where nothing was clicked), ``quality`` of the clicked document
    (0 where none), ``watch``, ``steps`` of the session so far, and ``seconds`` where watch is a
    time.

    Args:
        config: validated by ``freeze``.
        sessions: N.

    Source: Ie et al. 2019 (RecSim, arXiv 1909.04847); envs/recsim/README.md, sections 1 to 3.
    """
    task = make_recsim_task(config, sessions)
    remember, size = make_memory(config.memory), 3 * len(config.memory)
    unanswered = Response(
        jnp.full(sessions, config.slate, jnp.int8),
        jnp.zeros(sessions),
        jnp.zeros((sessions, config.slate)),
    )

    def observe(state: RecsimState) -> DocumentObs:
        mask = jnp.ones((sessions, config.candidates), bool)
        return DocumentObs(
            task.see(state.user), *state.documents, mask, *state.response, state.memory
        )

    def first(draws: PyTree) -> RecsimState:
        none = jnp.zeros(sessions, jnp.int32), jnp.zeros((sessions, size))
        return RecsimState(task.begin(draws), task.offer(draws), unanswered, *none)

    def reset(key: PRNGKeyArray, params: PyTree) -> tuple[RecsimState, DocumentObs]:
        del params
        state = first(task.draw(key))
        return state, observe(state)

    def step(
        key: PRNGKeyArray, state: RecsimState, action: Array, params: PyTree
    ) -> tuple[RecsimState, TimeStep]:
        del params
        draws = task.draw(key)
        slate, there = existing(action.reshape(sessions, config.slate), config.candidates)
        topic, features = state.documents
        shown = Documents(
            jnp.take_along_axis(topic, slate, axis=1),
            jnp.take_along_axis(features, slate[:, :, None], axis=1),
        )
        answer = task.respond(state.user, shown, there, draws)
        fresh = first(draws)
        place, watch, quality = answer.response
        clicked = place < config.slate
        taken = jnp.where(clicked, at(jnp.where(clicked, place, 0), quality), 0.0)
        memory = remember(state.memory, watch, taken)
        after = RecsimState(answer.user, fresh.documents, answer.response, state.steps + 1, memory)
        truncated = after.steps >= config.horizon
        done = answer.terminated | truncated

        def chosen(new: Array, old: Array) -> Array:
            return jnp.where(done.reshape(done.shape + (1,) * (old.ndim - 1)), new, old)

        following = jax.tree.map(chosen, fresh, after)
        info = {
            "clicked": clicked,
            "place": place,
            "quality": taken,
            "watch": watch,
            "steps": after.steps,
        }
        info |= {"seconds": task.minute * watch} if task.minute else {}
        timestep = TimeStep(
            observe(following),
            answer.reward,
            answer.terminated,
            truncated,
            observe(after),
            jnp.ones(sessions),
            info,
            clicked_place=place,
        )
        return following, timestep

    def catalogue(params: PyTree) -> Topics:
        del params
        return task.topics

    spec = EnvSpec(
        f"recsim/{config.task}",
        sessions,
        config.candidates,
        config.slate,
        "documents",
        config.horizon,
        (),
    )
    return Env(spec, reset, step, catalogue)

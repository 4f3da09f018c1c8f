"""The reference slate benchmark as a batch of users: one loop around three tasks."""

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
from lrdqn.types import Env, EnvSpec, PyTree, TimeStep

TASKS: dict[str, Callable[[RecsimConfig, int], Task]] = {
    "interest_evolution": make_evolution,
    "interest_exploration": make_exploration,
    "long_term_satisfaction": make_satisfaction,
}
"""By ``env.task``."""


class RecsimState(NamedTuple):
    """N users, what they are offered, and how they answered last."""

    user: PyTree
    documents: Documents
    response: Response
    steps: Int[Array, "N"]
    memory: Float[Array, "N M"]
    """Running sums of ``env.memory``."""


def make_memory(decays: Sequence[float]) -> Callable[[Array, Array, Array], Float[Array, "N M"]]:
    """``m <- decay m + scale (1, log1p(watch), quality of what was taken)`` for each decay, of a
    step's response.

    The scale is 1 - decay, which makes an average of it, and 1/20 where nothing is forgotten. With
    a decay of 1 the sums tell what a user of interest evolution has left (``sampler=utility``),
    which is hidden otherwise. Source: the sufficient statistics of RecSim's agent layers (Ie et al.
    2019, RecSim, section 4).
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
    """The laws of ``env.task`` alone, whose ``weights`` say how users choose."""
    return TASKS[config.task](config, sessions)


def make_recsim(config: RecsimConfig, sessions: int) -> Env:
    """Build ``env.task``, of which ``params`` is ``()``. The action is a slate of places
    ``[N, K]``, best first.

    ``[N]`` will do where K is 1. Documents are drawn anew at each step, and since they do not
    depend on the user, a session that ended is shown those that would have followed. ``info`` holds
    per user: ``clicked``, ``place`` (K where none), ``quality`` of what was clicked (0 where none),
    ``watch``, ``steps`` of the session so far, and ``seconds`` where watch is a time.

    Args:
        config: validated by ``freeze``.
        sessions: N.

    Source: Ie et al. 2019 (RecSim, arXiv 1909.04847); RECSIM sections 1 to 3.
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
        draws, slate = task.draw(key), action.reshape(sessions, config.slate)
        topic, features = state.documents
        shown = Documents(
            jnp.take_along_axis(topic, slate, axis=1),
            jnp.take_along_axis(features, slate[:, :, None], axis=1),
        )
        answer = task.respond(state.user, shown, draws)
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

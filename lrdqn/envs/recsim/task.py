"""Parts that the three tasks share: documents, the response to a slate, and the functions of a
task."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Bool, Float, Int, PRNGKeyArray

from lrdqn.observations import DocumentObs, Topics
from lrdqn.ops.choice import choose
from lrdqn.types import PyTree


class Documents(NamedTuple):
    """Observed part of documents: those on offer ``[N, m]`` or those on a slate ``[N, K]``."""

    topic: Int[Array, "N C"]
    features: Float[Array, "N C F"]


class Response(NamedTuple):
    """Observed part of a user's response to a slate."""

    place: Int[Array, "N"]
    """int8; K where nothing was clicked."""
    watch: Float[Array, "N"]
    quality: Float[Array, "N K"]


class Answer(NamedTuple):
    """Outcome of a slate: the user afterwards, the response, the reward, the end of the session."""

    user: PyTree
    response: Response
    reward: Float[Array, "N"]
    terminated: Bool[Array, "N"]


class Task(NamedTuple):
    """One environment as pure functions of N users. ``draws`` holds all random numbers of one step
    by name."""

    draw: Callable[[PRNGKeyArray], Any]
    """``draw(key) -> draws``"""
    begin: Callable[[Any], PyTree]
    """``begin(draws) -> user``: a new user."""
    offer: Callable[[Any], Documents]
    """``offer(draws) -> documents [N, m]``; they do not depend on the user."""
    respond: Callable[[PyTree, Documents, Bool[Array, "N K"], Any], Answer]
    """``respond(user, shown [N, K], there [N, K], draws) -> answer``; ``there`` marks the places
    where a document is shown."""
    see: Callable[[PyTree], Float[Array, "N U"]]
    """``see(user) -> [N, U]``: the observed part of a user."""
    topics: Topics
    weights: Callable[[DocumentObs], tuple[Float[Array, "N C"], Float[Array, "N"]]]
    """``weights(obs) -> v [N, m], v_0 [N]``: the choice model's weights of the documents on offer
    and of "nothing", as far as the observation determines them."""
    minute: float
    """Seconds in a unit of watch; 0 where watch is not a time."""


def topics_of(content: np.ndarray) -> Topics:
    """Return the table of ``content [T, F]`` with a row of zeros for the empty item behind it; a
    last column marks that row."""
    table = np.zeros((content.shape[0] + 1, content.shape[1] + 1), np.float32)
    table[:-1, :-1], table[-1, -1] = content, 1
    return Topics(jnp.asarray(table))


def clicked_place(
    u: Float[Array, "N"], chances: Float[Array, "N K"]
) -> tuple[Bool[Array, "N"], Int[Array, "N"], Int[Array, "N"]]:
    """Draw the choice: whether there is a click, its place (0 where none) and the place as
    responses report it (K where none)."""
    clicked, place = choose(u, chances)
    return clicked, place, jnp.where(clicked, place, chances.shape[1]).astype(jnp.int8)


def at(place: Int[Array, "N"], x: Array) -> Array:
    """Return ``x [N, K, ...]`` at one place of each slate."""
    return jnp.take_along_axis(x, place.reshape(place.shape + (1,) * (x.ndim - 1)), axis=1)[:, 0]

"""Encoders of the watch history: ``mean`` (weighted means of content), and ``gru`` and
``attention``, which append a learned vector to these means."""

from __future__ import annotations

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx
from jax import Array
from jaxtyping import Bool, Float

from lrdqn.observations import Catalogue, LiveObs, Reaction
from lrdqn.ops.history import watch_weight, weighted_mean
from lrdqn.ops.masking import MASKED

BOUNCE_LOG_SECONDS = 3.0
"""log1p of about 20 s: a shorter watch is a bounce, evidence against its content."""

LOG_WATCH_SCALE = 4.0
"""Divisor of log seconds that gives them a spread of about 1, as the other inputs have."""

REACTIONS = (Reaction.LIKE, Reaction.COMMENT, Reaction.GIFT, Reaction.FOLLOW)

PLACES = 64
"""Number of position embeddings; older watches share the last one."""


class Profiles(NamedTuple):
    """Summary of the history: mean content of watches, mean content of bounces, and mean category
    of watches."""

    liked: Float[Array, "B d"]
    disliked: Float[Array, "B d"]
    categories: Float[Array, "B G"]


def read_history(obs: LiveObs, catalogue: Catalogue) -> Profiles:
    """Return weighted means over the last H watches, with weights ``min(1, w / 300 s)``; for
    ``disliked``, the weight is 1 for a bounce and 0 otherwise."""
    log_watch = obs.history_watch.astype(jnp.float32)
    weight = watch_weight(log_watch)
    bounced = ((log_watch < BOUNCE_LOG_SECONDS) & (log_watch > 0)).astype(jnp.float32)
    style, category = catalogue.style[obs.history], catalogue.category[obs.history]
    return Profiles(
        weighted_mean(style, weight), weighted_mean(style, bounced), weighted_mean(category, weight)
    )


def step_size(style: int, categories: int) -> int:
    """Return the length of one vector of ``read_steps``: style, category, log watch, reaction bits,
    and a 1."""
    return style + categories + 1 + len(REACTIONS) + 1


def read_steps(
    watches: tuple[Array, Array, Array], catalogue: Catalogue
) -> tuple[Float[Array, "... F"], Bool[Array, "..."]]:
    """Return watches as vectors ``(style, category, log seconds / 4, reaction bits, 1)``, and which
    places hold a watch.

    An empty place gives zeros throughout, whatever its log seconds and reactions are; the last
    entry, 1 for a watch, acts as the bias of a linear layer.

    Args:
        watches: ids, log seconds and reactions, ``[...]`` each; a place is empty where its id is
            ``S``.
        catalogue: content, row ``S`` the empty item.
    """
    streamer, log_watch, reaction = watches
    taken = streamer < catalogue.style.shape[0] - 1
    bits = [(reaction & bit) > 0 for bit in REACTIONS]
    numbers = jnp.stack([log_watch.astype(jnp.float32) / LOG_WATCH_SCALE, *bits, taken], axis=-1)
    content = (
        catalogue.style[streamer].astype(jnp.float32),
        catalogue.category[streamer].astype(jnp.float32),
    )
    return jnp.where(taken[..., None], jnp.concatenate([*content, numbers], axis=-1), 0.0), taken


def watches_of(obs: LiveObs) -> tuple[Array, Array, Array]:
    """Return ids, log seconds and reactions ``[B, H]``, newest first."""
    return obs.history, obs.history_watch, obs.history_reaction


class Mean(nnx.Module):
    """The profiles, concatenated. Nothing is learned, and the order of the watches is ignored."""

    def __init__(self, style: int, categories: int, width: int, rngs: nnx.Rngs) -> None:
        """Args: lengths of style and category; ignored; ignored."""
        del width, rngs
        self.size = 2 * style + categories

    def __call__(
        self, obs: LiveObs, catalogue: Catalogue, profiles: Profiles
    ) -> Float[Array, "B size"]:
        """Return ``(liked, disliked, categories)``."""
        del obs, catalogue
        return jnp.concatenate(profiles, axis=-1)


class Gru(nnx.Module):
    """The profiles and the last state of a gated recurrent unit that reads the watches from the
    oldest to the newest.

    ::

        r, z = sigmoid(W_r x + b_r + U_r h), sigmoid(W_z x + b_z + U_z h)
        h   <- (1 - z) * tanh(W_n x + b_n + r * (U_n h)) + z * h

    h starts at 0, and an empty place leaves it unchanged.

    Source: Cho et al. 2014, section 2.3, with the reset gate applied to ``U_n h``, so that one
    product serves all three; Hidasi et al. 2016 (GRU4Rec) for items in sessions.
    """

    def __init__(self, style: int, categories: int, width: int, rngs: nnx.Rngs) -> None:
        """Args: lengths of style and category; length of h; random streams."""
        self.size, self.width = 2 * style + categories + width, width
        self.cell = nnx.GRUCell(step_size(style, categories), width, rngs=rngs)

    def __call__(
        self, obs: LiveObs, catalogue: Catalogue, profiles: Profiles
    ) -> Float[Array, "B size"]:
        """Return ``(liked, disliked, categories, h)``."""

        # Recomputing inputs and gates in the backward pass is cheaper than storing them: it takes a
        # third less time on a CPU.
        @jax.checkpoint
        def advance(h: Array, watch: tuple[Array, Array, Array]) -> tuple[Array, None]:
            x, taken = read_steps(watch, catalogue)
            return jnp.where(taken[:, None], self.cell(h, x)[0], h), None

        start = jnp.zeros((obs.history.shape[0], self.width), jnp.float32)
        state, _ = jax.lax.scan(
            advance, start, jax.tree.map(jnp.transpose, watches_of(obs)), reverse=True
        )
        return jnp.concatenate([*profiles, state], axis=-1)


class Attention(nnx.Module):
    """The profiles and the watches pooled by one attention block with a learned query, which costs
    O(H) and not O(H^2).

    With place j counted from the newest watch, steps ``s_j``, learned positions ``P_j`` and, for
    each head, a learned query q

    ::

        x_j  = W s_j + P_j
        a    = softmax_j( q . (W_k x_j) / sqrt(d_head) )   over the places that hold a watch
        m    = W_o concat_heads( sum_j a_j W_v x_j )
        pool = m + W_2 relu(W_1 m + b_1) + b_2             0 for an empty history

    There is no dropout and no layer normalisation, which deep stacks need.

    Source: Vaswani et al. 2017, section 3.2 and equation 2; Kang and McAuley 2018 (SASRec), section
    III (items, learned positions, residual); Lee et al. 2019, section 3.2 (pooling by a learned
    query).
    """

    def __init__(self, style: int, categories: int, width: int, rngs: nnx.Rngs) -> None:
        """Args: lengths of style and category; length of the pooled vector, which has two heads if
        it is even; random streams."""
        self.size, heads = 2 * style + categories + width, 2 - width % 2
        self.step = nnx.Linear(step_size(style, categories), width, use_bias=False, rngs=rngs)
        self.place = nnx.Embed(PLACES, width, rngs=rngs)
        self.query = nnx.Param(jax.random.normal(rngs.params(), (heads, width // heads)))
        self.key, self.value, self.out = (
            nnx.Linear(width, width, use_bias=False, rngs=rngs) for _ in range(3)
        )
        self.inner, self.outer = (
            nnx.Linear(width, width, rngs=rngs),
            nnx.Linear(width, width, rngs=rngs),
        )

    def __call__(
        self, obs: LiveObs, catalogue: Catalogue, profiles: Profiles
    ) -> Float[Array, "B size"]:
        """Return ``(liked, disliked, categories, pool)``."""
        steps, taken = read_steps(watches_of(obs), catalogue)
        places = jnp.minimum(jnp.arange(steps.shape[1]), PLACES - 1)
        x = self.step(steps) + self.place(places)[None]
        (heads, d), width = self.query.shape, x.shape[2]
        key, value = (
            layer.kernel[...].reshape(width, heads, d) for layer in (self.key, self.value)
        )
        # Each head has one query for all rows: W_k is applied to the query and W_v to the pooled
        # sum, so that no key or value vector is ever formed.
        asked = jnp.einsum("wad,ad->wa", key, self.query[...]) / math.sqrt(d)
        scores = jnp.where(taken[:, None], jnp.einsum("wa,bjw->baj", asked, x), MASKED)
        # MASKED is finite, so that an empty history has equal weights and not NaN; its row is set
        # to zero below.
        pools = jnp.einsum("baj,bjw->baw", jax.nn.softmax(scores, axis=-1), x)
        mixed = self.out(jnp.einsum("baw,wad->bad", pools, value).reshape(-1, width))
        pooled = mixed + self.outer(jax.nn.relu(self.inner(mixed)))
        return jnp.concatenate(
            [*profiles, jnp.where(jnp.any(taken, axis=1)[:, None], pooled, 0.0)], axis=-1
        )


ENCODERS: dict[str, type] = {"mean": Mean, "gru": Gru, "attention": Attention}
"""``encoder = ENCODERS[name](style, categories, width, rngs)``;
``encoder(obs, catalogue, profiles)`` is ``[B, size]``."""

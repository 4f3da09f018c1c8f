"""Records of streamers from the log: what users did when a streamer was shown, and what followed.

Source: envs/live/README.md, section 16.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, Float

from lrdqn.envs.live.log.rows import Rows
from lrdqn.envs.live.log.users import UserProfiles
from lrdqn.observations import Catalogue
from lrdqn.ops.ridge import solve_ridge

OWN, LATER = 20.0, 60.0
"""Impressions at which a streamer's own mean counts as much as that of all, for what a user does
and for what follows (design)."""
FULL_WATCHES = (300.0, 600.0)
"""Seconds at which the effect of a watch on patience and on satisfaction is taken as full."""


def streamer_records(
    rows: Rows, profiles: UserProfiles, catalogue: Catalogue, known: Bool[Array, "S+1"]
) -> Float[Array, "S+1 R"]:
    """Estimate what distinguishes each streamer, with the user's taste controlled for.

    Each column but the last is the streamer's shrunken mean residual ``sum r_i / (n + m)``: r_i is
    what is left of an outcome after a linear regression, over all rows that it is defined on, on
    the match of taste and content, the user's habits, context and changing features; for what
    follows a click, also on that watch itself. Outcomes are click; stay; log seconds of a click;
    leaving out of impatience right after a click; requests that follow a click, and a stay; a
    return on the next day after a session with a click. The last column is ``log1p(impressions)``.
    Columns have mean 0 and spread 1 over the known streamers.

    Args:
        rows: impressions of the log.
        profiles: of the users.
        catalogue: content.
        known: streamers that the platform has met; the others have zeros.
    """
    streamers = catalogue.style.shape[0]
    content = jnp.concatenate([catalogue.style, catalogue.category], axis=1)
    match = jnp.sum(profiles.taste[rows.user] * content[rows.streamer], axis=1)
    before = jnp.concatenate([match[:, None], profiles.habits[rows.user], rows.context], axis=1)
    log_watch = jnp.log1p(rows.seconds)
    full = [jnp.minimum(rows.seconds / seconds, 1.0) for seconds in FULL_WATCHES]
    watch = jnp.stack([rows.clicked, rows.stayed, log_watch, *full], axis=1)
    after = jnp.concatenate([before, watch], axis=1)
    shown, clicked = rows.weight, rows.weight * rows.clicked
    click_known, stay_known = clicked * rows.complete, clicked * rows.stayed * rows.complete
    outcomes = (
        (rows.clicked, before, shown, OWN),
        (rows.stayed, before, shown, OWN),
        (log_watch, before, clicked, OWN),
        (rows.impatient, after, clicked, OWN),
        (rows.decisions, after, click_known, LATER),
        (rows.decisions, after, stay_known, LATER),
        (rows.returned, after, click_known, LATER),
    )

    def total(values: Array) -> Array:
        return jax.ops.segment_sum(values, rows.streamer, num_segments=streamers)

    columns = [
        total(weight * residual(y, x, weight)) / (total(weight) + shrinkage)
        for y, x, weight, shrinkage in outcomes
    ]
    table = jnp.stack([*columns, jnp.log1p(total(shown))], axis=1)
    share = known / jnp.maximum(jnp.sum(known), 1.0)
    centred = table - (share @ table)[None]
    spread = jnp.sqrt(share @ centred**2)[None]
    return jnp.where(known[:, None], centred / jnp.maximum(spread, 1e-6), 0.0)


def residual(
    y: Float[Array, "I"], x: Float[Array, "I p"], weight: Float[Array, "I"]
) -> Float[Array, "I"]:
    """Return ``y - b_0 - b . x``, the residual of the weighted least-squares fit."""
    total = jnp.maximum(jnp.sum(weight), 1.0)
    x, y = x - (weight @ x / total)[None], y - weight @ y / total
    weighted = x * weight[:, None]
    found = solve_ridge(
        (weighted.T @ x)[None], (weighted.T @ y)[None], 1.0, jnp.zeros((1, x.shape[1]))
    )
    return y - x @ found[0]

"""Changes of a world after it was drawn, to evaluate policies in a world other than the one they
learnt on.

The standardisation constants of the population stay. Without a perturbation the world is unchanged
to the bit. Each change has a random stream of its own, so that it does not alter the draws of
another. Source: envs/live/README.md, section 11.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from lrdqn.envs.live.config import PerturbConfig, ViewsConfig
from lrdqn.envs.live.content import without_views
from lrdqn.envs.live.population import unit
from lrdqn.envs.live.schedule import drop_out
from lrdqn.envs.live.world import LiveParams
from lrdqn.observations import UNKNOWN


def perturb(
    world: LiveParams,
    config: PerturbConfig,
    rng: np.random.Generator,
    views: ViewsConfig | None = None,
) -> LiveParams:
    """Apply every configured change to host arrays; ``views`` gives the layout of the catalogue's
    rows.

    - ``taste_drift`` a: ``theta <- normalise((1 - a) theta + a xi)``, xi a random direction;
      histories still show the old taste.
    - ``hook_share``, ``hook_shift``: that share of streamers, drawn uniformly, gets a larger hook.
    - ``popularity_shock`` x: ``log P <- log P + x N(0, 1)``.
    - ``outage_share``: ``schedule.drop_out``.
    - ``cold_users``: history, loyalties, follows and profiles of that share of users are emptied.
    - ``cold_streamers``: that share of streamers maps to the shared row of the identity table, and
      has no record.
    - ``missing_views``: that share of views, drawn one by one, is no longer shown.
    """
    taste, hook, popularity, outage, users, streamers, gaps = rng.spawn(7)
    if config.taste_drift:
        world = world._replace(
            users=world.users._replace(
                interest=turn_interests(world.users.interest, config.taste_drift, taste)
            )
        )
    s = world.streamers
    if config.hook_share:
        baited = hook.random(world.nothing) < config.hook_share
        s = s._replace(
            hook=s.hook
            + np.float32(config.hook_shift) * np.append(baited, False).astype(np.float32)
        )
    if config.popularity_shock:
        shock = np.append(popularity.normal(size=world.nothing), 0.0)
        s = s._replace(
            popularity=(s.popularity + config.popularity_shock * shock).astype(np.float32)
        )
    world = world._replace(streamers=s)
    if config.outage_share:
        world = world._replace(schedule=drop_out(world.schedule, config.outage_share, outage))
    if config.cold_users:
        cold = users.random(len(world.users.interest)) < config.cold_users
        world = world._replace(
            users=forget(world.users, world.nothing, cold),
            catalogue=world.catalogue._replace(
                taste=blank(world.catalogue.taste, cold), habits=blank(world.catalogue.habits, cold)
            ),
        )
    if config.cold_streamers:
        cold = streamers.random(world.nothing) < config.cold_streamers
        cold = np.append(cold, False)
        world = world._replace(
            catalogue=world.catalogue._replace(
                identity=np.where(cold, np.int32(UNKNOWN), world.catalogue.identity),
                record=blank(world.catalogue.record, cold),
            )
        )
    if config.missing_views and views is not None:
        shown = without_views(world.catalogue.style, views, config.missing_views, gaps)
        world = world._replace(catalogue=world.catalogue._replace(style=shown))
    return world


def turn_interests(interest: Any, share: float, rng: np.random.Generator) -> Any:
    """Return ``normalise((1 - share) theta + share xi)``, xi random directions."""
    xi = unit(rng.normal(size=interest.shape))
    return unit((1 - share) * interest + share * xi).astype(np.float32)


def blank(x: Any, cold: Any) -> Any:
    """Return rows ``[n, ...]`` with zeros where they are cold."""
    return np.where(cold[:, None], np.zeros_like(x), x)


def forget(users: Any, nothing: int, cold: Any) -> Any:
    """Return users of whom the cold ones ``[U]`` have an empty past; ``nothing`` is the id of no
    streamer."""

    def empty(name: str, value: Any) -> Any:
        x = getattr(users, name)
        return np.where(cold[:, None], np.asarray(value, x.dtype), x)

    past = {
        "history": nothing,
        "history_watch": 0,
        "history_reaction": 0,
        "loyalty": nothing,
        "loyalty_strength": 0,
        "loyalty_hours": 0,
        "followed": False,
    }
    return users._replace(**{name: empty(name, value) for name, value in past.items()})

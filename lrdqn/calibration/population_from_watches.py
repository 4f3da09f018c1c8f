"""Population fields that any log of watches gives, and the card of a population fitted to one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from lrdqn.calibration.directions import Directions
from lrdqn.calibration.factors import TOP
from lrdqn.calibration.scales import (
    affinity_moments,
    category_bias,
    normal_scores,
    shrunk_mean,
    standardised_popularity,
)
from lrdqn.logs.watch_history import history_fields, loyalty_fields, next_session
from lrdqn.logs.watch_log import CHINA, HOUR, WatchLog, first_meetings, mean_hour

if TYPE_CHECKING:
    from lrdqn.envs.live.population_arrays import Population

SKILL_PRIOR = 10.0
"""Watches at the mean share of liked ones that a streamer's share is shrunk with."""


class Field(NamedTuple):
    """A fitted field of ``Population``."""

    value: np.ndarray
    provenance: str | None
    """Derivation from the log in words, for the card; ``None`` where the field was drawn to fit
    others."""


class Fit(NamedTuple):
    """Fields of a population that were fitted to a log."""

    log: WatchLog
    """The part of the log that the population is made of."""
    fields: dict[str, Field]
    """By name of the field of ``Population``, in the order of the card."""
    facts: dict[str, Any]
    """Further entries of the card."""

    @property
    def arrays(self) -> dict[str, np.ndarray]:
        """Values of the fields by name."""
        return {name: field.value for name, field in self.fields.items()}


def watched_fields(
    log: WatchLog,
    category: Float[np.ndarray, "S G"],
    found: Directions,
    history: int,
    slots: int,
    followed: Bool[np.ndarray, "n"] | None,
) -> dict[str, Field]:
    """Return the fields that any log of watches gives: vectors, popularity, skill, category bias,
    active hour, history and loyalties.

    Args:
        log: the watches.
        category: of the streamers; the field itself is left to the caller.
        found: vectors of streamers and users.
        history: H, watches remembered of each user.
        slots: L, streamers that a user can be loyal to.
        followed: watches with a follow; ``None`` where the log has no follows, which leaves the
            field out.
    """
    ratings = first_meetings(log)._replace(item_category=category)
    mean, scale = affinity_moments(found.interest, found.style)
    count = np.bincount(log.item, minlength=log.n_items)
    liked = log.liked.astype(np.float64)
    share = (np.bincount(log.item, liked, log.n_items) + SKILL_PRIOR * liked.mean()) / (
        count + SKILL_PRIOR
    )
    hour = mean_hour(log.user, (log.time + CHINA) / HOUR % 24, log.n_users)
    seen = history_fields(log, history)
    follows = np.zeros(len(log.user), bool) if followed is None else followed
    loyal = loyalty_fields(log, slots, next_session(log, hour), follows)
    fields = {
        "style": _real(found.style, f"{found.origin}, length 1"),
        "interest": _real(found.interest, f"{found.origin}, length 1"),
        "log_popularity": _real(
            standardised_popularity(ratings._replace(item=log.item, user=log.user)),
            "log(1 + clicks), standardised to mean .670 and sd 1.792",
        ),
        "skill": _real(
            normal_scores(share),
            "normal score of the share of watches of 60 s or more "
            "or with a reaction, shrunk with 10 watches",
        ),
        "category_bias": _real(
            category_bias(ratings, shrunk_mean(ratings)),
            "liking of a category beyond what user and streamer "
            "predict, shrunk with 5 streamers, scaled to sd .5",
        ),
        "active_hour": _real(
            np.minimum(hour, np.nextafter(np.float32(24), np.float32(0))),
            "circular mean of the times of clicks, China Standard Time",
        ),
        "history": Field(seen["history"], "streams clicked last, newest first"),
        "history_watch": Field(seen["history_watch"], "seconds watched"),
        "history_reaction": Field(seen["history_reaction"], "reactions under way"),
        "loyalty": Field(
            loyal["loyalty"], "streamers by the loyalty law run over the log, strongest first"
        ),
        "loyalty_strength": Field(loyal["loyalty_strength"], "the same, after the last visit"),
        "loyalty_hours": Field(
            loyal["loyalty_hours"],
            "hours from the last visit to the user's next active hour, at least 1 and at most 336",
        ),
        "affinity_mean": _real(mean, "of interest . style over all pairs"),
        "affinity_scale": _real(scale, "sd of the same"),
    }
    if followed is not None:
        fields["followed"] = Field(loyal["followed"], "a follow in the log")
    return fields


def _real(value: Any, provenance: str) -> Field:
    return Field(np.asarray(value, np.float32), provenance)


def watched_card(fit: Fit, found: Directions | None, population: Population) -> dict[str, Any]:
    """Return the ``card.json`` of a population: source, licence, counts, recall of the vectors, the
    fields that come from the log and how, and the fields that were drawn."""
    card: dict[str, Any] = {
        "source": fit.log.source,
        "licence": fit.log.licence,
        "users": len(population.wealth),
        "streamers": len(population.hook),
        **fit.facts,
    }
    if found is not None:
        measured = found.held_out_users > 0
        card["fit"] = {
            "factors": found.style.shape[1],
            "style": found.origin,
            "measure": (
                f"recall@{TOP} of liked ones among the newest fifth of "
                "those that each user met, fitted without them"
            ),
            "held_out_users": found.held_out_users,
            "recall": {
                k: round(v, 4) if measured and v is not None else None
                for k, v in found.recall.items()
            },
        }
    real = {
        name: field.provenance for name, field in fit.fields.items() if field.provenance is not None
    }
    return card | {"real": real, "drawn": [name for name in population._fields if name not in real]}

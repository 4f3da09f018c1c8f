"""Observations other than flat arrays: candidates of the live world, documents of the reference
slate benchmark.

Axis letters as in ``types``.
"""

from __future__ import annotations

from typing import NamedTuple

from jax import Array
from jaxtyping import Bool, Float, Int

UNKNOWN = 0
"""Row of the identity table that all streamers share whom the policy has never met."""


RETURN_DISCOUNT = 0.95
"""Discount of the returns that a platform's log predicts (design)."""


class Reaction:
    """Bits of ``history_reaction``."""

    LIKE = 1
    COMMENT = 2
    GIFT = 4
    FOLLOW = 8


class LiveObs(NamedTuple):
    """Observation of N live sessions: ids and features that change; static content is in
    ``Catalogue`` (envs/live/README.md, section 9)."""

    user: Int[Array, "N"]
    context: Float[Array, "N X"]
    history: Int[Array, "N H"]
    """Streamers last watched, newest first; ``S`` (one past the last) marks an empty place."""
    history_watch: Float[Array, "N H"]
    """``log1p(seconds watched)``."""
    history_reaction: Int[Array, "N H"]
    """Bit set of ``Reaction``."""
    candidates: Int[Array, "N C"]
    """Streamers on air; ``S`` marks a place without one."""
    features: Float[Array, "N C F"]
    """Log viewers, hours on air, followed, recency of the last visit; then the features that
    ``env.live_signals`` adds or, with the tick clock, log comments, likes and gifts of the last
    five minutes."""
    mask: Bool[Array, "N C"]


class Catalogue(NamedTuple):
    """Static content, which the network looks up by id. Row ``S`` (the last) is the empty item."""

    identity: Int[Array, "S+1"]
    """Row of the identity table; ``UNKNOWN`` for streamers that the policy has never met."""
    style: Float[Array, "S+1 d"]
    """Observable style of the streamer's content (``env.content``)."""
    category: Float[Array, "S+1 G"]
    tags: Float[Array, "S+1 T"]
    profile: Float[Array, "U P"]
    """Answers of users at onboarding, and what else is known of them from the start."""
    taste: Float[Array, "U d+G"]
    """Taste of users for style and category, estimated from the platform's log (``envs.live.log``);
    without a log this array and the next three are empty."""
    habits: Float[Array, "U B"]
    """Inclination to click and to stay, and how much is known, from that log."""
    record: Float[Array, "S+1 R"]
    """What users did with a streamer in that log; zeros for streamers that it does not hold."""
    prediction: Float[Array, "F 2"]
    """Coefficients of features (``networks.live_features``) that predict reward, and return
    discounted by ``RETURN_DISCOUNT``, in that log."""

    @property
    def nothing(self) -> int:
        """Id S of the row that stands for "show nothing", in one world (no axis of seeds)."""
        return self.identity.shape[0] - 1


class DocumentObs(NamedTuple):
    """Observation of N users of the reference slate benchmark (``env=recsim``), the response to the
    last slate included.

    A document is ``concat(Topics.content[topic], features)``; where RecSim hides the user, U is 0.
    The response to a stored slate is in the ``next_obs`` of its transition.
    """

    user: Float[Array, "N U"]
    """Interests in topics."""
    topic: Int[Array, "N C"]
    """int8, a row of ``Topics``."""
    features: Float[Array, "N C F"]
    """Features that differ within a topic; F may be 0."""
    mask: Bool[Array, "N C"]
    place: Int[Array, "N"]
    """int8, place of the last slate that was clicked; K if none was, and at the start."""
    watch: Float[Array, "N"]
    """Watch time of the document there."""
    quality: Float[Array, "N K"]
    """Quality of each document of the last slate, clicked or not; 0 at the start."""
    memory: Float[Array, "N M"]
    """Running sums over the session's responses; M is 0 without ``env.memory``."""


class Topics(NamedTuple):
    """Static content of documents by topic, which the network looks up. Row ``T`` (the last) is the
    empty item."""

    content: Float[Array, "T+1 F"]

"""Streamer metrics of a tick world: exposure, watch time and churn. NumPy only, on the host."""

from __future__ import annotations

from typing import Any

import numpy as np

from lrdqn.envs.live.tick.state import TickState
from lrdqn.envs.live.world import LiveParams
from lrdqn.evaluation.gini import gini

NEW_SECONDS = 86_400
"""A streamer is new for a day from the start of their first room."""


def streamer_report(state: TickState, world: LiveParams) -> dict[str, float]:
    """Return shares and Gini coefficients over the streamers, from the simulated sessions since the
    world began.

    ``audience_gini`` of seconds watched and ``exposure_gini`` of impressions (NaN where there are
    none); ``newcomers``, the share of streamers who opened their first room less than a day ago,
    and ``newcomers_exposure``, their share of all impressions; ``without_viewers``, the share that
    no session has watched; ``churned``, the share that has stopped for good.

    Args:
        state: of one world, on the host or a device.
        world: its parameters.
    """
    audience, nobody = state.audience, len(world.streamers.popularity) - 1

    def of(x: Any) -> np.ndarray:
        return np.asarray(x, np.float64)[:nobody]

    seconds, shown = of(audience.viewer_seconds), of(audience.impressions)
    since = int(state.now) - np.asarray(world.schedule.start, np.int64)[:nobody].min(axis=1)
    new = (since >= 0) & (since < NEW_SECONDS)
    return {
        "audience_gini": gini(seconds),
        "exposure_gini": gini(shown),
        "newcomers": float(new.mean()),
        "newcomers_exposure": float(shown[new].sum() / shown.sum())
        if shown.sum()
        else float("nan"),
        "without_viewers": float((seconds == 0).mean()),
        "churned": float(of(audience.gone).mean()),
    }

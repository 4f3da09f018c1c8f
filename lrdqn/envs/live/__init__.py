"""The live-streaming world, decision clock.

``population`` (who there is) and ``schedule`` (who is on air) are drawn on the host; ``world`` puts them on the device;
``candidates``, ``choice``, ``engagement`` and ``viewer`` are its laws; ``observation`` is what may be seen; ``env`` the loop.
"""

from lrdqn.envs.live.env import make_live
from lrdqn.envs.live.population import sample_population
from lrdqn.envs.live.world import SIM_VERSION, LiveParams, make_world

__all__ = ["SIM_VERSION", "LiveParams", "make_live", "make_world", "sample_population"]

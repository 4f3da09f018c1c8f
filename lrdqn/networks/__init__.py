"""Q-networks: ``mlp`` (state in, one output per action) and ``scorer`` (state and candidate in, one score per candidate)."""

from lrdqn.networks.mlp import make_mlp
from lrdqn.networks.scorer import make_scorer

__all__ = ["make_mlp", "make_scorer"]

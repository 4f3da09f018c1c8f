"""Q-networks: ``mlp`` (state in, one output per action), ``cnn`` (the same behind convolutions), ``scorer`` (state and
candidate in, one score per candidate) and ``table`` (one number per state and action)."""

from lrdqn.networks.cnn import make_cnn
from lrdqn.networks.mlp import make_mlp
from lrdqn.networks.scorer import make_scorer
from lrdqn.networks.table import make_table

__all__ = ["make_cnn", "make_mlp", "make_scorer", "make_table"]

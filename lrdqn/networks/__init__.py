"""Q-networks: ``mlp`` (state in, one output per action), ``cnn`` (the same after convolutions),
``scorer`` (state and candidate in, one score per candidate), ``documents`` (the scorer of the
reference slate benchmark) and ``table`` (one number per state and action)."""

from lrdqn.networks.cnn import make_cnn
from lrdqn.networks.document_scorer import make_documents
from lrdqn.networks.flatten import flat_size, on_flat_observations
from lrdqn.networks.live_scorer import make_scorer
from lrdqn.networks.mlp import make_mlp
from lrdqn.networks.table import make_table

__all__ = [
    "flat_size",
    "make_cnn",
    "make_documents",
    "make_mlp",
    "make_scorer",
    "make_table",
    "on_flat_observations",
]

"""The live world in the shapes that other people's agents expect: Gymnasium's vector environment,
gymnax's environment."""

from lrdqn.interop.entry import live_gymnax_env, live_vector_env
from lrdqn.networks.flatten import flatten

__all__ = ["flatten", "live_gymnax_env", "live_vector_env"]

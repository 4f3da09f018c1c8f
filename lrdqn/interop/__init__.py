"""The live world behind other libraries' interfaces: Gymnasium's vector environment and gymnax's
environment."""

from lrdqn.interop.entry import live_gymnax_env, live_vector_env
from lrdqn.networks.flatten import flatten

__all__ = ["flatten", "live_gymnax_env", "live_vector_env"]

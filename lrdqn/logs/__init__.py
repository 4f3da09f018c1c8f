"""Readers of logs (MovieLens, KuaiLive, KuaiRand) and the records they return. Nothing here imports
jax, so that a bad file is reported at once."""

"""Readers of logs: MovieLens, KuaiLive, KuaiRand. Nothing here imports jax, so that a bad file is
answered at once."""

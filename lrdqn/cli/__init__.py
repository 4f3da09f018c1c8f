"""The command line: one small file per command. Nothing here imports jax before the configuration
has been checked."""

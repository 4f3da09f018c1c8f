"""The command line: one small file a command. Nothing here imports jax before the config has been
checked."""

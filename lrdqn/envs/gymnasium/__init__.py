"""Environments of Gymnasium, which step outside the compiled program."""

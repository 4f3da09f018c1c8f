"""Environments of Gymnasium, which step outside jit."""

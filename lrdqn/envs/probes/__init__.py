"""Tiny environments that fail for one reason each."""

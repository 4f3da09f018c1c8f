"""Environments, a folder each."""

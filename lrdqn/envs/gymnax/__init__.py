"""Environments of gymnax as batches of sessions."""

"""Reporting: tables, learning curves, sweeps joined, pictures of a world."""

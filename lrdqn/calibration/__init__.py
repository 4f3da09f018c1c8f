"""Calibration: the world next to published figures, and populations and constants fitted to
logs."""

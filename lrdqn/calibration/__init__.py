"""Calibration: the simulated world beside published metrics, and populations and constants fitted
to logs."""

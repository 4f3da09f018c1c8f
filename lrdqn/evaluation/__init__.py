"""Evaluation: a fixed cohort of session starts (``cohort``), slate metrics, confidence intervals
over seeds (``statistics``), and the blocks of a summary."""

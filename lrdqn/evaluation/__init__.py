"""Evaluation: a fixed cohort of session starts (``cohort``), intervals over seeds (``statistics``),
a summary's blocks."""

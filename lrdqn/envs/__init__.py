"""Environments: the live-streaming world (``live``) and probes that fail for one reason each (``probes``)."""

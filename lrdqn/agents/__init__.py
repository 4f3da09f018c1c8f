"""Learners, a folder each: ``dqn`` (the whole family), ``slateq`` and ``full_slate`` on its update,
``tabular``."""

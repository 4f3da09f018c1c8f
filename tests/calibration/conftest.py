"""The miniature MovieLens log, for the fits' tests."""

from data.movielens_mini import folder, log, make_defaults  # noqa: F401

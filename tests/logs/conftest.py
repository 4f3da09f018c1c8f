"""The miniature MovieLens log, for the readers' tests."""

from data.movielens_mini import folder, log, make_defaults  # noqa: F401

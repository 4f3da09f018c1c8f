"""Real input: readers of logs of ratings and watches, the fit of user and item vectors, and the population made from both.

Nothing here imports jax at import time, so that a bad file is answered before anything heavy is loaded.
"""

from lrdqn.data.factors import Factors, fit_factors
from lrdqn.data.movielens import read_movielens
from lrdqn.data.rated_population import population_card, rated_population
from lrdqn.data.ratings import RatingLog

__all__ = ["Factors", "RatingLog", "fit_factors", "population_card", "rated_population", "read_movielens"]

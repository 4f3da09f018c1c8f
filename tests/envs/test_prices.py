"""Gifts on the price ladder, and their prices by the wealth of users."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from lrdqn.envs.live.daily_patterns import WEALTH_SIGMA
from lrdqn.envs.live.prices import GIVERS_RANK, PRICE_SHARES, PRICES, gifts_by_price, price_shares

SHARE = PRICE_SHARES / PRICE_SHARES.sum()


def counted(u: np.ndarray, gifts: float) -> np.ndarray:
    """Return gifts by price with the published shares."""
    shares = jnp.broadcast_to(jnp.asarray(SHARE, jnp.float32), (len(u), len(PRICES)))
    return np.asarray(gifts_by_price(jnp.asarray(u, jnp.float32), jnp.full(len(u), gifts), shares))


def test_gift_prices_have_the_published_quantiles() -> None:
    single = counted((np.arange(100_000) + 0.5) / 100_000, 1.0)
    assert (single.sum(axis=1) == 1).all()
    price = single @ PRICES
    assert price.mean() == pytest.approx(77, rel=0.03)
    assert (price <= 10).mean() == pytest.approx(0.765, abs=0.01)
    assert list(np.percentile(price, [50, 90, 95, 99])) == [2, 99, 299, 1314]


@pytest.mark.parametrize("gifts", [0, 2, 7, 8, 1000])
def test_many_gifts_of_a_watch_stand_on_all_rungs(gifts: int) -> None:
    counts = counted(np.array([1e-7, 0.1, 0.5, 0.77, 1 - 1e-7]), float(gifts))
    assert (counts.sum(axis=1) == gifts).all()
    assert (counts >= 0).all()
    assert np.abs(counts - gifts * SHARE).max() < 1.02
    many = counted((np.arange(4096) + 0.5) / 4096, float(gifts))
    np.testing.assert_allclose(many.mean(axis=0), gifts * SHARE, atol=0.02)


def test_the_wealthy_buy_dearer_and_all_gifts_together_keep_the_published_shares() -> None:
    got = np.asarray(price_shares(jnp.array([0.0, 0.5, 1.0]), 0.1), np.float64)
    want = SHARE * np.exp(0.1 * (np.array([[0.0], [0.5], [1.0]]) - GIVERS_RANK) * np.arange(14))
    np.testing.assert_allclose(got, want / want.sum(axis=1, keepdims=True), rtol=1e-5)
    assert np.all(np.diff(got @ PRICES) > 15)
    # gifts go by wealth: the mean giver's rank is what the shares are centred at
    rank = (np.arange(20_000) + 0.5) / 20_000
    wealth = np.exp(WEALTH_SIGMA * scipy.stats.norm.ppf(rank))
    wealth /= wealth.sum()
    assert wealth @ rank == pytest.approx(GIVERS_RANK, abs=2e-3)
    together = wealth @ np.asarray(price_shares(jnp.asarray(rank, jnp.float32), 0.1), np.float64)
    np.testing.assert_allclose(together, SHARE, rtol=0.01)

"""The network of the slate benchmark, and the operations on candidates."""

from __future__ import annotations

import itertools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from agents.test_slateq import documents

from lrdqn.agents.full_slate.agent import SlateSet, slates_of
from lrdqn.config import NetworkConfig
from lrdqn.networks import flat_size, make_documents
from lrdqn.networks.candidates import take_candidates, with_null_item
from lrdqn.networks.document_scorer import user_features
from lrdqn.networks.flatten import flatten_documents
from lrdqn.ops.losses import mse
from lrdqn.ops.values import make_expected

VALUES = make_expected(mse)


def filled(params: Any) -> Any:
    """Return parameters without zeros; the head starts at zero."""
    leaves, tree = jax.tree.flatten(params)
    keys = jax.random.split(jax.random.key(9), len(leaves))
    return tree.unflatten(
        [0.3 * jax.random.normal(k, x.shape) for k, x in zip(keys, leaves, strict=True)]
    )


@pytest.mark.slow
@pytest.mark.parametrize("head", ["linear", "dueling"])
def test_a_single_value_is_the_one_of_the_whole_set(head: str) -> None:
    obs, topics = documents(6, 5, 3, 2, 0)
    network = make_documents(NetworkConfig(hidden=[8, 8], head=head), obs, topics, VALUES)
    params, action = filled(network.init(jax.random.key(0))), jnp.array([0, 4, 2, 1, 3, 2])
    out = network.apply(params, obs, topics, None)
    assert float(jnp.std(out.q)) > 0.01
    one = network.value(params, obs, action, topics, None)
    np.testing.assert_allclose(
        one[:, 0],
        np.take_along_axis(np.asarray(out.q), np.asarray(action)[:, None], 1)[:, 0],
        rtol=1e-5,
    )


def test_scores_are_a_plain_forward_pass_on_user_and_document() -> None:
    """The first layer in two parts is one layer on ``concat(user, document)``."""
    obs, topics = documents(3, 4, 3, 2, 1)
    network = make_documents(NetworkConfig(hidden=[8, 6]), obs, topics, VALUES)
    params = filled(network.init(jax.random.key(0)))["halves"]
    got = network.apply({"halves": params}, obs, topics, None).q
    p = jax.tree.map(np.asarray, params)
    stream = p["head"]["stream"]
    first = np.concatenate([p["user"]["kernel"], p["candidate"]["kernel"]])
    for i in range(3):
        for j in range(4):
            x = np.concatenate(
                [np.asarray(obs.user)[i], np.asarray(topics.content)[int(obs.topic[i, j])]]
            )
            h = np.maximum(x @ first + p["user"]["bias"], 0)
            h = np.maximum(h @ stream["hidden"]["kernel"] + stream["hidden"]["bias"], 0)
            assert float(got[i, j]) == pytest.approx(
                float((h @ stream["out"]["kernel"] + stream["out"]["bias"])[0]), rel=1e-4
            )


@pytest.mark.parametrize("head", ["linear", "dueling"])
def test_a_slate_is_scored_on_its_documents_in_their_order(head: str) -> None:
    """The first layer is one layer on ``concat(user, documents)``, as in RecSim's full-slate agent;
    ``value`` equals the entry of ``apply``."""
    obs, topics = documents(3, 4, 3, 2, 1)
    obs = obs._replace(mask=obs.mask.at[1, 2].set(False))
    slates = slates_of(SlateSet(4, 2, True))
    network = make_documents(NetworkConfig(hidden=[8, 6], head=head), obs, topics, VALUES, slates)
    params = filled(network.init(jax.random.key(0)))
    out = network.apply(params, obs, topics, None)
    np.testing.assert_array_equal(out.mask, np.asarray(obs.mask)[:, slates].all(2))
    action = jnp.array([0, 11, 6])
    value = network.value(params, obs, action, topics, None)[:, 0]
    np.testing.assert_allclose(value, np.asarray(out.q)[np.arange(3), action], rtol=1e-4)
    if head == "linear":
        p = jax.tree.map(np.asarray, params)["halves"]
        stream, content = p["head"]["stream"], np.asarray(topics.content)
        first = p["candidate"]["kernel"].reshape(-1, 2, 8).swapaxes(0, 1).reshape(-1, 8)
        for i, (a, b) in itertools.product(range(3), slates.tolist()):
            x = np.concatenate([content[int(obs.topic[i, a])], content[int(obs.topic[i, b])]])
            h = np.maximum(
                np.asarray(obs.user)[i] @ p["user"]["kernel"] + p["user"]["bias"] + x @ first, 0
            )
            h = np.maximum(h @ stream["hidden"]["kernel"] + stream["hidden"]["bias"], 0)
            want = float((h @ stream["out"]["kernel"] + stream["out"]["bias"])[0])
            assert float(out.q[i, slates.tolist().index([a, b])]) == pytest.approx(
                want, rel=1e-4, abs=1e-5
            )


def test_nothing_is_one_more_candidate_and_can_be_told_from_all_others() -> None:
    obs, topics = documents(4, 5, 3, 2, 2)
    obs = obs._replace(mask=obs.mask.at[1, 2].set(False))
    wide = with_null_item(obs, topics)
    assert wide.topic.shape == (4, 6)
    assert (np.asarray(wide.topic)[:, -1] == 3).all()
    np.testing.assert_array_equal(np.asarray(wide.mask)[:, :-1], obs.mask)
    assert np.asarray(wide.mask)[:, -1].all()
    network = make_documents(NetworkConfig(hidden=[8, 8]), obs, topics, VALUES)
    params = filled(network.init(jax.random.key(0)))
    q = np.asarray(network.apply(params, wide, topics, None).q)
    np.testing.assert_allclose(q[:, :-1], network.apply(params, obs, topics, None).q, rtol=1e-5)
    each = take_candidates(obs, jnp.zeros((4, 3), jnp.int32))._replace(
        topic=jnp.tile(jnp.arange(3, dtype=jnp.int8), (4, 1))
    )
    every = np.asarray(network.apply(params, each, topics, None).q)
    assert (np.abs(every - q[:, -1:]) > 1e-4).all()


def test_narrowing_keeps_the_order_asked_for() -> None:
    obs, _ = documents(2, 5, 3, 2, 3)
    places = jnp.array([[4, 0], [1, 3]])
    got = take_candidates(obs, places)
    np.testing.assert_array_equal(
        got.topic, np.take_along_axis(np.asarray(obs.topic), np.asarray(places), 1)
    )
    assert got.features.shape == (2, 2, 0)
    assert got.user is obs.user


def test_a_hidden_user_is_seen_by_the_last_response() -> None:
    obs, topics = documents(2, 3, 3, 2, 4)
    hidden = obs._replace(
        user=jnp.zeros((2, 0)), place=jnp.array([1, 2], jnp.int8), watch=jnp.array([np.e - 1, 0.0])
    )
    np.testing.assert_allclose(user_features(hidden), [[1, 1, 0, 0], [0, 0, 0, 0]], atol=1e-6)
    np.testing.assert_array_equal(user_features(obs), obs.user)
    remembered = hidden._replace(memory=jnp.array([[0.5], [0.25]]))
    np.testing.assert_allclose(
        user_features(remembered), [[1, 1, 0, 0, 0.5], [0, 0, 0, 0, 0.25]], atol=1e-6
    )
    assert flatten_documents(obs, topics).shape == (2, flat_size(obs, topics)) == (2, 3 + 3 * 4)

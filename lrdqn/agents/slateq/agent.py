"""SlateQ: the value of a slate decomposed into values of its items, with the update of the DQN
family (Ie et al. 2019)."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, Int, PRNGKeyArray

from lrdqn.agents.dqn.agent import UpdateRule, make_dqn, make_greedy
from lrdqn.agents.dqn.targets import Bootstrap, TargetInputs, TargetRule, available_discount
from lrdqn.agents.slateq.choice_models import ChoiceModel
from lrdqn.agents.slateq.config import SlateQConfig
from lrdqn.networks.candidates import with_null_item
from lrdqn.ops.masking import masked
from lrdqn.ops.slates import OPTIMISERS, as_action, random_slate, slate_chances
from lrdqn.ops.values import Values
from lrdqn.types import Agent, Network, Params, Policy, PyTree, QOutput, Transition, View

Filler = Callable[[Params, QOutput, PyTree, PyTree], Int[Array, "B K"]]


def item_network(network: Network, choice: ChoiceModel) -> Network:
    """Extend a network of C candidates to C + 1, the last of them "nothing"; its parameters are
    ``{"q": ..., **those of the choice model}``."""

    def init(key: PRNGKeyArray) -> Params:
        return {"q": network.init(key), **choice.init(jax.random.fold_in(key, 1))}

    def apply(params: Params, obs: PyTree, catalogue: PyTree, key: PRNGKeyArray | None) -> QOutput:
        return network.apply(params["q"], with_null_item(obs, catalogue), catalogue, key)

    def value(
        params: Params,
        obs: PyTree,
        item: Int[Array, "B"],
        catalogue: PyTree,
        key: PRNGKeyArray | None,
    ) -> Float[Array, "B K"]:
        return network.value(params["q"], with_null_item(obs, catalogue), item, catalogue, key)

    return Network(init, apply, value)


def taken_item(t: Transition) -> Int[Array, "B"]:
    """Return the place among the candidates of the item that was taken from the slate ``[B, K]``; C
    if nothing was taken."""
    slate = t.action.reshape(len(t.reward), -1)
    nothing = jnp.full((slate.shape[0], 1), t.next_obs.mask.shape[1], slate.dtype)
    assert t.clicked_place is not None
    return jnp.take_along_axis(
        jnp.concatenate([slate, nothing], axis=1),
        t.clicked_place.astype(jnp.int32)[:, None],
        axis=1,
    )[:, 0]


def item_and_null_values(
    out: QOutput, null_value: bool
) -> tuple[Float[Array, "B C"], Float[Array, "B"]]:
    """Return the values of the items and the value of "nothing", which is 0 for an agent that does
    not learn it."""
    return out.q[:, :-1], out.q[:, -1] if null_value else jnp.zeros_like(out.q[:, -1])


def make_filler(choice: ChoiceModel, optimiser: str, null_value: bool, slate: int) -> Filler:
    """Return ``fill(params, out, obs, catalogue) -> places [B, K]``: the optimiser applied to the
    choice model's weights and to the values in ``out``."""

    def fill(params: Params, out: QOutput, obs: PyTree, catalogue: PyTree) -> Int[Array, "B K"]:
        (v, v_nothing), (q, q_nothing) = (
            choice.weights(params, obs, catalogue),
            item_and_null_values(out, null_value),
        )
        return OPTIMISERS[optimiser](v, q, obs.mask, v_nothing, q_nothing, slate)

    return fill


def make_slate_target(config: SlateQConfig, choice: ChoiceModel, slate: int) -> TargetRule:
    """Return the target rule
    ``y = r + discount * sum_{i in A' and nothing} P(i | s', A') Q(s', i; theta^-)``.

    ::

        max     A' = the optimiser's slate under theta^-          (QL-TT, QL-GT, QL-OT of the paper)
        double  A' = the optimiser's slate under theta
        sarsa   A' = the slate shown in s'; as max if the session was truncated at s'

    Without ``slate.null_value``, nothing is worth 0, as in RecSim's released code; the paper's sum
    includes it.

    Source: Ie et al. 2019 (SlateQ), equations 16 to 18 and section 5.3; van Hasselt et al. 2016 for
    ``double``.
    """
    own = config.slate
    fill = make_filler(
        choice, own.fill if own.target_fill == "same" else own.target_fill, own.null_value, slate
    )

    def target(inputs: TargetInputs, t: Transition, key: PRNGKeyArray) -> Bootstrap:
        select_key, evaluate_key = jax.random.split(key)
        out = inputs.network.apply(inputs.target_params, t.next_obs, inputs.catalogue, evaluate_key)
        chooser = out
        if config.target == "double":
            chooser = inputs.network.apply(inputs.params, t.next_obs, inputs.catalogue, select_key)
        shown = fill(inputs.params, chooser, t.next_obs, inputs.catalogue)
        if t.next_action is not None:
            shown = jnp.where(
                t.next_action.reshape(shown.shape) < 0, shown, t.next_action.reshape(shown.shape)
            )
        v, v_nothing = choice.weights(inputs.params, t.next_obs, inputs.catalogue)
        chances = slate_chances(v, shown, v_nothing)
        if not own.null_value:
            chances = chances.at[:, -1].set(0.0)
        raw = jax.vmap(inputs.values.mix)(chances, out.raw)
        return Bootstrap(t.reward, available_discount(t, out._replace(mask=t.next_obs.mask)), raw)

    return target


def make_slateq(
    config: SlateQConfig, network: Network, values: Values, choice: ChoiceModel, slate: int
) -> Agent:
    """Return the SlateQ agent, ``Q(s, A) = sum_{i in A and nothing} P(i | s, A) Q(s, i)``: the
    target of a step is credited to the item taken.

    Exploration is epsilon-greedy over whole slates. Without ``slate.null_value`` a transition in
    which nothing was taken does not change the values, as in RecSim's released code.

    Args:
        config: ``target`` (max, double, sarsa) and ``slate``.
        network: of the candidates; "nothing" is appended as one more (``item_network``).
        values: representation of its output.
        choice: model of the users' choice.
        slate: K.

    Source: Ie et al. 2019 (SlateQ, arXiv 1905.12767), sections 4 and 5.
    """
    items, own = item_network(network, choice), config.slate
    fill = make_filler(choice, own.fill, own.null_value, slate)

    def credit(t: Transition) -> tuple[Int[Array, "B"], Float[Array, "B"]]:
        item = taken_item(t)
        clicked = (item < t.next_obs.mask.shape[1]).astype(jnp.float32)
        return item, jnp.ones_like(clicked) if own.null_value else clicked

    def auxiliary_loss(params: Params, t: Transition, catalogue: PyTree) -> Float[Array, "B"]:
        assert choice.loss is not None
        assert t.clicked_place is not None
        return choice.loss(
            params, t.obs, t.action.reshape(len(t.reward), slate), t.clicked_place, catalogue
        )

    rule = UpdateRule(
        make_slate_target(config, choice, slate),
        credit,
        None if choice.loss is None else auxiliary_loss,
    )
    learner = make_dqn(config, items, values, rule)

    def act(
        state: PyTree, obs: PyTree, catalogue: PyTree, epsilon: Float[Array, ""], key: PRNGKeyArray
    ) -> Array:
        explore_key, random_key, noise_key = jax.random.split(key, 3)
        places = fill(
            state.params, items.apply(state.params, obs, catalogue, noise_key), obs, catalogue
        )
        anything = random_slate(jax.random.uniform(random_key, places.shape), obs.mask)
        explores = jax.random.uniform(explore_key, (places.shape[0], 1)) < epsilon
        return as_action(jnp.where(explores, anything, places))

    return learner._replace(act=act)


def make_slate_greedy(
    config: SlateQConfig, network: Network, choice: ChoiceModel, slate: int
) -> Policy:
    """Return the greedy policy of SlateQ; its state is the parameters, and its scores are
    ``v_i (Q(s, i) - Q(s, nothing))``."""
    items, own = item_network(network, choice), config.slate
    fill = make_filler(choice, own.fill, own.null_value, slate)

    def scores(state: Params, view: View, key: PRNGKeyArray) -> Float[Array, "B A"]:
        del key
        q, nothing = item_and_null_values(
            items.apply(state, view.obs, view.catalogue, None), own.null_value
        )
        v, _ = choice.weights(state, view.obs, view.catalogue)
        return masked(v * (q - nothing[:, None]), view.obs.mask)

    def act(state: Params, view: View, key: PRNGKeyArray) -> tuple[Array, Params]:
        del key
        out = items.apply(state, view.obs, view.catalogue, None)
        return as_action(fill(state, out, view.obs, view.catalogue)), state

    return make_greedy(items)._replace(scores=scores, act=act)

"""Types that several rooms share: records of arrays, and parts as bundles of functions.

Records that cross ``jit`` are ``NamedTuple``s (pytrees). A component is a ``NamedTuple`` of pure
functions closed over its static hyper-parameters and built on the host. Axis letters: N sessions, B
batch, A actions, C candidates, H history, K slate, S streamers, U users, d style, G categories, T
tags.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

from jax import Array
from jaxtyping import Bool, Float, Int, PRNGKeyArray

PyTree = Any
Params = Any


class DecisionStatus(NamedTuple):
    """Decisions that were completed in a step, for an environment whose decisions can last several
    steps (semi-Markov).

    Until a session's decision is complete, its ``obs`` stays as it was when the decision was made,
    and its reward is 0. In the step that completes the decision, ``reward``, ``elapsed``, the end
    flags and ``final_obs`` describe the whole decision, and ``obs`` is new.
    """

    action: Int[Array, "N ..."]
    """Action of the current decision, given in the step that began it. Actions given in between are
    ignored."""
    complete: Bool[Array, "N"]
    """True where the session needs a new decision, or has ended."""


class TimeStep(NamedTuple):
    """Result of ``Env.step`` for N sessions. Both end flags may be true at once.

    ``final_obs`` is the observation before auto-reset. It is always present, and equal to ``obs``
    where no session ended, so that the pytree is static and a bootstrap never reads the next user's
    first observation.
    """

    obs: PyTree
    reward: Float[Array, "N"]
    terminated: Bool[Array, "N"]
    truncated: Bool[Array, "N"]
    final_obs: PyTree
    elapsed: Float[Array, "N"]
    """Duration of the step, in units of one discount (never 0)."""
    info: dict[str, Array]
    pending: DecisionStatus | None = None
    """Given where a decision can take many steps (the tick clock); ``None`` where every step is one
    decision."""
    clicked_place: Int[Array, "N"] | None = None
    """int8, place of the slate that the user clicked; K where nothing was clicked. ``None`` where
    actions are not items to click."""


class Transition(NamedTuple):
    """Transition as replay stores it. ``discount = gamma ** elapsed * (1 - terminated)`` is data,
    so termination, truncation and elapsed time reach the loss as one number."""

    obs: PyTree
    action: Int[Array, "B ..."]
    reward: Float[Array, "B"]
    discount: Float[Array, "B"]
    next_obs: PyTree
    clicked_place: Int[Array, "B"] | None = None
    """As ``TimeStep.clicked_place``, of the first step where a transition spans several."""
    next_action: Int[Array, "B ..."] | None = None
    """Action taken in ``next_obs``, -1 where the session had ended; stored for on-policy targets
    only (``target=sarsa``)."""


class Sample(NamedTuple):
    """Batch drawn from replay, with the exact probability of each draw and its importance
    weight."""

    transition: Transition
    indices: Int[Array, "B"]
    probabilities: Float[Array, "B"]
    weights: Float[Array, "B"]


class QOutput(NamedTuple):
    """Action values ``q [B, A]``, which actions exist, ``mask [B, A]``, and the numbers whose mean
    is ``q``, ``raw [B, A, K]``."""

    q: Float[Array, "B A"]
    mask: Bool[Array, "B A"]
    raw: Float[Array, "B A K"]
    """K numbers per action, read by ``ops.values``: the value itself (K = 1), logits of atoms, or
    quantiles."""


class Hypers(NamedTuple):
    """Float hyper-parameters, passed at call time so that each can be a vmapped axis of a grid."""

    learning_rate: Float[Array, ""]
    """As ``epsilon``."""
    learning_rate_decay: Float[Array, ""]
    gamma: Float[Array, ""]
    epsilon: Float[Array, ""]
    """Value at the start of a run; inside an iteration, the current value of its schedule."""
    epsilon_end: Float[Array, ""]
    tau: Float[Array, ""]
    reward_scale: Float[Array, ""]
    trace: Float[Array, ""]
    munchausen: Float[Array, ""]
    temperature: Float[Array, ""]
    alpha: Float[Array, ""]
    beta: Float[Array, ""]
    """As ``epsilon``."""
    beta_end: Float[Array, ""]


class EnvSpec(NamedTuple):
    """Static facts of an environment: sessions that step together, action set, kind of
    observation."""

    name: str
    sessions: int
    actions: int
    slate: int
    observation: str
    """``vector`` (a flat array, fixed action set), ``one_hot`` (a vector that names one of finitely
    many states), ``image`` (an array of rows, columns and channels), ``candidates`` (a ``LiveObs``,
    changing action set) or ``documents`` (a ``DocumentObs``, likewise)."""
    horizon: int
    obs_shape: tuple[int, ...]
    """Shape of one session's observation: ``(D,)`` for ``vector`` and ``one_hot``,
    ``(rows, columns, channels)`` for ``image``, ``()`` for ``candidates`` and ``documents``."""
    one_step_decisions: bool = True
    """True where every step is one decision; otherwise ``TimeStep.pending`` says which decisions
    are complete."""

    @property
    def reveals_choice(self) -> bool:
        """Return whether each step tells what was clicked (``TimeStep.clicked_place``)."""
        return self.one_step_decisions and (self.slate > 1 or self.observation == "documents")

    @property
    def obs_size(self) -> int:
        """Return the number of elements in one array observation."""
        return math.prod(self.obs_shape)


class Outside(NamedTuple):
    """Handles of sessions that run outside the compiled program, where ``reset`` and ``step`` call
    back to them."""

    check: Callable[[], None]
    """Raise ``InputError`` where a callback has failed since the last reset."""
    close: Callable[[], None]
    """Free the resources of the sessions, including their processes."""


class Env(NamedTuple):
    """N sessions that step together. ``params`` (the world) is a pytree, so worlds can be a vmapped
    axis."""

    spec: EnvSpec
    reset: Callable[[PRNGKeyArray, PyTree], tuple[PyTree, PyTree]]
    """``reset(key, params) -> state, obs``"""
    step: Callable[[PRNGKeyArray, PyTree, Array, PyTree], tuple[PyTree, TimeStep]]
    """``step(key, state, action, params) -> state, timestep``; ended sessions are reset in the same
    call."""
    catalogue: Callable[[PyTree], PyTree]
    """``catalogue(params)``: the static content that observations refer to by id; ``()`` where
    there is none."""
    outside: Outside | None = None
    """Given where sessions run outside the compiled program. Their state in the program is a
    counter of steps: it cannot be copied, saved or spread over devices, every learner resets its
    own sessions, and each program ends before the next begins."""


class Network(NamedTuple):
    """Q-function as pure functions. ``key`` is for noisy layers; without a key they use their mean
    weights."""

    init: Callable[[PRNGKeyArray], Params]
    apply: Callable[[Params, PyTree, PyTree, PRNGKeyArray | None], QOutput]
    """``apply(params, obs, catalogue, key) -> QOutput``: the values of all actions."""
    value: Callable[[Params, PyTree, Array, PyTree, PRNGKeyArray | None], Float[Array, "B K"]]
    """``value(params, obs, action, catalogue, key)``: ``apply(...).raw`` at ``action``, without
    scoring the other actions where the network allows it."""
    warm: Callable[[Params, Hypers], Params] | None = None
    """``warm(params, hypers)``: parameters that start from what the environment predicts of returns
    at this discount; ``None`` where it predicts nothing."""


class Replay(NamedTuple):
    """Replay memory as pure functions over a state pytree; one contract for uniform and prioritised
    sampling."""

    init: Callable[[Transition], PyTree]
    """``init(example)``: an empty memory for transitions of the shape of one unbatched example."""
    add: Callable[..., PyTree]
    """``add(state, transitions [n], hypers, complete=None)``; with ``complete [n]`` only the marked
    transitions are stored."""
    sample: Callable[[PyTree, PRNGKeyArray, Hypers], Sample]
    update_priorities: Callable[[PyTree, Array, Array, Hypers], PyTree]
    """``update_priorities(state, indices, td_error, hypers)``; the identity for uniform replay."""


class Agent(NamedTuple):
    """Learner as pure functions. ``update`` returns per-example TD errors for the replay, and
    scalar metrics."""

    init: Callable[[PRNGKeyArray], PyTree]
    act: Callable[[PyTree, PyTree, PyTree, Array, PRNGKeyArray], Array]
    """``act(state, obs, catalogue, epsilon, key) -> action [N]``"""
    update: Callable[
        [PyTree, Sample, PyTree, Hypers, PRNGKeyArray], tuple[PyTree, Array, dict[str, Array]]
    ]
    """``update(state, sample, catalogue, hypers, key) -> state, td_error [B], metrics``"""
    sync: Callable[[PyTree, Hypers], PyTree]
    """``sync(state, hypers)``: move the target parameters towards the online ones."""
    policy_params: Callable[[PyTree], Params]
    """Return the part of the state that the network reads. It must select and not compute, as it is
    also called on shapes and on many learners at once."""
    warm: Callable[[PyTree, Hypers], PyTree] | None = None
    """``warm(state, hypers)``: the first state with the network's warm start."""


class View(NamedTuple):
    """Input of a policy. ``truth`` is ``(env state, world)``, and ``None`` for all but privileged
    references."""

    obs: PyTree
    catalogue: PyTree
    truth: PyTree = None


class Policy(NamedTuple):
    """Anything that recommends, learned or not; evaluation is written once against this type."""

    init: Callable[[PRNGKeyArray], PyTree]
    scores: Callable[[PyTree, View, PRNGKeyArray], Float[Array, "B A"]]
    """Masked scores: actions that are not offered get the finite minimum."""
    act: Callable[[PyTree, View, PRNGKeyArray], tuple[Array, PyTree]]
    observe: Callable[[PyTree, TimeStep], PyTree]
    privileged: bool = False
    """True where the policy reads ``View.truth``."""


class AgentParts(NamedTuple):
    """Parts that an agent is built from; the argument of ``config.family.AgentFamily.make``."""

    network: Callable[..., Network]
    """``network(config=..., values=..., slates=None)``: the configured Q-network, or one of another
    configuration."""
    network_config: Any
    """The configuration that ``network()`` takes."""
    values: Any
    """``ops.values.Values``: the meaning of the network's last axis, and the loss on it."""
    spec: EnvSpec
    offers: Any
    """``config.family.Offers`` of the environment."""
    choice_weights: Callable[[PyTree], tuple[Array, Array]] | None
    """``choice_weights(obs) -> v [B, C], v_0 [B]`` where the environment reveals how users
    choose."""


class Learner(NamedTuple):
    """An agent, the Q-network that it trains, and the greedy policy on the network's parameters."""

    agent: Agent
    network: Network
    policy: Policy

"""The nouns: every record and every bundle of functions that two rooms of the project share.

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
    """Which decisions came to their end in a step, of an environment whose decisions can last for
    several (semi-Markov).

    Until a session's decision is complete its ``obs`` stays what it was when the decision was made
    and its reward is 0; in the step of completion reward, ``elapsed``, ends and ``final_obs`` are
    of the whole decision, and ``obs`` is new.
    """

    action: Int[Array, "N ..."]
    """Of the decision that the session is in: given in the step that began it. What is given in
    between is not read."""
    complete: Bool[Array, "N"]
    """The session has to be asked again, or has ended."""


class TimeStep(NamedTuple):
    """What ``Env.step`` returns for N sessions. Both end flags may be true at once.

    ``final_obs`` is the observation before auto-reset. It is always there, equal to ``obs`` where
    no session ended, so that the pytree is static and a bootstrap never reads the next user's first
    observation.
    """

    obs: PyTree
    reward: Float[Array, "N"]
    terminated: Bool[Array, "N"]
    truncated: Bool[Array, "N"]
    final_obs: PyTree
    elapsed: Float[Array, "N"]
    """Time the step took, in units of one discount (never 0)."""
    info: dict[str, Array]
    pending: DecisionStatus | None = None
    """Where a decision can take many steps (the tick clock); ``None`` where every step is one."""
    clicked_place: Int[Array, "N"] | None = None
    """int8, place of the slate that the user clicked; K where nothing was clicked. ``None`` where
    an action shows nothing."""


class Transition(NamedTuple):
    """What replay stores. ``discount = gamma ** elapsed * (1 - terminated)`` is data (DESIGN
    P-table, section 2)."""

    obs: PyTree
    action: Int[Array, "B ..."]
    reward: Float[Array, "B"]
    discount: Float[Array, "B"]
    next_obs: PyTree
    clicked_place: Int[Array, "B"] | None = None
    """As ``TimeStep.clicked_place``, of the first step where a transition spans several."""
    next_action: Int[Array, "B ..."] | None = None
    """What was done in ``next_obs``, -1 where the session had ended; kept for on-policy targets
    only (``target=sarsa``)."""


class Sample(NamedTuple):
    """A batch drawn from replay with the exact probability of each draw and its importance
    weight."""

    transition: Transition
    indices: Int[Array, "B"]
    probabilities: Float[Array, "B"]
    weights: Float[Array, "B"]


class QOutput(NamedTuple):
    """Action values ``q [B, A]``, which actions exist, ``mask [B, A]``, and what ``q`` is the mean
    of, ``raw [B, A, K]``."""

    q: Float[Array, "B A"]
    mask: Bool[Array, "B A"]
    raw: Float[Array, "B A K"]
    """K numbers per action, read by ``ops.values``: the value itself (K = 1), logits of atoms, or
    quantiles."""


class Hypers(NamedTuple):
    """Float hyper-parameters, handed in at call time so that each can be a vmapped axis (DESIGN
    P2)."""

    learning_rate: Float[Array, ""]
    """As ``epsilon``."""
    learning_rate_decay: Float[Array, ""]
    gamma: Float[Array, ""]
    epsilon: Float[Array, ""]
    """At the start of a run; inside an iteration, what its schedule has reached."""
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
    """Static facts of an environment: how many sessions step together, the action set, and the
    observation's kind."""

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
    """Of one session's observation: ``(D,)`` for ``vector`` and ``one_hot``,
    ``(rows, columns, channels)`` of ``image``, ``()`` for ``candidates`` and ``documents``."""
    one_step_decisions: bool = True
    """Every step is a decision; where it is not, ``TimeStep.pending`` says which decisions came to
    their end."""

    @property
    def reveals_choice(self) -> bool:
        """Return whether each step tells what was clicked (``TimeStep.clicked_place``)."""
        return self.one_step_decisions and (self.slate > 1 or self.observation == "documents")

    @property
    def obs_size(self) -> int:
        """Numbers in one array observation."""
        return math.prod(self.obs_shape)


class Outside(NamedTuple):
    """Handles of sessions that live outside the compiled program, where ``reset`` and ``step`` call
    them back."""

    check: Callable[[], None]
    """Raise ``InputError`` where a callback has failed since the last reset."""
    close: Callable[[], None]
    """Give back what the sessions hold, their processes too."""


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
    """Given where sessions live outside the compiled program. Their state is a counter of steps: it
    cannot be copied, saved or spread over devices, every learner resets sessions of its own, and
    one program ends before the next begins."""


class Network(NamedTuple):
    """A Q-function as pure functions. ``key`` is for noisy layers; without one they play their
    means."""

    init: Callable[[PRNGKeyArray], Params]
    apply: Callable[[Params, PyTree, PyTree, PRNGKeyArray | None], QOutput]
    """``apply(params, obs, catalogue, key) -> QOutput``: every action's value."""
    value: Callable[[Params, PyTree, Array, PyTree, PRNGKeyArray | None], Float[Array, "B K"]]
    """``value(params, obs, action, catalogue, key)``: ``apply(...).raw`` at ``action``, scoring
    nothing else where it can."""


class Replay(NamedTuple):
    """Pure functions over a state pytree. One contract for uniform and prioritised sampling."""

    init: Callable[[Transition], PyTree]
    """``init(example)``: an empty store shaped after one unbatched transition."""
    add: Callable[[PyTree, Transition, Hypers], PyTree]
    sample: Callable[[PyTree, PRNGKeyArray, Hypers], Sample]
    update_priorities: Callable[[PyTree, Array, Array, Hypers], PyTree]
    """``update_priorities(state, indices, td_error, hypers)``; the identity for uniform replay."""


class Agent(NamedTuple):
    """A learner as pure functions. ``update`` returns per-example TD errors for the replay and
    scalar metrics."""

    init: Callable[[PRNGKeyArray], PyTree]
    act: Callable[[PyTree, PyTree, PyTree, Array, PRNGKeyArray], Array]
    """``act(state, obs, catalogue, epsilon, key) -> action [N]``"""
    update: Callable[
        [PyTree, Sample, PyTree, Hypers, PRNGKeyArray], tuple[PyTree, Array, dict[str, Array]]
    ]
    """``update(state, sample, catalogue, hypers, key) -> state, td_error [B], metrics``"""
    sync: Callable[[PyTree, Hypers], PyTree]
    """``sync(state, hypers)``: moves the target parameters towards the online ones."""
    policy_params: Callable[[PyTree], Params]
    """The part of the state that the network plays; selected, not computed, for it is also asked of
    shapes and of many learners at once."""


class View(NamedTuple):
    """What a policy may look at. ``truth`` is ``(env state, world)``, ``None`` for all but
    privileged references."""

    obs: PyTree
    catalogue: PyTree
    truth: PyTree = None


class Policy(NamedTuple):
    """Anything that recommends, learned or not; evaluation is written once against this."""

    init: Callable[[PRNGKeyArray], PyTree]
    scores: Callable[[PyTree, View, PRNGKeyArray], Float[Array, "B A"]]
    """Masked scores: the actions that are not offered stand at the finite minimum."""
    act: Callable[[PyTree, View, PRNGKeyArray], tuple[Array, PyTree]]
    observe: Callable[[PyTree, TimeStep], PyTree]
    privileged: bool = False
    """Whether it is shown ``View.truth``."""


class AgentParts(NamedTuple):
    """What an agent is made of; given to ``config.family.AgentFamily.make``."""

    network: Callable[..., Network]
    """``network(config=..., values=..., slates=None)``: the configured Q-network, or another."""
    network_config: Any
    """The configuration that ``network()`` takes."""
    values: Any
    """``ops.values.Values``: the meaning of the network's last axis, and the loss on it."""
    spec: EnvSpec
    offers: Any
    """``config.family.Offers`` of the environment."""
    choice_weights: Callable[[PyTree], tuple[Array, Array]] | None
    """``choice_weights(obs) -> v [B, C], v_0 [B]`` where the environment tells how users choose."""


class Learner(NamedTuple):
    """An agent, the Q-network that it trains, and the greedy policy on the network's parameters."""

    agent: Agent
    network: Network
    policy: Policy

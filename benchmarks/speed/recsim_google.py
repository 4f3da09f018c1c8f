"""Google's RecSim as it comes: its three environments without its agents, and policies for them.
NumPy only.

RecSim imports TensorFlow, Dopamine and gin's TensorFlow half for agents and runners, which are not
needed here; empty modules stand for them.
"""

from __future__ import annotations

import sys
import time
import types
from collections.abc import Callable
from typing import Any

import gin
import numpy as np
from worker import serve

ABSENT = (
    "dopamine",
    "dopamine.discrete_domains",
    "dopamine.discrete_domains.gym_lib",
    "tensorflow",
    "tensorflow.compat",
    "tensorflow.compat.v1",
    "recsim.simulator.runner_lib",
)
TOPIC_QUALITY = np.concatenate([np.linspace(-3, 0, 14), np.linspace(0, 3, 6)])
"""Mean quality by topic, as RecSim's sampler of documents has it."""
Slate = Callable[[dict[str, Any]], Any]


def load() -> Any:
    """Return RecSim's modules, by name."""
    sys.modules.update({name: types.ModuleType(name) for name in ABSENT})
    sys.modules["gin.tf"] = gin
    from recsim import choice_model
    from recsim.environments import interest_evolution, interest_exploration, long_term_satisfaction
    from recsim.simulator import environment, recsim_gym

    return types.SimpleNamespace(
        choice=choice_model,
        evolution=interest_evolution,
        exploration=interest_exploration,
        satisfaction=long_term_satisfaction,
        environment=environment,
        gym=recsim_gym,
    )


def seed_it(seed: int) -> None:
    """Seed NumPy's global generator, from which RecSim draws choices."""
    np.random.seed(seed)  # noqa: NPY002 - it is what RecSim reads


def make(options: dict[str, Any], seed: int) -> Any:
    """Return an environment as RecSim's ``create_environment`` makes it; with ``mnl`` or
    ``sensitivity``, of the same parts."""
    seed_it(seed)
    recsim, task, slate = load(), options["task"], options["slate"]
    given = {
        "seed": seed,
        "num_candidates": options["candidates"],
        "slate_size": slate,
        "resample_documents": True,
    }
    if task == "interest_exploration":
        return recsim.exploration.create_environment(given)
    if task == "interest_evolution" and options.get("choice_model", "auto") == "auto":
        return recsim.evolution.create_environment(given)
    if task == "interest_evolution":
        m = recsim.evolution
        user = m.IEvUserModel(
            slate,
            recsim.choice.MultinomialLogitChoiceModel,
            m.IEvResponse,
            m.IEvUserState,
            seed=seed,
        )
        documents, reward = (
            m.UtilityModelVideoSampler(m.IEvVideo, seed=seed),
            m.clicked_watchtime_reward,
        )
    else:
        m = recsim.satisfaction
        user = m.LTSUserModel(slate, m.LTSUserState, m.LTSResponse, seed=seed)
        user._user_sampler._state_parameters["sensitivity"] = options["sensitivity"]
        documents, reward = (
            m.LTSDocumentSampler(doc_ctor=m.LTSDocument, seed=seed),
            m.clicked_engagement_reward,
        )
    made = recsim.environment.Environment(user, documents, options["candidates"], slate, True)
    return recsim.gym.RecSimGymEnv(made, reward)


def ranked(scores: Any, slate: int) -> Any:
    """Return the best-scored places, best first."""
    return np.argsort(-scores, kind="stable")[:slate]


def policy_of(options: dict[str, Any], seed: int) -> Slate:
    """Return a policy by the name that lrdqn has for it; it sees what RecSim shows."""
    rng, slate, name = np.random.default_rng(seed), options["slate"], options["policy"]

    def documents(obs: dict[str, Any]) -> list[Any]:
        return list(obs["doc"].values())

    if name == "random":
        return lambda obs: rng.permutation(options["candidates"])[:slate]
    if name.startswith("clickbait"):
        wanted = float(name.rpartition("_")[2])
        return lambda obs: ranked(-np.abs(np.array(documents(obs))[:, 0] - wanted), slate)
    if options["task"] == "interest_exploration":
        share, affinity = np.array(options["kinds"]), np.array(options["affinity"])
        typical = share @ np.exp(affinity + 0.1**2 / 2)
        return lambda obs: ranked(
            np.array([typical[d["cluster_id"]] + d["quality"] for d in documents(obs)]), slate
        )
    if name == "static_ranking":
        return lambda obs: ranked(TOPIC_QUALITY[np.argmax(documents(obs), axis=1)], slate)
    return lambda obs: ranked(np.array(documents(obs)) @ obs["user"], slate)


def prepare(options: dict[str, Any]) -> Callable[[int], dict[str, Any]]:
    """Play ``steps`` of one user after another in a loop, timed; or ``sessions`` whole ones, each
    with its statistics."""
    env = make(options, options.get("seed", 0))
    choose, limit = policy_of(options, options.get("seed", 0)), options["horizon"]

    def steps(seed: int) -> dict[str, Any]:
        seed_it(seed)
        obs, began = env.reset(), time.perf_counter()
        for _ in range(options["steps"]):
            obs, _, done, _ = env.step(choose(obs))
            if done:
                obs = env.reset()
        seconds = time.perf_counter() - began
        return {"seconds": seconds, "step_seconds": seconds / options["steps"]}

    def session() -> tuple[float, int, int, float]:
        obs, total, length, clicks, quality, done = env.reset(), 0.0, 0, 0, 0.0, False
        while not done and length < limit:
            slate, documents = choose(obs), list(obs["doc"].values())
            obs, reward, done, _ = env.step(slate)
            total, length = total + float(reward), length + 1
            for place, response in zip(slate, obs["response"], strict=True):
                if response[
                    "click"
                    # long-term satisfaction tells no quality; its documents are nothing but their
                    # clickbait
                ]:
                    told = response["quality"] if "quality" in response else documents[place][0]
                    clicks, quality = clicks + 1, quality + float(told)
        return total, length, clicks, quality

    def sessions(seed: int) -> dict[str, Any]:
        seed_it(seed)
        lived = np.array([session() for _ in range(options["sessions"])])
        return dict(zip(("returns", "length", "clicks", "quality"), lived.T.tolist(), strict=True))

    return steps if "steps" in options else sessions


if __name__ == "__main__":
    serve(prepare)

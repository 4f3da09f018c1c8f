"""The reference slate benchmark as a plug."""

from __future__ import annotations

from typing import Any

from lrdqn.config.family import EnvFamily, Offers
from lrdqn.envs.recsim.config import RecsimConfig, check_recsim

UNORDERED = ("auto", "mnl", "proportional")
"""Choice models to which the order of a slate means nothing."""

LEFT_OUT = ("renewal_topk", "renewal_greedy")
"""Policies that stand in no run's table: ``renewal_exact`` fills the same slates better."""


def make(config: RecsimConfig, sessions: int) -> Any:
    """Return the environment."""
    from lrdqn.envs.recsim.env import make_recsim

    return make_recsim(config, sessions)


def offers(config: RecsimConfig) -> Offers:
    """Return what the task offers."""
    lacks = {"network": "env=recsim offers other documents at each step"}
    if config.task == "interest_exploration":
        lacks["end"] = "env.task=interest_exploration never ends"
    first_only = config.task == "long_term_satisfaction"
    if first_only:
        lacks["any_place"] = "env.task=long_term_satisfaction"
    return Offers(
        observations=("documents",),
        actions="candidates",
        slate=config.slate,
        candidates=config.candidates,
        ordered=first_only or config.choice_model not in UNORDERED,
        known_choice=True,
        lacks=lacks,
    )


def choice_weights(config: RecsimConfig) -> Any:
    """Return ``weights(obs) -> v [B, C], v_0 [B]`` of the task's own choice model."""
    from lrdqn.envs.recsim.env import make_recsim_task

    return make_recsim_task(config, 1).weights


def known_policies(config: RecsimConfig) -> dict[str, Any]:
    """Return the policies that play a task without learning, by the name they have in tables."""
    from lrdqn import baselines
    from lrdqn.envs.recsim.env import make_recsim, make_recsim_task

    task = make_recsim_task(config, 1)
    found = {"random": baselines.make_random_slate(make_recsim(config, 1).spec)}
    if config.task == "long_term_satisfaction":
        return found | {
            f"clickbait_{c:g}": baselines.make_clickbait(config.slate, c) for c in (0.0, 0.5, 1.0)
        }
    found |= {
        f"myopic_{name}": baselines.make_myopic(task, config.slate, name)
        for name in ("topk", "greedy")
    }
    if config.task == "interest_evolution" and config.sampler == "utility":
        found |= {"static_ranking": baselines.make_topic_ranking(config)}
        found |= {
            f"renewal_{name}": baselines.make_renewal(config, task, name)
            for name in ("topk", "greedy", "exact")
        }
    return found


def baselines(config: RecsimConfig, env: Any) -> dict[str, Any]:
    """Return the policies of every table."""
    known = known_policies(config)
    return {name: policy for name, policy in known.items() if name not in LEFT_OUT}


FAMILY = EnvFamily(
    schema=RecsimConfig,
    make=make,
    offers=offers,
    check=check_recsim,
    baselines=baselines,
    choice_weights=choice_weights,
)

"""The live world as a plug."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lrdqn.config import ConfigError
from lrdqn.config.family import EnvFamily, Offers
from lrdqn.envs.live.checks import check_live
from lrdqn.envs.live.config import SIM_VERSION, LiveConfig

UNORDERED = ("mnl", "proportional")
"""Choice models to which the order of a slate means nothing."""


def make(config: LiveConfig, sessions: int) -> Any:
    """Return the environment of the clock that is asked for."""
    from lrdqn.envs.live.env import make_live
    from lrdqn.envs.live.tick.env import make_tick_live

    return (make_tick_live if config.clock == "tick" else make_live)(config, sessions)


def worlds(config: LiveConfig, seed: int, seeds: int, known: bool) -> Any:
    """Return the worlds of all seeds."""
    from lrdqn import baselines
    from lrdqn.envs.live.log.attach import LogMethod
    from lrdqn.envs.live.worlds import make_worlds
    from lrdqn.networks.live_features import prediction_features

    method = LogMethod(baselines.LOGGING[config.log.policy], prediction_features)
    return make_worlds(config, seed, seeds, known, method)


def world_bytes(config: LiveConfig) -> dict[str, float]:
    """Return the bytes of one world by the key that scales them."""
    from lrdqn.envs.live.worlds import world_bytes

    return world_bytes(config)


def offers(config: LiveConfig) -> Offers:
    """Return what the world offers; the tick clock hands over whole decisions and hides clicks."""
    lacks = {
        "network": "env=live offers a changing candidate set",
        "choice": "hides how users choose; use logit",
    }
    ticking = {
        "clicked_place": "env.clock=tick",
        "consecutive": "env.clock=tick hands over whole decisions, not consecutive steps",
        "references": (
            "privileged references know the laws of env.clock=decision only; "
            "must be false with env.clock=tick"
        ),
    }
    return Offers(
        observations=("candidates",),
        actions="candidates",
        slate=config.slate,
        candidates=config.candidates,
        ordered=config.choice_model not in UNORDERED,
        references=config.clock == "decision",
        lacks=lacks if config.clock == "decision" else lacks | ticking,
    )


def check_files(config: LiveConfig) -> None:
    """Raise where a population folder is not whole or too small for the candidates, or where
    embeddings are not those of its streamers."""
    streamers = config.streamers
    if config.population is not None:
        from lrdqn.envs.live.population_folder import check_population

        streamers = check_population(Path(config.population))["streamers"]
        if config.candidates > streamers:
            allowed = f"must not exceed the catalogue, {streamers} streamers"
            raise ConfigError("env.candidates", config.candidates, allowed)
    if config.embeddings is not None:
        from lrdqn.envs.live.embeddings import load_embeddings

        ids = None if config.embedding_ids is None else Path(config.embedding_ids)
        load_embeddings(Path(config.embeddings), ids, streamers)


def baselines(config: LiveConfig, env: Any) -> dict[str, Any]:
    """Return the policies of every table: random, popularity, content; with a log, ranking by
    profile, and by reward and return as the log predicts them."""
    from lrdqn import baselines

    ranked = {"popularity": baselines.make_popularity(), "content": baselines.make_content()}
    if config.log.impressions:
        ranked["profile"] = baselines.make_profile()
        ranked["predicted_reward"] = baselines.make_predicted(0)
        ranked["predicted_return"] = baselines.make_predicted(1)
    slate = env.spec.slate
    random = baselines.make_random_slate if slate > 1 else baselines.make_random
    return {"random": random(env.spec)} | {
        name: baselines.as_slate(policy, slate) for name, policy in ranked.items()
    }


def references(config: LiveConfig) -> dict[str, Any]:
    """Return exploiters, and privileged policies, which see the true state.

    Of slates, exploiters show their best few, and there are two myopic policies, one by an exact
    and one by a greedy optimiser.
    """
    from lrdqn import baselines

    exploiters = {
        "one_place": baselines.make_place(config.candidates),
        "one_category": baselines.make_category(),
        "one_streamer": baselines.make_streamer(),
        "always_repeat": baselines.make_repeat(),
        "linear": baselines.make_linear(),
        "static_ranking": baselines.make_static(),
    }
    if config.slate == 1:
        return (
            exploiters
            | observable(config)
            | {
                "oracle_myopic": baselines.make_index(config),
                "oracle_planner": baselines.make_index(config, baselines.PLANNER_WEIGHTS),
            }
        )
    page = baselines.make_slate_index
    return {
        name: baselines.as_slate(policy, config.slate) for name, policy in exploiters.items()
    } | {
        "oracle_myopic": page(config, "exact"),
        "oracle_greedy": page(config, "greedy"),
        "oracle_planner": page(config, "exact", baselines.PLANNER_WEIGHTS),
    }


def observable(config: LiveConfig) -> dict[str, Any]:
    """Return the index policies on what log and history tell; none without a log, or where content
    is not the style that the laws use."""
    from lrdqn import baselines

    if not config.log.impressions or config.content != "exact":
        return {}
    weights = baselines.OBSERVABLE_PLANNER_WEIGHTS
    return {
        "observable_myopic": baselines.make_observable_index(config),
        "observable_planner": baselines.make_observable_index(config, weights),
    }


FAMILY = EnvFamily(
    schema=LiveConfig,
    make=make,
    worlds=worlds,
    offers=offers,
    check=check_live,
    check_files=check_files,
    baselines=baselines,
    references=references,
    world_bytes=world_bytes,
    version=SIM_VERSION,
)

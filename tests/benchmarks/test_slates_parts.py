"""Pages filled by truth in place of what was learnt (``benchmarks/slates_parts.py``)."""

from __future__ import annotations

import itertools
import json
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from family import TINY_WORLD, of_place
from runner.runs import merged, play

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
sys.path.append(str(BENCHMARKS))

import slates_parts  # noqa: E402

from lrdqn import build  # noqa: E402
from lrdqn.agents.slateq.agent import item_network  # noqa: E402
from lrdqn.agents.slateq.family import choice_model  # noqa: E402
from lrdqn.compose.freeze import freeze  # noqa: E402
from lrdqn.compose.roots import TrainRun  # noqa: E402
from lrdqn.config import InputError  # noqa: E402
from lrdqn.envs.live.expected_outcome import make_slate_outcome  # noqa: E402
from lrdqn.ops.slates import OPTIMISERS  # noqa: E402
from lrdqn.runner.experiment import Experiment  # noqa: E402
from lrdqn.types import View  # noqa: E402

TINY = {
    "env": {"slate": 2},
    "network": {"name": "scorer", "hidden": [8, 8], "embedding": 2},
    "replay": {"name": "uniform", "capacity": 64, "batch_size": 8},
    "train": {
        "sessions": 4,
        "env_steps": 64,
        "eval_period": 64,
        "warmup_steps": 16,
        "update_period": 4,
        "myopic": False,
    },
    "agent": {"name": "slateq", "target_period": 16},
    "evaluate": {"sessions": 16, "references": True},
}


@pytest.mark.slow
def test_nothing_replaced_is_the_run_and_everything_replaced_the_privileged_policies(
    tmp_path: Path,
) -> None:
    play(tmp_path / "run", **of_place(merged(TINY_WORLD, TINY)))
    policies = json.loads((tmp_path / "run" / "summary.json").read_text())["policies"]
    judge = slates_parts.make_judge(tmp_path / "run")
    for parts, policy in (
        (slates_parts.Parts("learnt", "learnt", "greedy"), "learned"),
        (slates_parts.Parts("true", "next reward", "greedy"), "oracle_greedy"),
        (slates_parts.Parts("true", "planner's index", "exact"), "oracle_planner"),
    ):
        np.testing.assert_allclose(judge(parts), policies[policy]["return"]["per_seed"], rtol=1e-4)


@pytest.mark.slow
def test_each_part_is_replaced_by_itself() -> None:
    """The places shown are the optimiser's for weights and values that were put together by
    hand."""
    experiment = Experiment(freeze(TrainRun, of_place(merged(TINY_WORLD, TINY))))
    world, key = jax.tree.map(lambda x: x[0], experiment.worlds), jax.random.key(1)
    parts = build.agent_parts(experiment.config, experiment.env, experiment.worlds)
    choice = choice_model(experiment.config.agent, parts)
    # every layer is moved, so that what is learnt ranks otherwise than at the start
    params = jax.tree.map(
        lambda x: x + 0.5 * jax.random.normal(key, x.shape), experiment.learned.init(key)
    )
    state, obs = jax.jit(experiment.env.reset)(key, world)
    view = View(obs, experiment.env.catalogue(world), (state, world))
    out = item_network(experiment.network, choice).apply(params, obs, view.catalogue, None)
    true = jax.jit(make_slate_outcome(experiment.config.env))(state, world)
    reward, nothing = true.watched.reward, true.nothing.reward
    weights = {
        "learnt": choice.weights(params, obs, view.catalogue),
        "true": (true.weight, jnp.ones(4)),
    }
    values = {"learnt": (out.q[:, :-1], out.q[:, -1]), "next reward": (reward, nothing)}
    shown = set()
    for choices, of, fill in itertools.product(weights, values, ("greedy", "topk")):
        (v, v_nothing), (q, q_nothing) = weights[choices], values[of]
        expected = OPTIMISERS[fill](v, q, obs.mask, v_nothing, q_nothing, 2)
        policy = slates_parts.make_mixed(experiment, slates_parts.Parts(choices, of, fill))
        places, _ = jax.jit(policy.act)(params, view, key)
        np.testing.assert_array_equal(places, expected)
        shown.add(np.asarray(places).tobytes())
    assert len(shown) > 3  # or it would not matter what is replaced


def test_rows_are_paired_with_the_same_pages_with_one_part_learnt() -> None:
    steps = {"learnt": 0.0, "true": 1.0, "next reward": 10.0, "planner's index": 30.0}
    seeds = np.array([5.0, 9.0])
    returns = {
        p: seeds + steps[p.choices] + steps[p.values] + (p.fill == "topk") * 100
        for p in slates_parts.ALL
    }
    made, lines = slates_parts.result_rows(returns, {"seconds": 1.0})
    of = {row["name"]: row for row in made}
    assert len(of) == len(made) == 12 + 6 + 8
    assert len(lines) == 2 + 12
    index = "true choices, planner's index as values, topk"
    assert (of[index]["mean"], of[index]["per_seed"]) == (138.0, [136.0, 140.0])
    for part, apart in (("choices", 1.0), ("values", 30.0)):
        row = of[f"{index} - learnt {part}"]
        assert (row["mean"], row["ci_low"], row["ci_high"]) == (apart, apart, apart)
    assert lines[-1].endswith(
        "| 138.00 [112.59, 163.41] | 1.00 [1.00, 1.00] | 30.00 [30.00, 30.00] |"
    )


def test_runs_that_cannot_be_taken_apart_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no summary\.json there; the run has not finished"):
        slates_parts.make_judge(tmp_path)
    (tmp_path / "summary.json").write_text(json.dumps({"policies": {}, "differences": {}}))
    (tmp_path / "resolved.yaml").write_text("agent: {name: dqn}\nenv: {kind: live}\n")
    with pytest.raises(InputError, match="of agent=dqn env=live; must be of agent=slateq env=live"):
        slates_parts.make_judge(tmp_path)

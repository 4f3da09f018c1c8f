"""The whole training program, and evaluation, lower for GPUs and TPUs; this needs no
accelerator."""

from __future__ import annotations

from typing import Any

import jax
import pytest
from hydra import compose, initialize_config_dir

from lrdqn.compose.freeze import freeze
from lrdqn.compose.overrides import CONF
from lrdqn.compose.roots import TrainRun, register_schemas
from lrdqn.runner.compile import evaluator, over_learners
from lrdqn.runner.experiment import Experiment

SMALL = [
    "env.streamers=50",
    "env.users=20",
    "train.seeds=2",
    "network.hidden=[8,8]",
    "replay.capacity=4096",
]


def without_places(tree: Any) -> Any:
    return jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype), tree)


@pytest.mark.slow
@pytest.mark.parametrize(
    "words",
    [
        ["agent=double_dqn", "replay=prioritized"],
        ["agent=rainbow", "history=gru"],
        ["agent=pqn", "history=attention"],
        ["agent=munchausen", "replay=rank", "network.value=quantile"],
    ],
    ids=lambda words: " ".join(words),
)
def test_the_train_chunk_and_evaluation_lower_for_cuda_and_tpu(words: list[str]) -> None:
    register_schemas()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = freeze(TrainRun, compose("train", overrides=[*words, *SMALL]))
    e = Experiment(config)
    start, chunk = over_learners(e.trainer)
    evaluate = evaluator(e.eval_env, e.learned, len(e.learners), e.baselines)
    s = without_places(e.shapes)
    params = e.agent.policy_params(s.state.agent)
    calls = (
        (start, (s.keys, s.worlds, s.hypers)),
        (chunk, (s.state, s.worlds, s.hypers, s.clock)),
        (evaluate, (params, s.worlds, s.keys)),
    )
    for program, arguments in calls:
        exported = jax.export.export(jax.jit(program), platforms=["cuda", "tpu"])(*arguments)
        assert exported.platforms == ("cuda", "tpu")
        assert "callback" not in exported.mlir_module(), "nothing in it may talk to the host"

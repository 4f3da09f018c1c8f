"""Contestant: lrdqn's own training program, as `lrdqn train` compiles it, without evaluations.

Options: ``overrides`` of the training config, ``devices``.
"""

from __future__ import annotations

from typing import Any

from worker import Run, serve


def prepare(options: dict[str, Any]) -> Run:
    """Compile; a run initialises, warms up and trains from a fresh seed."""
    import jax
    import numpy as np
    from hydra import compose, initialize_config_dir

    from lrdqn.cli.runtime import prepare as set_up
    from lrdqn.compose.freeze import freeze
    from lrdqn.compose.overrides import CONF
    from lrdqn.compose.roots import TrainRun, register_schemas

    register_schemas()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = freeze(
            TrainRun,
            compose(
                "train", overrides=[*options["overrides"], f"runtime.devices={options['devices']}"]
            ),
        )
    set_up(config.runtime)
    from lrdqn.runner.compile import over_learners
    from lrdqn.runner.experiment import TRAIN_STREAM, Experiment

    e = Experiment(config)
    programs, s = over_learners(e.trainer), e.shapes
    start = (
        jax.jit(programs[0], out_shardings=e.sharding).lower(s.keys, s.worlds, s.hypers).compile()
    )
    chunk = jax.jit(programs[1], donate_argnums=0, out_shardings=e.sharding)
    chunk = chunk.lower(s.state, s.worlds, s.hypers, s.clock).compile()
    clocks = [e.clock(i) for i in range(e.plan.chunks)]
    e.keys(TRAIN_STREAM, 0)  # compiles what makes keys

    def run(seed: int) -> dict[str, Any]:
        state, metrics = start(e.keys(TRAIN_STREAM, seed), e.worlds, e.hypers), {}
        for clock in clocks:
            state, metrics = chunk(state, e.worlds, e.hypers, clock)
        returns = np.asarray(jax.block_until_ready(metrics["train_return"]))
        return {"returns": returns.ravel().tolist()}

    return run


if __name__ == "__main__":
    serve(prepare)

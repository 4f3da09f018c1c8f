"""Speed of the tick clock: CPU time of a session-tick in one thread, and of a decision, over
sessions and streamers.

    python benchmarks/speed/tick_live.py [--rounds 5] [--sessions 1024 4096 16384] [--streamers 1000
    10000] [--out]

16 candidates, styles of 16 numbers, a history of 20, one seed on one device with one XLA thread, a
random policy that draws its actions outside of what is timed. The world has run for two hours
before, so that sessions are at all stages. The decision clock of the same size runs in turns with
it. Prints a table; with ``--out`` writes results/scale_tick.{json,md}.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(1, str(Path(__file__).resolve().parents[1]))

import rows  # pyright: ignore[reportMissingImports]

from lrdqn.cli.runtime import prepare
from lrdqn.compose.freeze import freeze
from lrdqn.compose.roots import CalibrateRun
from lrdqn.config.runtime import RuntimeConfig
from lrdqn.envs.live.config import LiveConfig

NAME, STEPS, SETTLING = "scale_tick", 40, 240


def config_of(clock: str, streamers: int) -> Any:
    """Return the live world's default config, with that many streamers."""
    live = LiveConfig(clock=clock, streamers=streamers, users=4096)
    return freeze(CalibrateRun, dataclasses.asdict(CalibrateRun(env=dataclasses.asdict(live)))).env


class Point:
    """One size in one clock, compiled; ``run`` plays ``STEPS`` steps."""

    def __init__(self, clock: str, sessions: int, streamers: int, params: Any) -> None:
        import jax
        import jax.numpy as jnp

        from lrdqn import build

        env = build.build_env(config_of(clock, streamers), sessions)

        def play(carry: Any, params: Any, given: Any) -> Any:
            def one(carry: Any, x: Any) -> tuple[Any, None]:
                key, u = x
                state, mask, total, decisions = carry
                action = jnp.argmax(jnp.where(mask, u, -1.0), axis=1)
                state, t = env.step(key, state, action, params)
                made = sessions if t.pending is None else t.pending.complete.sum()
                return (state, t.obs.mask, total + t.reward.sum(), decisions + made), None

            return jax.lax.scan(one, carry, given)[0]

        state, obs = jax.jit(env.reset)(jax.random.key(0), params)
        u = jax.random.uniform(jax.random.key(2), (STEPS, sessions, obs.mask.shape[1]))
        self.given = (jax.random.split(jax.random.key(1), STEPS), u)
        self.params, self.sessions, self.rounds = params, sessions, 0
        self.carry = (state, obs.mask, jnp.zeros(()), jnp.zeros((), jnp.int32))
        self.program = (
            jax.jit(play, donate_argnums=0).lower(self.carry, params, self.given).compile()
        )
        self.state_bytes = sum(x.nbytes for x in jax.tree.leaves(state)) / sessions
        for _ in range(SETTLING // STEPS if clock == "tick" else 1):
            self.run()

    def run(self) -> tuple[float, float]:
        """Return CPU microseconds of a session-step, and decisions per session-step."""
        import jax

        made, began = int(self.carry[3]), time.process_time()
        self.carry = jax.block_until_ready(self.program(self.carry, self.params, self.given))
        total = STEPS * self.sessions
        return 1e6 * (time.process_time() - began) / total, (int(self.carry[3]) - made) / total


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--rounds", type=int, default=5, help="runs of everything, in turns (%(default)s)"
    )
    parser.add_argument(
        "--sessions", type=int, nargs="+", default=[1024, 4096, 16_384], help="(%(default)s)"
    )
    parser.add_argument(
        "--streamers", type=int, nargs="+", default=[1000, 10_000], help="(%(default)s)"
    )
    parser.add_argument("--out", action="store_true", help="write the results")
    given = parser.parse_args()
    prepare(dataclasses.replace(RuntimeConfig(), devices=1, cache_dir=None))
    import jax
    import jax.numpy as jnp

    from lrdqn import build

    points = {}
    for streamers in given.streamers:
        worlds = build.build_worlds(config_of("tick", streamers), 0, 1)
        params = jax.tree.map(lambda x: jnp.asarray(x[0]), worlds)
        for sessions in given.sessions if streamers == given.streamers[0] else given.sessions[1:2]:
            for clock in ("decision", "tick"):
                points[clock, sessions, streamers] = Point(clock, sessions, streamers, params)
    found: dict[Any, list[tuple[float, float]]] = {at: [] for at in points}
    began = time.perf_counter()
    for _ in range(given.rounds):
        for at, point in points.items():
            found[at].append(point.run())
    common = {
        "command": " ".join(["python benchmarks/speed/tick_live.py", *sys.argv[1:]]),
        "commit": rows.commit(),
        "device": rows.device(),
        "seconds": round(time.perf_counter() - began, 1),
    }
    made: list[dict[str, Any]] = []
    lines = [
        (
            "| clock | sessions | streamers | CPU µs a session-step | "
            "decisions a session-step | CPU µs a decision | state |"
        ),
        "|---|---|---|---|---|---|---|",
    ]
    for (clock, sessions, streamers), runs in found.items():
        cost, share = (np.array(x) for x in zip(*runs, strict=True))
        low, mid, high = np.quantile(cost, [0.25, 0.5, 0.75])
        name = f"clock={clock} sessions={sessions} streamers={streamers}"
        figures = {"value": float(mid), "q25": float(low), "q75": float(high), "n": len(cost)}
        unit = "CPU microseconds a session-step, one thread"
        made.append({"name": name, "metric": "cost", "unit": unit, **figures, **common})
        per = float(np.median(share))
        size = points[clock, sessions, streamers].state_bytes
        lines.append(
            f"| {clock} | {sessions:,} | {streamers:,} | {mid:.2f} "
            f"[{low:.2f}, {high:.2f}] | {per:.2f} | {mid / per:.2f} "
            f"| {size:,.0f} bytes |"
        )
    lines.append("")
    if given.out:
        rows.write(NAME, made, lines)
    print("\n".join(lines))


if __name__ == "__main__":
    main()

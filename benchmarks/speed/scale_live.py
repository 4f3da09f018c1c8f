"""Scaling of the live world: user-steps per second against a bare floor, over sessions and
streamers, and bytes of each.

    python benchmarks/speed/scale_live.py [--rounds 5] [--streamers 1000 10000 100000] [--sessions
    1024 4096 16384]

The race size: 10,000 streamers, 32 candidates, styles of 16 numbers, some 32 rooms per streamer, a
history of 20, one seed on one device with one XLA thread, a random policy. The floor does only what
no such world can do without: it draws no random number, gathers the rooms of 32 candidates and
whether they are on air, gathers their styles and multiplies them with the user's interest. World
and floor run in turns, each a scan with its state donated. Writes results/scale_live.{json,md}.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(1, str(Path(__file__).resolve().parents[1]))

import rows  # pyright: ignore[reportMissingImports]
from contest import wait_for_quiet

from lrdqn.cli.runtime import prepare
from lrdqn.compose.freeze import freeze
from lrdqn.compose.roots import CalibrateRun
from lrdqn.config.runtime import RuntimeConfig
from lrdqn.envs.live.config import LiveConfig

STEPS = 64
BASE_SESSIONS, BASE_STREAMERS = 4096, 10_000


def config_of(streamers: int) -> Any:
    """Return the config of the race size."""
    live = LiveConfig(streamers=streamers, users=4096, candidates=32, style=16, history=20)
    live.schedule.days = 21
    return freeze(CalibrateRun, dataclasses.asdict(CalibrateRun(env=dataclasses.asdict(live)))).env


class Point:
    """One size, compiled: ``world`` and ``floor`` run ``STEPS`` steps and return their seconds."""

    def __init__(self, config: Any, params: Any, sessions: int) -> None:
        import jax
        import jax.numpy as jnp

        from lrdqn import build
        from lrdqn.envs.live.schedule import is_live

        env = build.build_env(config, sessions)

        def world(carry: Any, params: Any, keys: Any) -> Any:
            def one(carry: Any, key: Any) -> tuple[Any, None]:
                state, mask, total = carry
                act_key, step_key = jax.random.split(key)
                action = jnp.argmax(
                    jnp.where(mask, jax.random.uniform(act_key, mask.shape), -1.0), axis=1
                )
                state, t = env.step(step_key, state, action, params)
                return (state, t.obs.mask, total + t.reward.sum()), None

            return jax.lax.scan(one, carry, keys)[0]

        def floor(carry: Any, params: Any, offset: Any) -> Any:
            rooms = params.schedule.start.shape[-1]

            def one(carry: Any, t: Any) -> tuple[Any, None]:
                room, user, time, total = carry
                streamer = room // rooms
                live = is_live(params.schedule, room, time[:, None])
                near = jnp.einsum(
                    "nd,nkd->nk", params.users.interest[user], params.streamers.style[streamer]
                )
                best = jnp.max(jnp.where(live, near, -1.0), axis=1)
                # other rooms, users and times each step, without a random number
                following = (room + t * 7919) % params.schedule.start[:-1].size
                return (
                    following,
                    (user + 1) % len(params.users.interest),
                    time + 60,
                    total + best.sum(),
                ), None

            return jax.lax.scan(one, carry, offset)[0]

        rng = np.random.default_rng(0)
        state, obs = jax.jit(env.reset)(jax.random.key(0), params)
        room = jnp.asarray(
            rng.integers(0, params.schedule.start[:-1].size, (sessions, config.candidates)),
            jnp.int32,
        )
        user = jnp.asarray(rng.integers(0, len(params.users.interest), sessions), jnp.int32)
        begin = jnp.asarray(rng.integers(0, 20 * 86_400, sessions), jnp.int32)
        self.sessions, self.params = sessions, params
        zero = jnp.zeros(())  # two of them: the states are donated
        self.carry = {"world": (state, obs.mask, zero), "floor": (room, user, begin, zero + 0)}
        self.given = {
            "world": jax.random.split(jax.random.key(1), STEPS),
            "floor": jnp.arange(STEPS, dtype=jnp.int32),
        }
        self.programs: dict[str, Callable[..., Any]] = {}
        for name, program in (("world", world), ("floor", floor)):
            lowered = jax.jit(program, donate_argnums=0).lower(
                self.carry[name], params, self.given[name]
            )
            self.programs[name] = lowered.compile()
        self.state_bytes = sum(x.nbytes for x in jax.tree.leaves(state))
        self.obs_bytes = sum(x.nbytes for x in jax.tree.leaves(obs))

    def run(self, name: str) -> float:
        """Return the seconds of one call."""
        import jax

        began = time.perf_counter()
        self.carry[name] = jax.block_until_ready(
            self.programs[name](self.carry[name], self.params, self.given[name])
        )
        return time.perf_counter() - began


def measure(
    points: dict[tuple[int, int], Point], rounds: int
) -> dict[tuple[int, int], dict[str, np.ndarray]]:
    """Return user-steps per second ``[rounds]`` of world and floor at every point, all in turns."""
    speeds: dict[tuple[int, int], dict[str, list[float]]] = {
        at: {"world": [], "floor": []} for at in points
    }
    for i in range(rounds + 1):
        for at, point in points.items():
            for name in ("world", "floor"):
                # as many steps of a session everywhere, so that a small point runs as long
                calls = max(1, 16_384 // point.sessions)
                seconds = sum(point.run(name) for _ in range(calls))
                if i:  # the first round touches every page
                    speeds[at][name].append(calls * STEPS * point.sessions / seconds)
    return {at: {name: np.array(x) for name, x in of.items()} for at, of in speeds.items()}


def quartiles(x: np.ndarray) -> dict[str, Any]:
    """Return median and quartiles for a row."""
    low, mid, high = np.quantile(x, [0.25, 0.5, 0.75])
    return {"value": float(mid), "q25": float(low), "q75": float(high), "n": len(x)}


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
        "--streamers", type=int, nargs="+", default=[1000, 10_000, 100_000], help="(%(default)s)"
    )
    given = parser.parse_args()
    prepare(freeze_runtime())
    import jax
    import jax.numpy as jnp

    from lrdqn import build

    began, load = time.perf_counter(), wait_for_quiet()
    worlds, points = {}, {}
    for streamers in dict.fromkeys([BASE_STREAMERS, *given.streamers]):
        config = config_of(streamers)
        worlds[streamers] = jax.tree.map(
            lambda x: jnp.asarray(x[0]), build.build_worlds(config, 0, 1)
        )
        for sessions in given.sessions if streamers == BASE_STREAMERS else [BASE_SESSIONS]:
            print(f"compiling {sessions} sessions, {streamers} streamers", flush=True)
            points[sessions, streamers] = Point(config, worlds[streamers], sessions)
    speeds = measure(points, given.rounds)
    common = {
        "command": " ".join(["python benchmarks/speed/scale_live.py", *sys.argv[1:]]),
        "commit": rows.commit(),
        "device": rows.device(),
        "load": load,
        "seconds": round(time.perf_counter() - began, 1),
    }
    made: list[dict[str, Any]] = []

    def add(name: str, metric: str, unit: str, figures: dict[str, Any]) -> None:
        made.append({"name": name, "metric": metric, "unit": unit, **figures, **common})

    lines = [
        (
            "| sessions | streamers | user-steps/s | of the floor | cost "
            "of a user-step | state of a session | world |"
        ),
        "|---|---|---|---|---|---|---|",
    ]
    base = speeds[BASE_SESSIONS, BASE_STREAMERS]["world"]
    for (sessions, streamers), of in speeds.items():
        name, point = f"sessions={sessions} streamers={streamers}", points[sessions, streamers]
        add(name, "speed", "user-steps/s", quartiles(of["world"]))
        add(
            name,
            "floor",
            "user-steps/s of gathers, live check and products alone",
            quartiles(of["floor"]),
        )
        shares, costs = of["world"] / of["floor"], base / of["world"]
        add(
            name,
            "share of the floor",
            "user-steps/s of the world over those of the floor",
            quartiles(shares),
        )
        add(
            name,
            "cost",
            f"times that of {BASE_SESSIONS} sessions and {BASE_STREAMERS} streamers",
            quartiles(costs),
        )
        session, obs = point.state_bytes / sessions, point.obs_bytes / sessions
        world = sum(x.nbytes for x in jax.tree.leaves(worlds[streamers])) / streamers
        add(name, "state of a session", "bytes", {"value": session, "n": 1})
        add(name, "observation of a session", "bytes", {"value": obs, "n": 1})
        add(
            name,
            "world",
            "bytes a streamer, users and rooms of 21 days included",
            {"value": world, "n": 1},
        )
        share, cost = float(np.median(shares)), float(np.median(costs))
        lines.append(
            f"| {sessions:,} | {streamers:,} | {np.median(of['world']):,.0f} "
            f"| {share:.2f} | {cost:.2f} | {session:,.0f} bytes "
            f"| {world:,.0f} bytes a streamer |"
        )
    race = float(np.median(base / speeds[BASE_SESSIONS, BASE_STREAMERS]["floor"]))
    flat = [float(np.median(base / speeds[n, BASE_STREAMERS]["world"])) for n in given.sessions]
    lines += [
        "",
        f"Share of the floor at the race size {race:.2f}. "
        f"Cost over sessions {min(flat):.2f} to {max(flat):.2f}.",
        "",
    ]
    rows.write("scale_live", made, lines)
    print("\n".join(lines))


def freeze_runtime() -> Any:
    """Set up one CPU device with one thread, or whatever else jax finds."""
    return dataclasses.replace(RuntimeConfig(), devices=1, cache_dir=None)


if __name__ == "__main__":
    main()

"""Checks of several keys at once: periods that must divide, sizes that must fit, parts that cannot
be combined."""

from __future__ import annotations

from lrdqn.compose.compatibility import check_compatible, needs_of
from lrdqn.compose.grid import axes_of, check_grid, check_orders, points_of
from lrdqn.compose.roots import CalibrateRun, TrainRun, TuneRun
from lrdqn.config.fields import ConfigError
from lrdqn.config.train import TrainConfig, iteration_steps


def nearest_multiples(value: int, base: int) -> str:
    """Return the multiples of ``base`` on both sides of ``value``, in words."""
    below, above = value // base * base, -(-value // base) * base
    return f"{above}" if below == 0 else f"{below} or {above}"


def divide(key: str, value: int, base_key: str, base: int) -> None:
    """Raise ``ConfigError`` unless ``value`` is a multiple of ``base``; the message names the
    nearest multiples."""
    if value % base:
        raise ConfigError(
            key,
            value,
            (
                f"must be a multiple of {base_key}={base}; the "
                f"nearest is {nearest_multiples(value, base)}"
            ),
        )


def iteration_key(train: TrainConfig) -> str:
    """Return the key, or the product of keys, that gives ``iteration_steps``."""
    if train.rollout is not None:
        return "train.rollout x train.sessions"
    return "train.update_period" if train.update_period > train.sessions else "train.sessions"


def check_update_period(period: int, steps: int, key: str) -> None:
    """Raise ``ConfigError`` unless an iteration is a whole number of updates."""
    if steps % period:
        divisors = [d for d in range(1, steps + 1) if steps % d == 0]
        near = [
            max((d for d in divisors if d < period), default=1),
            *[d for d in divisors if d > period][:1],
        ]
        names = " or ".join(map(str, near))
        raise ConfigError(
            "train.update_period", period, f"must divide {key}={steps}; the nearest is {names}"
        )


def check_train(config: TrainRun) -> None:
    """Raise ``ConfigError`` for the first combination of keys that is not allowed."""
    check_grid(config)
    check_periods(config)
    check_running(config)
    check_compatible(config)
    check_replay(config)


def check_periods(config: TrainRun) -> None:
    """Raise ``ConfigError`` unless every period is a whole number of iterations."""
    train, needs = config.train, needs_of(config)
    stride, base = iteration_steps(train), iteration_key(train)
    divide(base, stride, "train.sessions", train.sessions)
    check_update_period(train.update_period, stride, base)
    divide("train.env_steps", train.env_steps, base, stride)
    # agents that learn from fresh sessions have no warm-up and no target network
    if not needs.fresh:
        if train.warmup_steps is not None:
            divide("train.warmup_steps", train.warmup_steps, base, stride)
        if needs.sync_period is not None:
            divide("agent.target_period", needs.sync_period, base, stride)
    if train.eval_period is not None:
        if train.eval_period < 1:
            raise ConfigError("train.eval_period", train.eval_period, "must be at least 1")
        divide("train.eval_period", train.eval_period, base, stride)
        divide("train.env_steps", train.env_steps, "train.eval_period", train.eval_period)


def check_replay(config: TrainRun) -> None:
    """Raise ``ConfigError`` unless a batch fits into replay, and an iteration into its capacity."""
    train, replay = config.train, config.replay
    stride, base = iteration_steps(train), iteration_key(train)
    if replay.name == "queue":
        divide("replay.batch_size", replay.batch_size, "train.update_period", train.update_period)
        if stride % replay.batch_size:
            divisors = [
                d
                for d in range(train.update_period, stride + 1, train.update_period)
                if stride % d == 0
            ]
            near = ", ".join(map(str, divisors[:8]))
            raise ConfigError(
                "replay.batch_size",
                replay.batch_size,
                f"must divide {base}={stride}; allowed are {near}",
            )
        return
    if replay.batch_size > replay.capacity:
        raise ConfigError(
            "replay.batch_size",
            replay.batch_size,
            f"must not exceed replay.capacity={replay.capacity}",
        )
    if stride > replay.capacity:
        raise ConfigError(base, stride, f"must not exceed replay.capacity={replay.capacity}")
    if train.warmup_steps is not None and train.warmup_steps < replay.batch_size:
        raise ConfigError(
            "train.warmup_steps",
            train.warmup_steps,
            f"must be at least replay.batch_size={replay.batch_size}",
        )


def check_running(config: TrainRun) -> None:
    """Raise ``ConfigError`` unless a run shared by several processes names its coordinator and all
    of them."""
    runtime = config.runtime
    named = runtime.coordinator not in (None, "auto")
    if runtime.coordinator is not None and config.debug.mode in ("nan", "checkify"):
        raise ConfigError(
            "debug",
            config.debug.mode,
            "looks at values on one process only; leave runtime.coordinator out",
        )
    for key in ("processes", "process_id"):
        value = getattr(runtime, key)
        if named and value is None:
            raise ConfigError(
                f"runtime.{key}", "null", f"runtime.coordinator={runtime.coordinator} needs it"
            )
        if not named and value is not None:
            raise ConfigError(
                f"runtime.{key}", value, "only goes with runtime.coordinator=HOST:PORT"
            )
    if (
        runtime.processes is not None
        and runtime.process_id is not None
        and runtime.process_id >= runtime.processes
    ):
        raise ConfigError(
            "runtime.process_id",
            runtime.process_id,
            f"must be below runtime.processes={runtime.processes}",
        )


def check_tune(config: TuneRun) -> None:
    """Raise ``ConfigError`` unless the space consists of ranges, the trials are whole batches, and
    nothing else varies."""
    if points_of(config.grid) != [{}]:
        raise ConfigError(
            "grid",
            ",".join(axes_of(config.grid)),
            "a search has no grid; its ranges stand in tune.space",
        )
    ranges = axes_of(config.tune.space)
    if not ranges:
        raise ConfigError(
            "tune.space",
            "null",
            "needs at least one range, tune.space.agent.learning_rate=[low,high]",
        )
    for key, values in ranges.items():
        if len(values) != 2 or values[0] >= values[1]:
            raise ConfigError(
                f"tune.space.{key}", list(values), "must be [low,high] with low < high"
            )
    divide("tune.trials", config.tune.trials, "tune.batch", config.tune.batch)
    keys = ("agent.epsilon_end", "agent.epsilon", "replay.beta", "replay.beta_end")
    ends = dict(zip(keys, (max, min, max, min), strict=True))
    check_orders({key: end(ranges[key]) for key, end in ends.items() if key in ranges}, config)
    if config.train.myopic:
        raise ConfigError("train.myopic", "true", "a search trains its trials alone; must be false")
    if config.debug.mode != "off":
        raise ConfigError(
            "debug", config.debug.mode, "not in a search; debug one of its points with lrdqn train"
        )
    if config.runtime.coordinator is not None:
        raise ConfigError(
            "runtime.coordinator", config.runtime.coordinator, "a search runs in one process"
        )


def check_calibrate(config: CalibrateRun) -> None:
    """Raise ``ConfigError`` unless a log has a folder to read and a folder to write, and slates
    have one room, as the reference policy shows one per request."""
    if config.env.slate != 1:
        why = "the reference policy shows one room per request; must be 1"
        raise ConfigError("env.slate", config.env.slate, why)
    if config.source != "world":
        if config.path is None:
            raise ConfigError(
                "path", "null", f"source={config.source} needs the folder of the log, path=DIR"
            )
        if config.out is None:
            raise ConfigError(
                "out", "null", f"source={config.source} needs a population folder to write, out=DIR"
            )

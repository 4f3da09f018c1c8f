"""Schemas of how a run is executed: devices, checkpoints, debugging."""

from __future__ import annotations

import math
from dataclasses import dataclass

from lrdqn.config.fields import choice_field, float_field, int_field, plain_field


@dataclass
class RuntimeConfig:
    """Devices, precision, random numbers, compilation cache, and the processes of one run."""

    platform: str = choice_field(
        "auto", ("auto", "cpu", "gpu", "tpu"), "kind of device; auto takes the fastest available"
    )
    devices: int | None = int_field(
        None, 1, "devices per process; null takes all (on a CPU one per core)"
    )
    threads: int | None = int_field(
        None,
        1,
        "threads per CPU device; null takes one, which is fastest for small kernels",
    )
    precision: str = choice_field(
        "default",
        ("default", "tensorfloat32", "float32"),
        "precision of matrix products on accelerators",
    )
    prng: str = choice_field(
        "threefry2x32", ("threefry2x32", "rbg"), "random generator; rbg is faster on TPUs"
    )
    cache_dir: str | None = plain_field(
        "~/.cache/lrdqn/xla", "persistent compilation cache; null turns it off"
    )
    memory_gib: float | None = float_field(
        None,
        0.0,
        math.inf,
        "GiB of memory that a run may use; null asks the devices",
        open_low=True,
    )
    coordinator: str | None = plain_field(
        None, "HOST:PORT of process 0 where several processes share a run; `auto` asks the cluster"
    )
    processes: int | None = int_field(
        None, 1, "number of processes that share the run (with coordinator=HOST:PORT)"
    )
    process_id: int | None = int_field(None, 0, "index of this process, from 0")


@dataclass
class CheckpointConfig:
    """Checkpoints, written while training at chunk boundaries, the points of the learning curve."""

    seconds: float = float_field(
        30.0, 0.0, math.inf, "least seconds between two checkpoints; 0 saves at every evaluation"
    )
    keep: int = int_field(2, 1, "number of newest checkpoints to keep")
    replay: bool = plain_field(
        True, "save replay too; without it a resumed run refills replay by warm-up and is not exact"
    )


@dataclass
class DebugConfig:
    """Slower modes of execution that find mistakes."""

    mode: str = choice_field(
        "off",
        ("off", "nan", "checkify", "profile"),
        (
            "nan stops at the first value that is not finite; checkify "
            "also checks indices; profile writes a trace"
        ),
    )

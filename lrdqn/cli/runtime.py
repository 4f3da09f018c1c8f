"""Set jax up before its first use: one CPU device per core, and the persistent compilation cache."""

from __future__ import annotations

import os
from pathlib import Path


def prepare(cache_dir: str | None) -> None:
    """Configure jax. Must run before anything touches a device.

    Seeds are sharded over devices, so a CPU with n cores is shown as n devices (unless ``XLA_FLAGS`` already says how many).
    """
    import jax

    if "xla_force_host_platform_device_count" not in os.environ.get("XLA_FLAGS", ""):
        jax.config.update("jax_num_cpu_devices", len(os.sched_getaffinity(0)))
    if cache_dir is not None:
        jax.config.update("jax_compilation_cache_dir", str(Path(cache_dir).expanduser()))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.5)

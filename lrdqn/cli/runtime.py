"""Configuration of jax before its first use: platform, devices, precision, random generator,
compilation cache, processes."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from lrdqn.config import ConfigError, InputError
from lrdqn.config.runtime import RuntimeConfig

WORDS = {
    "gpu": "pip install 'lrdqn[cuda12]' (or cuda13)",
    "tpu": "pip install 'lrdqn[tpu]'",
    "cpu": "unset JAX_PLATFORMS",
}

CPU_DEVICES = "jax_num_cpu_devices"


def prepare(runtime: RuntimeConfig) -> None:
    """Configure jax. Must run before anything touches a device.

    Seeds are sharded over devices, so a CPU with n cores is exposed as n devices (unless
    ``XLA_FLAGS`` sets their number).

    Raises:
        InputError: there is no device of the requested kind, or the processes do not find each
            other.
    """
    import jax

    if runtime.platform != "auto":  # callbacks (env=gymnasium) need the CPU as well
        jax.config.update("jax_platforms", ",".join(dict.fromkeys((runtime.platform, "cpu"))))
    if "xla_force_host_platform_device_count" not in os.environ.get("XLA_FLAGS", ""):
        show_cpus(runtime.devices or len(os.sched_getaffinity(0)))
    # Read when the CPU is first used. jax's default, all cores for every device, passes the kernels
    # of a small program from thread to thread: an iteration of one CartPole learner then takes 250
    # microseconds of CPU time, and 185 on one thread.
    os.environ.setdefault("PJRT_NPROC", str(runtime.threads or 1))
    jax.config.update("jax_default_prng_impl", runtime.prng)
    if runtime.precision != "default":
        jax.config.update("jax_default_matmul_precision", runtime.precision)
    cache = usable_cache(runtime.cache_dir)
    if cache is not None:
        jax.config.update("jax_compilation_cache_dir", str(cache))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.5)
    if runtime.coordinator is not None:
        join_processes(runtime)
    try:
        count = jax.local_device_count()
    except RuntimeError as error:
        hint = WORDS.get(runtime.platform, "unset JAX_PLATFORMS")
        raise ConfigError(
            "runtime.platform", runtime.platform, f"no such device here ({hint})"
        ) from error
    if runtime.devices is not None and runtime.devices > count:
        raise ConfigError(
            "runtime.devices",
            runtime.devices,
            f"must not exceed the {count} devices of this process",
        )


def usable_cache(cache_dir: str | None) -> Path | None:
    """Return the folder of the compilation cache, made if it was missing; ``None`` where there is
    to be none, or where it cannot be used, which is said."""
    if cache_dir is None:
        return None
    try:
        folder = Path(cache_dir).expanduser()
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except (OSError, RuntimeError) as error:  # a RuntimeError: there is no home folder
        reason = getattr(error, "strerror", None) or error
        what = f"cannot be used ({reason}); programs are compiled anew in each run"
        print(f"runtime.cache_dir={cache_dir}: {what}", file=sys.stderr, flush=True)
        return None


def show_cpus(count: int) -> None:
    """Expose the CPU as ``count`` devices; the first job of a sweep fixes the number for its
    process."""
    import jax

    if getattr(jax.config, CPU_DEVICES) == count:
        return
    try:
        jax.config.update(CPU_DEVICES, count)
    except RuntimeError as error:
        raise ConfigError(
            "runtime.devices", count, "is fixed for a process; run each value by itself"
        ) from error


def join_processes(runtime: RuntimeConfig) -> None:
    """Connect to the other processes of the run."""
    import jax

    try:
        if runtime.coordinator == "auto":
            jax.distributed.initialize()
        else:
            jax.distributed.initialize(runtime.coordinator, runtime.processes, runtime.process_id)
    except (RuntimeError, ValueError) as error:
        reason = str(error).strip().partition("\n")[0][:160]
        raise InputError(
            f"runtime.coordinator={runtime.coordinator}: the processes do not meet ({reason})"
        ) from error

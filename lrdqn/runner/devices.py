"""Placement of a run's arrays: seeds over the devices of all its processes. Nothing here
computes."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from lrdqn.config import ConfigError
from lrdqn.types import PyTree


def seed_sharding(seeds: int, limit: int | None = None) -> NamedSharding:
    """Return a sharding of seeds over as many devices as divide them evenly, without collectives.

    Results agree across device counts to float32 rounding: the compiler may order a sum differently
    for another batch shape.

    Args:
        seeds: length of the leading axis.
        limit: number of devices to use per process; ``None`` takes all.

    Raises:
        ConfigError: several processes share the run, and the seeds do not divide over all of their
            devices.
    """
    processes = jax.process_count()
    of_process = [
        [d for d in jax.devices() if d.process_index == i][:limit] for i in range(processes)
    ]
    each = max(
        (n for n in range(1, min(map(len, of_process)) + 1) if seeds % (n * processes) == 0),
        default=0,
    )
    if not each:
        raise ConfigError(
            "train.seeds",
            seeds,
            f"must be a multiple of the {processes} processes that share the run",
        )
    devices = [device for own in of_process for device in own[:each]]
    return NamedSharding(
        jax.make_mesh((len(devices),), ("seed",), axis_types=(AxisType.Auto,), devices=devices),
        PartitionSpec("seed"),
    )


def seed_keys(seed: int, seeds: int, stream: int) -> jax.Array:
    """Return keys ``[seeds]``; seed i's key is folded from i, so it does not depend on the number
    of seeds."""
    root = jax.random.fold_in(jax.random.key(seed), stream)
    return jax.vmap(lambda i: jax.random.fold_in(root, i))(jnp.arange(seeds))


def to_host(tree: PyTree) -> PyTree:
    """Return device arrays as host arrays, complete on every process."""
    if jax.process_count() == 1:
        return jax.device_get(tree)
    from jax.experimental import multihost_utils

    return multihost_utils.process_allgather(tree, tiled=True)


def any_process(flag: bool) -> bool:
    """Return whether ``flag`` is true on any process. All processes must call this together."""
    if jax.process_count() == 1:
        return flag
    from jax.experimental import multihost_utils

    return bool(np.any(multihost_utils.process_allgather(np.asarray([flag]))))


def is_main_process() -> bool:
    """Return whether this process writes files and prints: the first one does."""
    return jax.process_index() == 0


def describe(sharding: NamedSharding) -> dict[str, Any]:
    """Return the devices and versions that bit-exactness depends on besides the configuration: a
    run resumed with others agrees to rounding only."""
    import jaxlib.version

    return {
        "kind": jax.devices()[0].device_kind,
        "devices": sharding.num_devices,
        "processes": jax.process_count(),
        "jax": jax.__version__,
        "jaxlib": jaxlib.version.__version__,
    }

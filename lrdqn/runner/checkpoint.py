"""Checkpoints on disk: ``checkpoints/<env_steps>/{policy,state,meta}``, written by Orbax, with a
checksum of every file.

``policy`` holds the parameters that evaluation needs, readable by itself; ``state`` is the whole
training state; ``meta`` is JSON. Only arrays and JSON are ever read back, never code.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from lrdqn.atomic import json_text, write_json
from lrdqn.config import InputError
from lrdqn.runner.folder import CHECKPOINTS
from lrdqn.types import Params, PyTree

CHECKSUMS = "sha256.json"
"""File of checksums, written into a checkpoint last: without it a flipped bit in an array would
silently load as another policy."""

SET_ASIDE = "damaged"
"""Folder inside the run folder for checkpoints that were damaged or unfinished when the run was
resumed."""


def save_checkpoint(
    folder: Path,
    policy: Params,
    meta: Mapping[str, Any],
    step: int,
    state: PyTree = None,
    keep: int = 2,
) -> None:
    """Save a checkpoint under ``folder/checkpoints/<step>``; an interrupted save leaves no such
    folder.

    Every process of a run calls this; the first one writes what is not sharded.

    Args:
        folder: the run folder.
        policy: nested dicts with ``str`` keys of host arrays with leading axes ``[seeds, grid]``
            and at least one element each. Host arrays record no devices, so a policy trained on
            accelerators opens on a laptop.
        meta: JSON (NaN and infinities become ``null``).
        step: env steps per seed so far; the highest step is the newest.
        state: the training state, or ``None`` to save the policy alone.
        keep: number of newest checkpoints to keep; older ones are removed.

    Raises:
        InputError: ``step`` was saved before, or the folder cannot be written.
    """
    import jax
    import orbax.checkpoint as ocp

    items = {
        "policy": ocp.args.StandardSave(policy),
        "meta": ocp.args.JsonSave(json.loads(json_text(meta))),
    }
    if state is not None:
        items["state"] = ocp.args.StandardSave(
            jax.tree.map(lambda x: x if x.size else _zeros(_stored(x)), state)
        )
    options = ocp.CheckpointManagerOptions(
        max_to_keep=keep,
        create=True,
        enable_async_checkpointing=False,
        cleanup_tmp_directories=True,
    )
    where = Path(folder).resolve() / CHECKPOINTS
    with _quiet():
        try:
            with ocp.CheckpointManager(where, options=options) as manager:
                if step in manager.all_steps():
                    raise InputError(f"{where}: step {step} is there already")
                manager.save(step, args=ocp.args.Composite(**items))
            if jax.process_index() == 0:
                write_json(where / str(step) / CHECKSUMS, _checksums(where / str(step)))
        except InputError:
            raise
        # a full disk reaches us as an OSError, or as a ValueError of the storage library that
        # quotes it
        except Exception as error:
            if not isinstance(error, OSError | ValueError):
                raise
            raise InputError(f"{where}: cannot be written ({_first_line(error)})") from error


def saved_steps(folder: str | Path) -> list[int]:
    """Return the steps of a run's finished checkpoints, newest first: those with checksums, which
    are written last."""
    found = (Path(folder).expanduser() / CHECKPOINTS).glob(f"*/{CHECKSUMS}")
    return sorted(
        (int(path.parent.name) for path in found if path.parent.name.isdigit()), reverse=True
    )


def read_meta(folder: str | Path, step: int) -> dict[str, Any]:
    """Return the ``meta`` of a checkpoint once its checksums are verified. Needs no jax.

    Raises:
        InputError: it is damaged. The line names the folder and the file.
    """
    path, name = Path(folder).expanduser() / CHECKPOINTS / str(step), _name(folder, step)
    _verify(path, name)
    try:
        return json.loads((path / "meta" / "metadata").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{name} is damaged (meta: {_first_line(error)})") from error


def load_state(folder: str | Path, step: int, template: PyTree) -> PyTree:
    """Return the training state of a checkpoint, on the devices that ``template`` names.

    Args:
        folder: the run folder.
        step: which one.
        template: ``jax.ShapeDtypeStruct`` leaves with their shardings, in the structure of the
            saved state.

    Raises:
        InputError: the checkpoint is damaged, or was saved with another structure.
    """
    import jax
    import orbax.checkpoint as ocp

    saved = _restore(folder, step, state=ocp.args.StandardRestore(jax.tree.map(_stored, template)))[
        "state"
    ]
    return jax.tree.map(lambda x, y: y if x.size else _zeros(x), template, saved)


def load_policy(folder: str | Path) -> tuple[Params, dict[str, Any]]:
    """Load the newest policy of a run; the structure of its tree need not be known.

    Args:
        folder: the run folder.

    Returns:
        ``(policy, meta)``: nested dicts of host arrays ``[seeds, grid, ...]``, and the ``meta``
        that ``save_checkpoint`` was given.

    Raises:
        InputError: there is no checkpoint, or it is damaged. The line names the folder.
    """
    if not (Path(folder).expanduser() / CHECKPOINTS).is_dir():
        raise InputError(
            f"run={folder}: no {CHECKPOINTS} folder there; the run "
            "has not finished, or this is not a run folder"
        )
    steps = saved_steps(folder)
    if not steps:
        raise InputError(
            f"run={folder}: no finished checkpoint in {CHECKPOINTS}; the run has not finished"
        )
    import orbax.checkpoint as ocp

    meta = read_meta(folder, steps[0])
    return _restore(folder, steps[0], policy=ocp.args.StandardRestore())["policy"], meta


def set_aside_after(folder: Path, step: int) -> None:
    """Move checkpoints above ``step``, damaged or unfinished, out of the way of later ones; delete
    nothing."""
    for path in (Path(folder) / CHECKPOINTS).glob("*"):
        if path.name.isdigit() and int(path.name) > step:
            place, number = Path(folder) / SET_ASIDE / path.name, 1
            while place.exists():
                number += 1
                place = place.with_name(f"{path.name}-{number}")
            try:
                place.parent.mkdir(exist_ok=True)
                os.replace(path, place)
            except OSError as error:
                raise InputError(
                    f"{path}: cannot be moved to {place} ({_first_line(error)})"
                ) from error


def _restore(folder: str | Path, step: int, **items: Any) -> Any:
    import orbax.checkpoint as ocp

    where = Path(folder).expanduser().resolve() / CHECKPOINTS
    with (
        _quiet(),
        ocp.CheckpointManager(
            where, options=ocp.CheckpointManagerOptions(read_only=True)
        ) as manager,
    ):
        try:
            return manager.restore(step, args=ocp.args.Composite(**items))
        # Orbax does not document what it raises for damage: its checks, the JSON and the storage
        # library all differ
        except Exception as error:
            reason = f"{type(error).__name__}: {_first_line(error)}"
            raise InputError(f"{_name(folder, step)} is damaged ({reason})") from error


def _stored(x: Any) -> Any:
    """Return shape, type and sharding of an array as it is saved: Orbax refuses arrays without
    elements, so axes of length 0 get length 1."""
    import jax

    return jax.ShapeDtypeStruct(tuple(max(n, 1) for n in x.shape), x.dtype, sharding=x.sharding)


def _zeros(x: Any) -> Any:
    """Return zeros of this shape, type and sharding."""
    import jax

    return jax.jit(lambda: jax.numpy.zeros(x.shape, x.dtype), out_shardings=x.sharding)()


def _name(folder: str | Path, step: int) -> str:
    return f"run={folder}: {CHECKPOINTS}/{step}"


def _first_line(error: Exception) -> str:
    text = getattr(error, "strerror", None) or str(error)
    return text.strip().partition("\n")[0][:200]


def _checksums(step: Path) -> dict[str, str]:
    """Return the SHA-256 of every file of a checkpoint, by its path inside the checkpoint."""
    files = sorted(path for path in step.rglob("*") if path.is_file() and path != step / CHECKSUMS)
    return {path.relative_to(step).as_posix(): _digest(path) for path in files}


def _digest(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _verify(step: Path, name: str) -> None:
    """Raise ``InputError`` unless the files of a checkpoint match their checksums."""
    try:
        wanted = json.loads((step / CHECKSUMS).read_text(encoding="utf-8"))
        found = _checksums(step)
    except (OSError, ValueError) as error:
        raise InputError(f"{name} is damaged ({CHECKSUMS}: {error})") from error
    for file, digest in wanted.items():
        if found.get(file) != digest:
            raise InputError(
                f"{name} is damaged ({file} is "
                f"{'not what was saved' if file in found else 'missing'})"
            )


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silence Orbax's logging, which writes dozens of lines per save and a traceback per failure,
    and the storage library's threads, which print one for each write that was under way.

    Failures are also raised, and are reported here in one line. The threads may speak up after it,
    so that they stay silent then.
    """
    logger, tasks, hook = logging.getLogger("absl"), logging.getLogger("asyncio"), sys.excepthook
    before = logger.level, tasks.level

    def without_late_errors(
        kind: type[BaseException], error: BaseException, trace: TracebackType | None
    ) -> None:
        if not (isinstance(error, RuntimeError) and "Event loop is closed" in str(error)):
            hook(kind, error, trace)

    logger.setLevel(logging.CRITICAL + 1)
    tasks.setLevel(logging.CRITICAL + 1)
    sys.excepthook = without_late_errors
    try:
        yield
        sys.excepthook = hook
        tasks.setLevel(before[1])
    finally:
        logger.setLevel(before[0])

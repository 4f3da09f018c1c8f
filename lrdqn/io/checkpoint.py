"""The policy of a finished run on disk: ``checkpoints/<step>/state`` (arrays) and ``meta`` (JSON), written by Orbax.

Only arrays and JSON are ever read back, never code (DESIGN P19). The same manager and the same two items can hold a whole
training state.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from lrdqn.config import InputError
from lrdqn.io.atomic import json_text, write_json
from lrdqn.io.run_folder import CHECKPOINTS
from lrdqn.types import Params

KEPT = 2
"""Checkpoints that stay; older ones are removed."""

CHECKSUMS = "sha256.json"
"""Written into a finished step. Without it a flipped bit in an array loads as another policy, and nobody is told."""


def save_policy(folder: Path, params: Params, meta: Mapping[str, Any], step: int = 0) -> None:
    """Save a policy's parameters under ``folder/checkpoints/<step>``; an interrupted save leaves no such folder.

    The arrays are fetched from the devices first: what is saved knows nothing of the devices it came from, so a policy
    trained on accelerators opens on a laptop.

    Args:
        folder: the run folder.
        params: nested dicts with ``str`` keys; every array has the leading axes ``[seeds, grid]`` and at least one element.
        meta: what is needed to build the policy again; JSON (NaN and infinities become ``null``).
        step: env steps per seed behind these parameters; the highest step is the one that is loaded.

    Raises:
        InputError: ``step`` is there already, or the folder cannot be written.
    """
    import jax
    import orbax.checkpoint as ocp

    with _quiet():
        args = ocp.args.Composite(
            state=ocp.args.StandardSave(jax.device_get(params)), meta=ocp.args.JsonSave(json.loads(json_text(meta)))
        )
        options = ocp.CheckpointManagerOptions(max_to_keep=KEPT, create=True, enable_async_checkpointing=False)
        where = Path(folder).resolve() / CHECKPOINTS
        try:
            with ocp.CheckpointManager(where, options=options) as manager:
                if step in manager.all_steps():
                    raise InputError(f"{where}: step {step} is there already")
                manager.save(step, args=args)
            write_json(where / str(step) / CHECKSUMS, _checksums(where / str(step)))
        except OSError as error:
            raise InputError(f"{where}: cannot be written ({error.strerror or error})") from error


def load_policy(folder: str | Path) -> tuple[Params, dict[str, Any]]:
    """Load the newest policy of a run. The tree need not be known beforehand.

    Args:
        folder: the run folder.

    Returns:
        ``(params, meta)``: nested dicts of host arrays ``[seeds, grid, ...]``, and what ``save_policy`` was given.

    Raises:
        InputError: there is no checkpoint, or it is damaged. The line names the folder.
    """
    where = Path(folder).expanduser().resolve() / CHECKPOINTS
    if not where.is_dir():
        raise InputError(f"run={folder}: no {CHECKPOINTS} folder there; the run has not finished, or this is not a run folder")
    import orbax.checkpoint as ocp

    with _quiet():
        args = ocp.args.Composite(state=ocp.args.StandardRestore(), meta=ocp.args.JsonRestore())
        options = ocp.CheckpointManagerOptions(read_only=True)
        with ocp.CheckpointManager(where, options=options) as manager:
            step = manager.latest_step()
            if step is None:
                raise InputError(f"run={folder}: no finished checkpoint in {CHECKPOINTS}; the run has not finished")
            _verify(where / str(step), f"run={folder}: {CHECKPOINTS}/{step}")
            try:
                restored = manager.restore(step, args=args)
            # what damage raises is no part of Orbax's interface: its checks, the JSON and the storage all differ
            except Exception as error:
                reason = str(error).strip().partition("\n")[0][:200]
                raise InputError(f"run={folder}: {CHECKPOINTS}/{step} is damaged ({type(error).__name__}: {reason})") from error
    return restored["state"], restored["meta"]


def _checksums(step: Path) -> dict[str, str]:
    """SHA-256 of every file of a step, by its path in the step."""
    files = sorted(path for path in step.rglob("*") if path.is_file() and path != step / CHECKSUMS)
    return {path.relative_to(step).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def _verify(step: Path, name: str) -> None:
    """Compare a step's files with their checksums; a step that was killed before it got any is taken as it is."""
    try:
        wanted = json.loads((step / CHECKSUMS).read_text(encoding="utf-8"))
        found = _checksums(step)
    except FileNotFoundError:
        return
    except (OSError, ValueError) as error:
        raise InputError(f"{name} is damaged ({CHECKSUMS}: {error})") from error
    for file, digest in wanted.items():
        if found.get(file) != digest:
            raise InputError(f"{name} is damaged ({file} is {'not what was saved' if file in found else 'missing'})")


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep Orbax's running commentary (dozens of INFO lines a save) from whatever handlers the program has set up."""
    logger = logging.getLogger("absl")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)

"""Population folders: ``population.safetensors`` (the arrays) and ``card.json`` (their origin and
checksum).

``check_population`` needs no jax, so that a damaged folder is refused before anything heavy is
loaded.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lrdqn.atomic import write_bytes, write_json
from lrdqn.config import InputError
from lrdqn.envs.live.population_arrays import problem

if TYPE_CHECKING:
    from lrdqn.envs.live.population_arrays import Population

FORMAT = 2
ARRAYS, CARD = "population.safetensors", "card.json"
REBUILD = "rebuild it with `lrdqn calibrate`"


def save_population(folder: Path, population: Population, card: dict[str, Any]) -> None:
    """Write a population folder: fill it beside its place, then move it there in one step.

    An older population at ``folder`` is replaced (between the two moves there is none). ``format``
    and the ``sha256`` of the arrays are put in front of the card.

    Args:
        folder: where to write; missing parents are made.
        population: host arrays.
        card: further entries of the card, JSON.

    Raises:
        InputError: ``folder`` holds something other than a population, or cannot be written.
        ValueError: the arrays are not a population (a wrong shape, type or range).
    """
    from safetensors.numpy import save

    folder = Path(folder)
    check_destination(folder)
    arrays = {name: np.array(value, order="C") for name, value in population._asdict().items()}
    wrong = problem(arrays)
    if wrong:
        raise ValueError(wrong)
    data = save(arrays)
    mark = secrets.token_hex(4)
    fresh, old = (
        folder.with_name(f".{folder.name}.{mark}.tmp"),
        folder.with_name(f".{folder.name}.{mark}.old"),
    )
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        fresh.mkdir()
        try:
            write_bytes(fresh / ARRAYS, data)
            write_json(
                fresh / CARD, {"format": FORMAT, "sha256": hashlib.sha256(data).hexdigest(), **card}
            )
            if folder.exists():
                os.replace(folder, old)
            os.replace(fresh, folder)
        except BaseException:
            if old.exists() and not folder.exists():
                os.replace(old, folder)
            raise
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
            if folder.exists():  # else the older one could not be moved back and is the only copy
                shutil.rmtree(old, ignore_errors=True)
    except OSError as error:
        raise InputError(f"out={folder}: cannot be written ({error.strerror or error})") from error


def check_destination(folder: Path) -> None:
    """Raise unless ``folder`` is free, empty or a population that may be replaced; call it before a
    long fit.

    Raises:
        InputError: it is a file, or holds anything that is not part of a population.
    """
    folder = Path(folder)
    if not folder.exists():
        return
    if not folder.is_dir():
        raise InputError(
            f"out={folder}: is a file; must be a new folder or a population to replace"
        )
    names = {child.name for child in folder.iterdir()}
    others = sorted(names - {ARRAYS, CARD})
    if others:
        raise InputError(
            f"out={folder}: holds {others[0]}; must be a new folder or a population to replace"
        )
    if names and CARD not in names:
        raise InputError(
            f"out={folder}: has no {CARD}, so it is no population; "
            "must be a new folder or a population to replace"
        )


def read_card(folder: Path, key: str = "env.population") -> dict[str, Any]:
    """Return the card of a population folder; ``key`` is the setting that named the folder, for the
    message.

    Raises:
        InputError: no folder, no card, or a card that this version cannot read.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(
            f"{key}={folder}: no such folder; must be a population written by `lrdqn calibrate`"
        )
    try:
        card = json.loads((folder / CARD).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(
            f"{key}={folder}: has no {CARD}; must be a population written by `lrdqn calibrate`"
        ) from None
    except OSError as error:
        raise InputError(
            f"{key}={folder}: {CARD} cannot be read ({error.strerror or error})"
        ) from error
    except ValueError as error:
        raise InputError(
            f"{key}={folder}: {CARD} is not JSON ({str(error).splitlines()[0]}); {REBUILD}"
        ) from error
    if (
        not isinstance(card, dict)
        or not isinstance(card.get("sha256"), str)
        or "format" not in card
    ):
        raise InputError(f"{key}={folder}: {CARD} has no format and sha256; {REBUILD}")
    if card["format"] != FORMAT:
        raise InputError(
            f"{key}={folder}: {CARD} has format {card['format']!r}; must be {FORMAT}; {REBUILD}"
        )
    return card


def check_population(folder: Path, key: str = "env.population") -> dict[str, Any]:
    """Check a population folder without jax (card, checksum, names, types, shapes, ranges) and
    return its card.

    Raises:
        InputError: the folder is missing or damaged. The line names ``key``, the folder, what is
            wrong and what to do.
    """
    return _read(Path(folder), key)[0]


def load_population(folder: Path, key: str = "env.population") -> Population:
    """Read a population folder, with all checks of ``check_population``.

    Raises:
        InputError: as ``check_population``.
    """
    from lrdqn.envs.live.population_arrays import Population

    return Population(**_read(Path(folder), key)[1])


def _read(folder: Path, key: str) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    from safetensors import SafetensorError
    from safetensors.numpy import load

    card = read_card(folder, key)
    try:
        data = (folder / ARRAYS).read_bytes()
    except FileNotFoundError:
        raise InputError(f"{key}={folder}: has no {ARRAYS}; {REBUILD}") from None
    except OSError as error:
        raise InputError(
            f"{key}={folder}: {ARRAYS} cannot be read ({error.strerror or error})"
        ) from error
    found = hashlib.sha256(data).hexdigest()
    if found != card["sha256"]:
        raise InputError(
            f"{key}={folder}: {CARD} says sha256 {card['sha256'][:12]}.. "
            f"but {ARRAYS} has {found[:12]}..; {REBUILD}"
        )
    try:
        arrays = load(data)
    except (SafetensorError, KeyError, ValueError) as error:
        raise InputError(
            f"{key}={folder}: {ARRAYS} is not a safetensors file "
            f"({str(error).splitlines()[0]}); {REBUILD}"
        ) from error
    wrong = problem(arrays)
    if wrong:
        raise InputError(f"{key}={folder}: {ARRAYS}: {wrong}; {REBUILD}")
    return card, arrays

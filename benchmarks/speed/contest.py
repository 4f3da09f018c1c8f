"""A race: contestants in processes of their own, all ready before the start, run in turns on an
otherwise idle machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

HERE = Path(__file__).resolve().parent
PEERS = Path(os.environ.get("LRDQN_PEERS", Path.home() / ".cache" / "lrdqn" / "peers"))
"""Folder in which ``peers.py`` builds the environments of other libraries."""

QUIET_LOAD = 1.5


class Entry(NamedTuple):
    """A contestant: a worker script, the options it is prepared with, and the environment it runs
    in."""

    name: str
    script: str
    options: Mapping[str, Any] = MappingProxyType({})
    peer: str | None = None
    """Folder below ``PEERS``; ``None`` is this very environment."""
    env: Mapping[str, str] = MappingProxyType({})


class Contestant:
    """A running worker."""

    def __init__(self, entry: Entry) -> None:
        """Start it; ``ready`` waits until it can run."""
        python = (
            sys.executable if entry.peer is None else str(PEERS / entry.peer / "bin" / "python")
        )
        command = [python, str(HERE / entry.script), json.dumps(dict(entry.options))]
        self.entry = entry
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **entry.env},
        )
        self.prepare_seconds = 0.0

    def answer(self) -> dict[str, Any]:
        """Return the next line that it writes."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(
                f"{self.entry.name} ended with {self.process.wait()}; its error stands above"
            )
        return json.loads(line)

    def ready(self) -> None:
        """Wait until it has imported and compiled what it needs."""
        self.prepare_seconds = self.answer()["prepare_seconds"]

    def run(self, seed: int) -> dict[str, Any]:
        """Take one timed run."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{seed}\n")
        self.process.stdin.flush()
        return self.answer()

    def close(self) -> None:
        """Let it end."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.wait(timeout=60)
        self.process.stdout.close()


def wait_for_quiet(limit: float = QUIET_LOAD, patience: float = 300.0) -> float:
    """Wait until the machine is idle; return the load it then has."""
    until = time.monotonic() + patience
    while (load := os.getloadavg()[0]) > limit:
        if time.monotonic() > until:
            print(f"the machine stays busy (load {load:.1f}): timings will be noisy", flush=True)
            break
        time.sleep(5)
    return load


def race(
    entries: Sequence[Entry], rounds: int, first_seed: int = 0
) -> dict[str, list[dict[str, Any]]]:
    """Run everybody ``rounds`` times, in turns (A B C A B C ...), so that what slows the machine
    slows all of them.

    Returns:
        name -> metrics of each run; every one also has ``prepare_seconds`` and the ``load`` before
        it.
    """
    contestants = []
    for entry in entries:  # one after another: compiling together would only be slower
        contestants.append(Contestant(entry))
        contestants[-1].ready()
        print(f"  {entry.name}: ready in {contestants[-1].prepare_seconds:.1f} s", flush=True)
    wait_for_quiet()
    found: dict[str, list[dict[str, Any]]] = {entry.name: [] for entry in entries}
    for number in range(rounds):
        for c in contestants:
            load = os.getloadavg()[0]
            figures = c.run(first_seed + number) | {
                "prepare_seconds": c.prepare_seconds,
                "load": load,
            }
            found[c.entry.name].append(figures)
            print(
                f"  round {number + 1}/{rounds} {c.entry.name}: {figures['seconds']:.3f} s",
                flush=True,
            )
    for c in contestants:
        c.close()
    return found


def ratios(
    slower: Sequence[dict[str, Any]], faster: Sequence[dict[str, Any]], key: str = "seconds"
) -> dict[str, float]:
    """Return how many times faster ``faster`` is, round by round: median and quartiles of the
    paired ratios."""
    each = np.array([a[key] / b[key] for a, b in zip(slower, faster, strict=True)])
    low, mid, high = np.quantile(each, [0.25, 0.5, 0.75])
    return {"value": float(mid), "q25": float(low), "q75": float(high), "n": len(each)}

"""One contestant of a race, as a process of its own: it gets ready, then runs once for every line
it reads.

Standard library only, since it also runs in the environments of peers.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

Run = Callable[[int], dict[str, Any]]


def serve(prepare: Callable[[dict[str, Any]], Run]) -> None:
    """Answer a race.

    Args:
        prepare: gets the options and returns ``run(seed) -> metrics``. What it compiles or imports
            is not part of a run, and its seconds are told apart. ``run`` must have waited for its
            results when it returns.
    """
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(
        sys.stderr.fileno(), sys.stdout.fileno()
    )  # what libraries print must not be taken for an answer

    def answer(figures: dict[str, Any]) -> None:
        answers.write(json.dumps(figures) + "\n")
        answers.flush()

    began = time.perf_counter()
    run = prepare(json.loads(sys.argv[1]))
    answer({"prepare_seconds": time.perf_counter() - began})
    for line in sys.stdin:
        wall, cpu = time.perf_counter(), time.process_time()
        figures = run(int(line))
        answer(
            {"seconds": time.perf_counter() - wall, "cpu_seconds": time.process_time() - cpu}
            | figures
        )

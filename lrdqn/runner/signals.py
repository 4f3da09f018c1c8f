"""Stop requests: after SIGTERM or Ctrl-C a run stops at the next chunk boundary, where it can be
saved exactly."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any

SIGNALS = (signal.SIGTERM, signal.SIGINT)
UNTOUCHED = (signal.SIG_DFL, signal.default_int_handler)


class StopRequest:
    """Context manager whose ``asked`` turns true at the first signal; a second Ctrl-C interrupts at
    once."""

    def __init__(self) -> None:
        self.asked = False
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> StopRequest:
        """Install handlers, except for signals that a launcher already handles (submitit requeues
        on signals).

        Python allows this in the main thread only; in another thread nothing changes.
        """
        if threading.current_thread() is threading.main_thread():
            free = [number for number in SIGNALS if signal.getsignal(number) in UNTOUCHED]
            self._before = {number: signal.signal(number, self._ask) for number in free}
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Restore the previous handlers."""
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        if self.asked and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.asked = True

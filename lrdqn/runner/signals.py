"""SIGTERM and Ctrl-C ask a run to stop; it does so at the next chunk boundary, where it can be
saved exactly."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any

SIGNALS = (signal.SIGTERM, signal.SIGINT)
UNTOUCHED = (signal.SIG_DFL, signal.default_int_handler)


class StopRequest:
    """Context manager; ``asked`` turns true at the first signal, and a second Ctrl-C interrupts at
    once."""

    def __init__(self) -> None:
        self.asked = False
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> StopRequest:
        """Take the signals over, but from a launcher that has handlers of its own (submitit
        requeues on signals).

        Python lets only the main thread do so; in another one nothing changes.
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
        """Give the signals back."""
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        if self.asked and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.asked = True

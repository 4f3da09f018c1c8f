"""Stop requests: after SIGTERM or Ctrl-C a run stops at the next chunk boundary, where it can be
saved exactly."""

from __future__ import annotations

import signal
import socket
import sys
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any

SIGNALS = (signal.SIGTERM, signal.SIGINT)
UNTOUCHED = (signal.SIG_DFL, signal.default_int_handler)


def under_way() -> str:
    """Return the words for a stop whose duration is not known."""
    return "ends when what is running has ended and is saved"


class StopRequest:
    """Context manager whose ``asked`` turns true at the first signal; a second Ctrl-C interrupts at
    once.

    The signal is answered on stderr immediately, by a thread of its own: the main thread runs no
    handler while it waits for a compiled program.
    """

    def __init__(self) -> None:
        self.asked = False
        self.notice: Callable[[], str] = under_way
        """Says what a stop waits for."""
        self._before: dict[signal.Signals, Any] = {}
        self._wakeup: tuple[int, socket.socket, socket.socket] | None = None

    def __enter__(self) -> StopRequest:
        """Install handlers, except for signals that a launcher already handles (submitit requeues
        on signals).

        Python allows this in the main thread only; in another thread nothing changes.
        """
        if threading.current_thread() is threading.main_thread():
            free = [number for number in SIGNALS if signal.getsignal(number) in UNTOUCHED]
            self._before = {number: signal.signal(number, self._ask) for number in free}
            ours, theirs = socket.socketpair()
            theirs.setblocking(False)
            before = signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)
            self._wakeup = before, ours, theirs
            threading.Thread(target=self._answer, args=(ours,), daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Restore the previous handlers."""
        if self._wakeup is not None:
            before, _, theirs = self._wakeup
            signal.set_wakeup_fd(before)
            theirs.close()  # ends the thread
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        if self.asked and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.asked = True

    def _answer(self, ours: socket.socket) -> None:
        """Answer the first signal, whose number arrives as one byte."""
        with ours:
            while numbers := ours.recv(16):
                if {*numbers} & {int(number) for number in self._before}:
                    again = "; Ctrl-C again stops at once and loses it"
                    sys.stderr.write(f"stopping: {self.notice()}{again}\n")
                    sys.stderr.flush()
                    return

"""Stop requests: answered at once, whatever the main thread waits for."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

from lrdqn.runner.signals import StopRequest

WAITING = """
import hashlib, sys, time
from lrdqn.runner.signals import StopRequest
with StopRequest() as stop:
    stop.notice = lambda: "waits for the hash"
    print("ready", flush=True)
    hashlib.pbkdf2_hmac("sha256", b"", b"", 12_000_000)  # seconds in C, without handlers
    print("asked" if stop.asked else "not asked", flush=True)
"""


def test_a_signal_is_answered_while_the_main_thread_waits() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", WAITING], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(0.3)
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        assert process.stderr.readline().startswith("stopping: waits for the hash; Ctrl-C again")
        answered = time.monotonic() - began
        assert process.stdout.readline() == "asked\n"
        assert answered < 0.5 * (time.monotonic() - began)
        assert process.wait() == 0


def test_handlers_and_the_wakeup_descriptor_are_put_back() -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with StopRequest() as stop:
        assert signal.getsignal(signal.SIGINT) == stop._ask
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before
    assert signal.set_wakeup_fd(-1) == -1
    assert not stop.asked

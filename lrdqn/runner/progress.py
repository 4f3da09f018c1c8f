"""Progress of a run that works in chunks: a live bar on a terminal, plain lines anywhere else."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType

import rich.progress
from rich.console import Console


class Progress:
    """Context manager: ``stage`` prints the current stage, ``update`` shows how far the run is.

    Args:
        total: steps of the whole run, per learner.
        lanes: learners that run side by side; the speed shown is that of all of them together.
        unit: name of the counted steps in a plain line.
        console: where to write, standard output by default. Only a terminal gets the live bar.
        clock: returns seconds, monotonic.
    """

    def __init__(
        self,
        total: int,
        lanes: int = 1,
        unit: str = "env_steps",
        console: Console | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._total, self._lanes, self._unit, self._clock = total, lanes, unit, clock
        self._console = Console() if console is None else console
        self._first: tuple[int, float] | None = None
        self._bar = _bar(self._console) if self._console.is_terminal else None
        self._task = self._bar.add_task("", total=total, figures="") if self._bar else None

    def __enter__(self) -> Progress:
        """Show the bar."""
        if self._bar:
            self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Restore the terminal, whatever happened."""
        if self._bar:
            self._bar.stop()

    def stage(self, text: str) -> None:
        """Print the current stage, on a line that stays (above the bar)."""
        if self._bar:
            self._bar.console.print(text, markup=False, highlight=False)
        else:
            self._line(text)

    def update(self, done: int, seconds: float, result: float, **figures: float) -> None:
        """Show how far the run is. The remaining time follows from the wall clock since the first
        call, evaluations included.

        Args:
            done: steps since the beginning, per learner.
            seconds: duration of these steps, without compilation and evaluation; the speed is
                ``lanes * done / seconds``.
            result: the learned policy's return at the last evaluation.
            figures: further numbers to show, by name.
        """
        numbers = {"return": result, **figures}
        shown = "  ".join(
            [self._pace(done, seconds), *(f"{name} {value:.4g}" for name, value in numbers.items())]
        )
        if self._bar and self._task is not None:
            self._bar.update(self._task, completed=done, figures=shown)
        else:
            self._line(f"{self._unit} {done}/{self._total}  {100 * done // self._total}%  {shown}")

    def _pace(self, done: int, seconds: float) -> str:
        """Return the steps per second of all lanes, and the remaining time."""
        now = self._clock()
        first_done, began = self._first = self._first or (done, now)
        speed = f"{self._lanes * done / seconds:,.0f}" if seconds > 0 else "–"
        left = (
            _clock_time((now - began) * (self._total - done) / (done - first_done))
            if done > first_done
            else "–"
        )
        return f"{speed} steps/s  eta {left}"

    def _line(self, text: str) -> None:
        """Print one plain line without buffering, as someone may be following the log."""
        print(text, file=self._console.file, flush=True)


def _bar(console: Console) -> rich.progress.Progress:
    return rich.progress.Progress(
        rich.progress.SpinnerColumn(),
        rich.progress.BarColumn(bar_width=20),
        rich.progress.TaskProgressColumn(),
        rich.progress.TimeElapsedColumn(),
        rich.progress.TextColumn("{task.fields[figures]}", markup=False),
        console=console,
    )


def _clock_time(seconds: float) -> str:
    minutes, rest = divmod(max(0, round(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"

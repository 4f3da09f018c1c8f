"""Progress: plain lines for logs, a bar for people."""

import io

import pytest
from rich.console import Console

from lrdqn.runner.progress import Progress


class Clock:
    """Seconds set by hand."""

    now = 100.0

    def __call__(self):
        return self.now


class Counted(io.StringIO):
    """Counts how often it is flushed."""

    flushes = 0

    def flush(self):
        self.flushes += 1


def plain():
    return Console(file=Counted(), force_terminal=False, width=80)


def terminal(width=80):
    return Console(
        file=io.StringIO(),
        force_terminal=True,
        width=width,
        color_system=None,
        legacy_windows=False,
        _environ={},
    )


def test_plain_lines_say_steps_speed_time_to_go_and_return():
    clock, console = Clock(), plain()
    with Progress(163_840, lanes=20, console=console, clock=clock) as progress:
        progress.stage("compiling [all 20]")
        clock.now += 50  # compiling counts neither as training nor as time to go
        progress.update(0, 0.0, 20.0)
        clock.now += 12
        progress.update(40_960, 10.0, 31.2345, loss=0.5)
        clock.now += 12
        progress.update(163_840, 40.0, 31.0)
    assert console.file.getvalue().splitlines() == [
        "compiling [all 20]",
        "env_steps 0/163840  0%  – steps/s  eta –  return 20",
        # 20 learners x 40,960 steps in 10 s of training; 36 s to go at 12 s a quarter, evaluations
        # included
        "env_steps 40960/163840  25%  81,920 steps/s  eta 0:36  return 31.23  loss 0.5",
        "env_steps 163840/163840  100%  81,920 steps/s  eta 0:00  return 31",
    ]
    assert console.file.flushes >= 4


def test_a_run_of_hours():
    clock, console = Clock(), plain()
    progress = Progress(100, unit="sessions", console=console, clock=clock)
    progress.update(0, 0.0, 0.0)
    clock.now += 3661
    progress.update(50, 3661.0, 1.0)
    assert (
        console.file.getvalue().splitlines()[1]
        == "sessions 50/100  50%  0 steps/s  eta 1:01:01  return 1"
    )


def test_standard_output_without_a_terminal_gets_plain_lines(capsys):
    with Progress(10) as progress:
        progress.stage("start")
        progress.update(5, 1.0, 2.5)
    assert capsys.readouterr().out == "start\nenv_steps 5/10  50%  5 steps/s  eta –  return 2.5\n"


def test_a_terminal_gets_a_bar_of_one_line():
    clock, console = Clock(), terminal()
    with Progress(1_638_400, lanes=100, console=console, clock=clock) as progress:
        progress.stage("compiling [all 20]")
        progress.update(0, 0.0, 20.0)
        clock.now += 100
        progress.update(409_600, 25.0, 31.2)
        progress._bar.refresh()
    text = console.file.getvalue()
    assert "compiling [all 20]\n" in text  # brackets are text, not markup
    assert "━" in text
    assert " 25%" in text
    assert "1,638,400 steps/s  eta 5:00  return 31.2" in text
    assert "env_steps" not in text
    assert "…" not in text  # it fits into 80 columns


def test_the_terminal_is_given_back_after_an_error():
    console = terminal()
    with pytest.raises(RuntimeError, match="boom"), Progress(10, console=console):
        raise RuntimeError("boom")
    assert (
        console.file.getvalue().count("\x1b[?25l")
        == console.file.getvalue().count("\x1b[?25h")
        == 1
    )

"""``lrdqn report run=PATH``: the table and the learning curve, redrawn from a run folder."""

from __future__ import annotations

from pathlib import Path

from omegaconf import DictConfig

from lrdqn.cli.launch import launch
from lrdqn.config import ReportRun


def show(folder: Path) -> None:
    """Print the table, redraw the curve, say where everything is."""
    from rich.console import Console

    from lrdqn.io.curve import draw_curve
    from lrdqn.io.run_folder import MetricsLog, read_summary
    from lrdqn.io.table import policy_table, verdicts

    console = Console()
    summary = read_summary(folder)
    console.print(policy_table(summary))
    for line in verdicts(summary):
        console.print(line, highlight=False)
    message = draw_curve(folder, MetricsLog(folder).rows(), folder / "learning_curve.png")
    if message:
        console.print(message, highlight=False, markup=False)
    console.print(f"run folder: {folder}", highlight=False, soft_wrap=True)


def task(config: ReportRun, composed: DictConfig) -> None:
    """One report."""
    del composed
    show(Path(config.run))


def preflight(config: ReportRun) -> None:
    """The folder must hold a finished run."""
    from lrdqn.io.run_folder import read_summary

    read_summary(Path(config.run))


def main() -> None:
    """Entry point."""
    launch("report", ReportRun, task, preflight)

"""``lrdqn report run=PATH``: the table and the learning curve of a run, or all runs of a sweep in one table."""

from __future__ import annotations

from pathlib import Path

from omegaconf import DictConfig

from lrdqn.cli.launch import launch
from lrdqn.config import ReportRun

JOINED = "joined"
"""Name of the files that join the runs of a sweep."""


def show(folder: Path) -> None:
    """Print the table, redraw the curve, say where everything is."""
    from rich.console import Console

    from lrdqn.io.curve import draw_curve
    from lrdqn.io.run_folder import CURVE, MetricsLog, read_summary
    from lrdqn.io.table import contained, policy_table, verdicts

    console = Console()
    summary = read_summary(folder)
    console.print(policy_table(summary))
    for line in [*verdicts(summary), *contained(summary)]:
        console.print(line, highlight=False, markup=False)
    message = draw_curve(folder, MetricsLog(folder).rows(), folder / CURVE)
    if message:
        console.print(message, highlight=False, markup=False)
    console.print(f"run folder: {folder}", highlight=False, soft_wrap=True)


def show_joined(folder: Path) -> None:
    """Print the runs of a sweep as one table, and write it beside them."""
    from rich.console import Console

    from lrdqn.io.atomic import write_json, write_text
    from lrdqn.io.joined import join
    from lrdqn.io.joined_table import joined_json, joined_markdown, joined_table

    rows = join(folder)
    console = Console()
    console.print(joined_table(rows, console.width))
    write_json(folder / f"{JOINED}.json", joined_json(rows))
    write_text(folder / f"{JOINED}.md", joined_markdown(rows))
    print(f"{folder / JOINED}.json and .md")


def is_run(folder: Path) -> bool:
    """Whether a folder is one run, and not one that holds several."""
    from lrdqn.io.run_folder import RESOLVED, SUMMARY

    return (folder / RESOLVED).exists() or (folder / SUMMARY).exists()


def task(config: ReportRun, composed: DictConfig) -> None:
    """One report."""
    del composed
    folder = Path(config.run).expanduser()
    (show if is_run(folder) else show_joined)(folder)


def preflight(config: ReportRun) -> None:
    """The folder must hold a finished run, or runs."""
    from lrdqn.io.joined import find_runs
    from lrdqn.io.run_folder import read_summary

    folder = Path(config.run).expanduser()
    if is_run(folder) or not find_runs(folder):
        read_summary(config.run)


def main() -> None:
    """Entry point."""
    launch("report", ReportRun, task, preflight)

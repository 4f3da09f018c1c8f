"""An evaluation as a value: prints as the command line's table, holds every seed."""

from __future__ import annotations

from io import StringIO
from typing import Any

from rich.console import Console

from lrdqn.report.policy_table import policy_table, verdicts
from lrdqn.report.tables import slate_table


class Evaluation:
    """Every policy's metrics over seeds.

    Args:
        summary: as in ``summary.json`` (``runner.folder``).
    """

    def __init__(self, summary: dict[str, Any]) -> None:
        self.summary = summary

    @property
    def score(self) -> float:
        """Mean return of the learned policy."""
        return self.summary["score"]

    def per_seed(self, policy: str = "learned", metric: str = "return") -> list[float]:
        """Return one policy's metric, a number per seed."""
        return list(self.summary["policies"][policy][metric]["per_seed"])

    def to_dict(self) -> dict[str, Any]:
        """Return policies, differences and intervals as in ``summary.json``."""
        return self.summary

    def __str__(self) -> str:
        """Return the table of ``lrdqn evaluate``, 80 columns wide."""
        text = StringIO()
        console = Console(file=text, width=80)
        for table in (policy_table(self.summary), slate_table(self.summary)):
            if table is not None:
                console.print(table)
        for line in verdicts(self.summary):
            console.print(line, highlight=False, markup=False)
        return text.getvalue().rstrip("\n")

    __repr__ = __str__

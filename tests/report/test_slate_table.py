"""What pages were like, on a terminal."""

from __future__ import annotations

from io import StringIO

from rich.console import Console

from lrdqn.report.slate_table import slate_table


def entry(mean: float | None) -> dict:
    return {"mean": mean, "ci_low": mean, "ci_high": mean, "per_seed": [mean, mean]}


def test_pages_stand_beside_each_other_and_what_nobody_took_is_a_dash() -> None:
    policies = {
        name: {
            "return": entry(value),
            "ctr": entry(0.5),
            "taken_place": entry(place),
            "diversity": entry(0.875),
            "quality": entry(-0.25),
        }
        for name, value, place in (("random", 10.0, None), ("learned", 17.0, 1.5))
    }
    table = slate_table({"policies": policies, "seeds": 2, "reference": "learned"})
    assert table is not None
    out = StringIO()
    Console(file=out, width=80).print(table)
    lines = out.getvalue().splitlines()
    first, second = (
        next(i for i, line in enumerate(lines) if line.startswith(name))
        for name in ("learned", "random")
    )
    assert lines[first].split() == ["learned", "0.50", "1.50", "-0.25", "0.88"]
    assert lines[second].split() == ["random", "0.50", "–", "-0.25", "0.88"]
    assert first < second
    assert "Coverage" not in out.getvalue()


def test_where_actions_are_no_slates_there_is_no_table() -> None:
    assert slate_table({"policies": {"learned": {"return": entry(1.0)}}, "seeds": 2}) is None

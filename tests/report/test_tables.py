"""Tables of slates and of groups of users, on a terminal."""

from __future__ import annotations

from io import StringIO

from rich.console import Console

from lrdqn.report.tables import group_table, slate_table


def entry(mean: float | None) -> dict:
    return {"mean": mean, "ci_low": mean, "ci_high": mean, "per_seed": [mean, mean]}


def test_groups_stand_beside_each_other_and_an_empty_one_is_a_dash() -> None:
    policies = {
        name: {
            "return": entry(value),
            "return/cold": entry(value - 1),
            "return/warm": entry(missing),
            "return/active": entry(value + 1),
            "new_streamers": entry(0.125),
        }
        for name, value, missing in (("random", 10.0, None), ("learned", 17.0, float("nan")))
    }
    table = group_table({"policies": policies, "seeds": 2, "reference": "learned"})
    assert table is not None
    out = StringIO()
    Console(file=out, width=100).print(table)
    lines = out.getvalue().splitlines()
    learned = next(line for line in lines if line.startswith("learned"))
    assert learned.split() == ["learned", "16.0", "–", "18.0", "12.5", "%"]
    assert lines.index(learned) < next(
        i for i, line in enumerate(lines) if line.startswith("random")
    )
    assert "nan" not in out.getvalue()


def test_where_there_are_no_groups_there_is_no_group_table() -> None:
    assert group_table({"policies": {"learned": {"return": entry(1.0)}}, "seeds": 2}) is None


def test_slate_metrics_stand_beside_each_other_and_a_missing_one_is_a_dash() -> None:
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


def test_where_actions_are_not_slates_there_is_no_slate_table() -> None:
    assert slate_table({"policies": {"learned": {"return": entry(1.0)}}, "seeds": 2}) is None

"""The table of policies: order, metrics, widths, Markdown, verdicts."""

import copy
import io

import pytest
from rich.console import Console

from lrdqn.report.policy_table import (
    caption,
    nonfinite_notes,
    policy_markdown,
    policy_table,
    table_rows,
    verdicts,
)


def entry(mean, low, high):
    return {"mean": mean, "ci_low": low, "ci_high": high, "per_seed": []}


def policy(mean, half):
    """Return a policy's entries: a return, and metrics in fixed proportion to it."""
    scale = {"return": 1.0, "watch_minutes": 0.3, "session_length": 0.4, "clicks": 0.1}
    return {
        name: entry(x * mean, x * (mean - half), x * (mean + half)) for name, x in scale.items()
    }


SUMMARY = {
    "policies": {
        "random": policy(24.26, 1.0),
        "content": policy(57.0, 1.04),
        "learned": policy(57.5, 1.75),
    },
    "differences": {
        "random": {"return": entry(33.24, 32.0, 34.1)},
        "content": {"return": entry(0.5, -1.04, 2.0)},
    },
    "censored_share": {"random": 0.0, "content": 0.0004, "learned": 0.0123},
    "seeds": 10,
    "sessions_per_seed": 1256,
}


def rendered(summary, width):
    console = Console(width=width, file=io.StringIO(), color_system=None, legacy_windows=False)
    console.print(policy_table(summary))
    return console.file.getvalue()


def test_rows_are_sorted_by_return_and_hold_the_metrics():
    rows = table_rows(SUMMARY)
    assert [row.policy for row in rows] == ["learned", "content", "random"]
    assert rows[0].metrics[0] == ("57.5", "[55.8, 59.2]", True)
    assert rows[2].metrics == (
        ("24.3", "[23.3, 25.3]", True),
        ("7.3", "[7.0, 7.6]", True),
        ("9.7", "[9.3, 10.1]", True),
        ("2.43", "[2.33, 2.53]", True),  # a column with no number of ten or more has two decimals
    )
    assert rows[1].difference == ("+0.5", "[-1.0, 2.0]", False)
    assert rows[2].difference == ("+33.2", "[32.0, 34.1]", True)
    assert rows[0].difference.mean == "–"


def test_what_happens_to_nobody_has_no_column():
    game = copy.deepcopy(SUMMARY)
    for of in game["policies"].values():
        of["watch_minutes"] = of["clicks"] = entry(0.0, 0.0, 0.0)
    heads = rendered(game, 80).splitlines()[0].split()
    assert heads == ["Return", "Length", "learned"]
    assert policy_markdown(game).splitlines()[0].count("|") == 5
    game["policies"]["content"]["clicks"] = entry(0.1, 0.0, 0.2)
    assert "Clicks" in rendered(game, 80)


@pytest.mark.parametrize("width", [80, 100])
def test_eighty_columns_show_every_number_whole(width):
    text = rendered(SUMMARY, width)
    assert max(map(len, text.splitlines())) <= width
    assert "…" not in text
    for row in table_rows(SUMMARY):
        means = next(line for line in text.splitlines() if line.startswith(row.policy))
        assert means.split() == [
            row.policy,
            *(cell.mean for cell in (*row.metrics, row.difference)),
        ]
        for cell in (*row.metrics, row.difference):
            assert cell.interval in text
    for word in ("Return", "per session", "min/session", "recs/session", "− this"):
        assert word in text.splitlines()[0] + text.splitlines()[1]


def test_a_narrow_terminal_and_large_numbers_lose_no_digit():
    summary = copy.deepcopy(SUMMARY)
    summary["policies"]["learned"] = policy(4000.0, 700.0)
    assert table_rows(summary)[0].metrics[0] == ("4000", "[3300, 4700]", True)
    for width in (50, 80):
        text = rendered(summary, width)
        assert "4000" in text
        assert "3300," in text
        assert "4700]" in text
        assert max(map(len, text.splitlines())) <= width


def test_caption_says_seeds_sessions_and_what_was_cut():
    assert caption(SUMMARY) == (
        "10 seeds × 1,256 sessions; mean [95 % interval over seeds: "
        "Student's t or bootstrap-t, the wider]; learned − this: return, paired by seed; "
        "sessions cut by the horizon: content < 0.1 %, learned 1.2 %"
    )
    assert caption(SUMMARY | {"censored_share": {"learned": 0.0}}).endswith(
        "sessions cut by the horizon: none"
    )
    assert caption({"seeds": 2}).startswith("2 seeds × ? sessions;")
    assert "not recorded" in caption({"seeds": 2})


def test_markdown_has_the_same_content():
    lines = policy_markdown(SUMMARY).splitlines()
    assert lines[0].split(" | ")[1:3] == ["Return (per session)", "Watch time (min/session)"]
    assert lines[2].startswith("| **learned** | 57.5 [55.8, 59.2] |")
    assert lines[3].endswith("| +0.5 [-1.0, 2.0] |")
    assert len({line.count("|") for line in lines[:5]}) == 1
    assert lines[6] == caption(SUMMARY)
    cells = [cell for row in table_rows(SUMMARY) for cell in (*row.metrics, row.difference)]
    body = "\n".join(lines)
    assert all(f"{cell.mean} {cell.interval}".strip() in body for cell in cells)


def test_verdicts_name_whom_learned_does_not_beat():
    assert verdicts(SUMMARY) == ["learned does not beat content: difference +0.5 [-1.0, 2.0]"]
    better = copy.deepcopy(SUMMARY)
    better["differences"]["content"]["return"] = entry(0.5, 0.01, 1.0)
    assert verdicts(better) == []
    worse = copy.deepcopy(SUMMARY)
    worse["differences"]["random"]["return"] = entry(-3.0, -4.0, -2.0)
    assert verdicts(worse) == [
        "learned does not beat content: difference +0.50 [-1.04, 2.00]",
        "learned does not beat random: difference -3.00 [-4.00, -2.00]",
    ]
    # an interval that ends at zero shows nothing
    level = copy.deepcopy(SUMMARY)
    level["differences"]["content"]["return"] = entry(0.0, 0.0, 0.0)
    assert len(verdicts(level)) == 1


def test_one_seed_claims_nothing_and_shows_no_interval():
    one = SUMMARY | {"seeds": 1}
    assert verdicts(one) == [
        "1 seed: differences have no interval, so nothing is claimed about whom learned beats"
    ]
    assert all(
        cell.interval == "" for row in table_rows(one) for cell in (*row.metrics, row.difference)
    )
    assert caption(one).startswith("1 seed × 1,256 sessions; one seed gives no interval")
    assert "[" not in rendered(one, 80)


def test_a_diverged_policy_is_shown_last_and_counts_as_not_beaten():
    summary = copy.deepcopy(SUMMARY)
    for block in (summary["policies"]["content"], summary["differences"]["content"]):
        for metric in block:
            block[metric] = entry(None, None, None)  # what NaN becomes in JSON
    rows = table_rows(summary)
    assert rows[-1].policy == "content"
    assert rows[-1].metrics[0] == ("–", "[–, –]", False)
    assert verdicts(summary) == ["learned does not beat content: difference – [–, –]"]
    assert "content" in rendered(summary, 80)


def test_what_was_not_finite_is_reported():
    assert nonfinite_notes({}) == nonfinite_notes({"nonfinite": 0, "nonfinite_rewards": 0}) == []
    (line,) = nonfinite_notes({"nonfinite": 1, "nonfinite_rewards": 1200})
    assert line == (
        "not finite: 1,200 rewards stored as 0, 1 TD error or "
        "gradient left out; debug=nan finds the first one"
    )

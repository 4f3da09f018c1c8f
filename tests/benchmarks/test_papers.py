"""Papers as commands: verdicts that can fail, the pieces against definitions in loops, and small
versions of each table."""

# pyright: reportMissingImports=false

from __future__ import annotations

import itertools
import json
import math
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

sys.path.append(str(Path(__file__).resolve().parents[2] / "benchmarks"))
sys.path.append(str(Path(__file__).resolve().parents[2] / "benchmarks" / "papers"))

import all as papers
import blind_cliffwalk
import cliffwalk
import double_dqn_overestimation as overestimation
import maximisation_bias
import per_fixed_point
import rows as result_files
import verdict
from cliffwalk import Rule
from verdict import Outcome, Study, near, within


def study(rows: list[dict[str, Any]]) -> Study:
    return Study(
        "made",
        "Made up.",
        lambda parser: None,
        lambda given: Outcome(rows, lambda figure: figure.subplots()),
    )


def verdict_of(expected: float, got: float, tolerance: float, share: bool = False) -> str:
    return near("a", "b", expected, got, tolerance, 1, "-", share)["verdict"]


def test_verdicts() -> None:
    """Inside the tolerance and on its edge passes; beyond it, and what is no number, fails."""
    assert [verdict_of(2.0, got, 0.5) for got in (1.5, 2.5, 2.51, 1.49, math.nan)] == [
        "PASS",
        "PASS",
        "FAIL",
        "FAIL",
        "FAIL",
    ]
    assert [verdict_of(-10.0, got, 0.03, share=True) for got in (-10.3, -9.7, -9.6, -10.4)] == [
        "PASS",
        "PASS",
        "FAIL",
        "FAIL",
    ]
    bounded = [
        within("a", "b", 4.5, 8, got, 1, "-")["verdict"] for got in (4.5, 8, 8.1, 4.4, math.nan)
    ]
    assert bounded == ["PASS", "PASS", "FAIL", "FAIL", "FAIL"]
    assert within("a", "b", -1e-6, math.inf, 3.0, 1, "-")["expected"] == "at least -1e-06"
    assert verdict.failed([]), "a table without rows shows nothing"


def test_a_command_ends_with_1_on_a_wrong_number(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Rows, table and figure come in both cases."""
    good, bad = near("a", "b", 1.0, 1.01, 0.02, 5, "s"), near("c", "d", 1.0, 1.03, 0.02, 5, "s")
    assert verdict.command(study([good]), [f"--out={tmp_path}"]) == 0
    assert capsys.readouterr().out.endswith("1 of 1 pass\n")
    assert (
        verdict.command(
            study([good, bad]), [f"--out={tmp_path}", f"--json={tmp_path / 'rows.json'}"]
        )
        == 1
    )
    printed = capsys.readouterr().out
    assert "| c: d | 1 | 1.03 | ± 0.02 | FAIL |" in printed
    assert printed.endswith("1 of 2 pass\n")
    assert [row["verdict"] for row in json.loads((tmp_path / "rows.json").read_text())] == [
        "PASS",
        "FAIL",
    ]
    assert (tmp_path / "made.png").stat().st_size > 0


def test_a_quick_run_does_not_replace_results(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verdict, "RESULTS", tmp_path)
    row = near("a", "b", 1.0, 1.0, 0.02, 5, "s")
    assert verdict.command(study([row]), ["--quick"]) == 0
    assert not list(tmp_path.iterdir())
    assert verdict.command(study([row]), []) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["made.png"]


def test_targets_are_what_their_names_say() -> None:
    rng = np.random.default_rng(0)
    online, target = (rng.normal(size=(50, 7)).astype(np.float32) for _ in range(2))
    single, double = overestimation.targets(jnp.asarray(online), jnp.asarray(target))
    np.testing.assert_array_equal(single, [max(row) for row in target])
    np.testing.assert_array_equal(
        double,
        [
            row[list(chooser).index(max(chooser))]
            for row, chooser in zip(target, online, strict=True)
        ],
    )


def test_expected_maxima_of_normal_numbers() -> None:
    """``m int x phi(x) Phi(x)^(m-1) dx`` by the trapezoidal rule."""
    x = np.linspace(-10, 10, 20_001)
    density = np.exp(-(x**2) / 2) / math.sqrt(2 * math.pi)
    below = np.array([0.5 * math.erfc(-v / math.sqrt(2)) for v in x])
    for m, expected in overestimation.EXPECTED_MAX.items():
        assert np.trapezoid(m * x * density * below ** (m - 1), x) == pytest.approx(
            expected, abs=1e-4
        )


def test_double_dqn_tables() -> None:
    """Figure 2 to the printed digits, theorem 1 exactly, theorem 2 and figure 1 with a tenth of the
    repetitions."""
    rows, drawn = overestimation.figure_2()
    assert [row["verdict"] for row in rows] == 6 * ["PASS"]
    printed = [round(row["value"], 2) for row in rows]
    assert printed == [0.61, -0.02, 0.47, 0.02, 3.35, -0.02]
    for data in drawn.values():
        states = np.arange(-6, 7)
        for i in (1, 10):
            kept = [s for s in states if s not in (-6 + i, -5 + i)]
            assert len(kept) == 11
            fit = np.polynomial.Polynomial.fit(
                kept, data["case"].truth(np.array(kept)), data["case"].degree
            )
            np.testing.assert_allclose(data["q"][:, i - 1], fit(overestimation.GRID), atol=1e-6)
    assert not verdict.failed(overestimation.theorem_1(1000))
    assert not verdict.failed(overestimation.theorem_2(20_000))


def test_a_wrong_target_fails_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    """Double that judges by what it chose with is the maximum again, and the command says so."""
    right = overestimation.targets
    monkeypatch.setattr(
        overestimation, "targets", lambda online, target: 2 * (right(online, target)[0],)
    )
    assert verdict.command(overestimation.STUDY, ["--quick", "--runs=1000"]) == 1


def executed(n: int) -> Counter[tuple]:
    """All sequences of n actions, one step at a time."""
    found: Counter[tuple] = Counter()
    for actions in itertools.product((0, 1), repeat=n):
        for state, action in enumerate(actions):
            right, last = action == state % 2, state == n - 1
            discount = 1 - 1 / n if right and not last else 0.0
            found[state, action, float(right and last), round(discount, 6)] += 1
            if not right:
                break
    return found


@pytest.mark.parametrize("n", [2, 5, 6])
def test_memory_holds_every_sequence(n: int) -> None:
    """As executed one by one; sequences are whole, and in an order that depends on the seed."""
    memory = cliffwalk.memory_of(n, np.random.default_rng(0))
    columns = [
        np.asarray(x).tolist() for x in (memory.obs, memory.action, memory.reward, memory.discount)
    ]
    rows = [(s, a, r, round(d, 6)) for s, a, r, d in zip(*columns, strict=True)]
    assert len(rows) == cliffwalk.size_of(n)
    assert Counter(rows) == executed(n)
    assert sum(memory.reward) == 1
    follows = np.asarray(memory.discount[:-1]) > 0
    np.testing.assert_array_equal(
        np.asarray(memory.obs[1:])[follows], np.asarray(memory.next_obs[:-1])[follows]
    )
    assert set(np.asarray(memory.obs[1:])[~follows].tolist()) == {0}
    other = cliffwalk.memory_of(n, np.random.default_rng(1))
    assert n == 2 or not np.array_equal(memory.obs, other.obs)


def test_true_values_solve_the_bellman_equation() -> None:
    n = 6
    truth = np.asarray(cliffwalk.true_values(n))
    for s, a in itertools.product(range(n), range(2)):
        right = a == s % 2
        expected = 0.0 if not right else 1.0 if s == n - 1 else (1 - 1 / n) * max(truth[s + 1])
        assert truth[s, a] == pytest.approx(expected, rel=1e-6)


class Loops:
    """The cliffwalk in float64 with written-out features, for one seed."""

    def __init__(self, n: int, theta: np.ndarray, linear: bool) -> None:
        self.n, self.linear, self.theta = n, linear, theta.astype(np.float64)
        self.truth = np.asarray(cliffwalk.true_values(n), np.float64)

    def phi(self, s: int) -> np.ndarray:
        return np.array([float(i == s) for i in range(self.n)] + [float(self.linear)])

    def after(self, t: tuple) -> tuple[np.ndarray, float]:
        s, a, r, discount, follower = t
        delta = r + discount * max(self.phi(follower) @ self.theta) - self.phi(s) @ self.theta[:, a]
        theta = self.theta.copy()
        theta[:, a] += 0.25 * delta * self.phi(s)
        return theta, delta

    def error(self, theta: np.ndarray) -> float:
        return float(
            np.mean(
                [
                    (self.phi(s) @ theta[:, a] - self.truth[s, a]) ** 2
                    for s in range(self.n)
                    for a in range(2)
                ]
            )
        )


def updates_in_loops(rule: str, n: int, theta: np.ndarray, memory: list[tuple]) -> int:
    """Oracle and greedy replay, which need no random numbers."""
    loops, seen, count = Loops(n, theta, linear=False), [math.inf] * len(memory), 0
    while loops.error(loops.theta) >= 1e-3 or not count:
        if rule == "oracle":
            index = min(range(len(memory)), key=lambda i: loops.error(loops.after(memory[i])[0]))
        else:
            index = max(range(len(memory)), key=lambda i: seen[i])
        loops.theta, delta = loops.after(memory[index])
        seen[index] = abs(delta)
        count += 1
    return count


@pytest.mark.parametrize("rule", ["oracle", "greedy"])
def test_updates_needed_are_those_of_loops(rule: str) -> None:
    """For three seeds, to the very update."""
    n, seeds = 4, 3
    memories = [cliffwalk.memory_of(n, np.random.default_rng([n, seed])) for seed in range(seeds)]
    keys = jax.random.split(jax.random.key(n), seeds)
    thetas = [
        0.1 * np.asarray(jax.random.normal(jax.random.split(key)[0], (n + 1, 2))) for key in keys
    ]
    expected = [
        updates_in_loops(
            rule, n, theta, list(zip(*(np.asarray(x).tolist() for x in memory[:5]), strict=True))
        )
        for theta, memory in zip(thetas, memories, strict=True)
    ]
    assert len(set(expected)) > 1
    np.testing.assert_array_equal(cliffwalk.solve(Rule(rule, 0.0, False), n, seeds), expected)


@pytest.mark.parametrize("linear", [False, True])
def test_an_update_is_that_of_the_features(linear: bool) -> None:
    n, rng = 5, np.random.default_rng(0)
    theta, memory = rng.normal(size=(n + 1, 2)).astype(np.float32), cliffwalk.memory_of(n, rng)
    for index in range(12):
        t = jax.tree.map(lambda x, index=index: x[index], memory)
        got, delta = cliffwalk.learn(jnp.asarray(theta), t, linear)
        expected, expected_delta = Loops(n, theta, linear).after(
            tuple(np.asarray(x).item() for x in t[:5])
        )
        np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-6)
        assert float(delta) == pytest.approx(expected_delta, rel=1e-5)


def test_a_learner_that_never_gets_there_fails() -> None:
    """The limit is reported, and no median is near it."""
    n = 4
    memories = jax.tree.map(lambda x: x[None], cliffwalk.memory_of(n, np.random.default_rng(0)))
    got = cliffwalk.updates_needed(
        Rule("uniform", 0.0, False), n, memories, jax.random.split(jax.random.key(0), 1), 50
    )
    assert got.tolist() == [50]
    rows = blind_cliffwalk.judge({("tabular", "uniform", n): np.asarray(got)}, 1)
    assert [row["verdict"] for row in rows] == ["FAIL"]


def recorded() -> blind_cliffwalk.Counts:
    """The expected medians, as if one seed had given each."""
    return {
        (panel, name, n): np.array([median])
        for panel, lines in blind_cliffwalk.PANELS.items()
        for name, line in lines.items()
        for n, median in line.medians.items()
    }


def test_rules_in_the_wrong_order_fail() -> None:
    """And so do a wrong slope and a wrong ratio; the recorded medians themselves pass
    everything."""
    counts = recorded()
    assert not verdict.failed(blind_cliffwalk.judge(counts, 1))
    swapped = counts | {
        ("tabular", "uniform", 10): counts["tabular", "proportional, alpha 0.6", 10] - 1
    }
    assert fails_of(swapped) == {
        "pairs in order, 10 states",
        "ratio of medians, 10 states",
        "median updates, 10 states",
    }
    steeper = {key: found * cliffwalk.size_of(key[2]) ** 0.12 for key, found in counts.items()}
    assert "slope of log updates over log transitions" in fails_of(steeper)


def fails_of(counts: blind_cliffwalk.Counts) -> set[str]:
    return {row["metric"] for row in blind_cliffwalk.judge(counts, 1) if row["verdict"] == "FAIL"}


@pytest.mark.slow
def test_blind_cliffwalk_of_six_states(monkeypatch: pytest.MonkeyPatch) -> None:
    """Passes with the replays as they are, and not where prioritised replay is uniform."""
    assert verdict.command(blind_cliffwalk.STUDY, ["--quick", "--seeds=15"]) == 0
    monkeypatch.setattr(cliffwalk, "make_prioritized", cliffwalk.make_uniform)
    cliffwalk.updates_needed.clear_cache()
    found = cliffwalk.solve(Rule("prioritized", 0.6, False), 6, 15)
    cliffwalk.updates_needed.clear_cache()
    assert fails_of(recorded() | {("tabular", "proportional, alpha 0.6", 6): found}) >= {
        "median updates, 6 states"
    }


def test_per_fixed_point(monkeypatch: pytest.MonkeyPatch) -> None:
    """The closed form solves its equation, replay settles there, and without weights it does
    not."""
    for alpha, beta in per_fixed_point.EXPONENTS:
        q, k = per_fixed_point.settles_at(alpha, beta), alpha * (1 - beta)
        assert 0.1 * (10 - q) ** (k + 1) == pytest.approx(0.9 * q ** (k + 1))
    assert [round(per_fixed_point.settles_at(*pair), 4) for pair in per_fixed_point.EXPONENTS] == [
        2.5,
        2.0209,
        1.6581,
        1.0,
    ]
    assert verdict.command(per_fixed_point.STUDY, ["--quick"]) == 0
    right = per_fixed_point.make_prioritized

    def unweighted(config: Any) -> Any:
        replay = right(config)

        def sample(*given: Any) -> Any:
            found = replay.sample(*given)
            return found._replace(weights=jnp.ones_like(found.weights))

        return replay._replace(sample=sample)

    monkeypatch.setattr(per_fixed_point, "make_prioritized", unweighted)
    rows = per_fixed_point.run(verdict.parse(per_fixed_point.STUDY, ["--quick"])).rows
    assert [row["verdict"] for row in rows] == ["PASS", "PASS", "FAIL", "FAIL"]


def test_maximisation_bias(monkeypatch: pytest.MonkeyPatch) -> None:
    """2000 runs of Q-learning pass under its own name and fail under that of double Q-learning."""
    monkeypatch.setitem(
        maximisation_bias.MAKERS, "double_q_learning", maximisation_bias.make_q_learning
    )
    rows = maximisation_bias.run(verdict.parse(maximisation_bias.STUDY, ["--quick"])).rows
    maximisation_bias.shares_left.clear_cache()
    assert [row["verdict"] for row in rows[:9]] == 9 * ["PASS"]
    assert [row["verdict"] for row in rows[9:]] == ["PASS", *(8 * ["FAIL"])], (
        "all but the first episode, which is a coin"
    )


@pytest.mark.slow
def test_all_papers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Rows, tables and a figure each; the exit code is 1 as soon as one row fails."""
    monkeypatch.setattr(result_files, "commit", lambda: "0000000")
    monkeypatch.setattr(result_files, "RESULTS", tmp_path)
    wrong = study([near("a", "b", 1.0, 2.0, 0.1, 5, "s")])
    monkeypatch.setattr(papers, "STUDIES", (*papers.STUDIES, wrong))
    assert papers.main(["--quick", f"--out={tmp_path / 'results'}"]) == 1
    assert "FAIL made/a: b" in capsys.readouterr().out
    rows = json.loads((tmp_path / "results" / "papers_dqn.json").read_text())
    assert [row["name"] for row in rows if row["verdict"] != "PASS"] == ["made/a"]
    keys = {
        "name",
        "metric",
        "value",
        "expected",
        "tolerance",
        "verdict",
        "n",
        "unit",
        "commit",
        "device",
        "seconds",
    }
    assert all(keys <= row.keys() for row in rows)
    text = (tmp_path / "results" / "papers_dqn.md").read_text()
    for name in (of.name for of in papers.STUDIES):
        assert f"## {name}" in text
        assert f"`python benchmarks/papers/{name}.py --quick`" in text
        assert (tmp_path / "results" / f"{name}.png").stat().st_size > 0
    monkeypatch.setattr(papers, "STUDIES", (per_fixed_point.STUDY,))
    assert papers.main(["--quick"]) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["results"], (
        "a quick run does not replace results"
    )

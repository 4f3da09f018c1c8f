"""Runs joined into one table: runs found, settings that differ, metrics worked out by hand, and
runs without a result."""

import io
import json

import numpy as np
import pytest
from rich.console import Console

from lrdqn.config import InputError
from lrdqn.evaluation.summary import summarise
from lrdqn.report.sweep import find_runs, join
from lrdqn.report.sweep_table import joined_caption, joined_json, joined_markdown, joined_table

METRICS = ("return", "watch_minutes", "session_length", "clicks")
RANDOM, CONTENT = (1.0, 2.0, 3.0), (4.0, 6.0, 8.0)


def summary(returns, reference="learned", **more):
    """Return a summary made from ``{policy: return of each seed}``; other metrics are multiples of
    the return."""
    values = {
        name: {metric: np.array(per, float) * (k + 1) for k, metric in enumerate(METRICS)}
        for name, per in returns.items()
    }
    policies, differences = summarise(values, reference, resamples=200)
    shares = dict.fromkeys(returns, 0.0)
    head = {
        "policies": policies,
        "differences": differences,
        "reference": reference,
        "censored_share": shares,
    }
    return {**head, "env_steps": 4096, "seconds": 12.0, **more}


def make(folder, result=None, overrides=(), rows=None, env_steps=8192):
    """Write a run folder; without ``result`` an unfinished one."""
    (folder / ".hydra").mkdir(parents=True)
    (folder / ".hydra" / "overrides.yaml").write_text(
        "".join(f"- {row}\n" for row in overrides) or "[]\n"
    )
    (folder / "resolved.yaml").write_text(f"train:\n  env_steps: {env_steps}\n")
    if result is not None:
        (folder / "summary.json").write_text(json.dumps(result))
    if rows:
        (folder / "checkpoints" / str(rows[-1])).mkdir(parents=True)
    if rows is not None:
        (folder / "metrics.jsonl").write_text(
            "".join(json.dumps({"env_steps": n, "seconds": n / 2}) + "\n" for n in rows)
        )
    return folder


def plain(learned, overrides, myopic=(5.0, 5.0, 5.0), random=RANDOM, **more):
    """Return the summary of a run with one learner, its twin and two baselines."""
    grid = {"learned": {"agent.gamma": 0.9}, "myopic": {"agent.gamma": 0.0}}
    returns = {"learned": learned, "myopic": myopic, "random": random, "content": CONTENT}
    return summary(returns, grid=grid, overrides=list(overrides), **more)


@pytest.fixture
def sweep(tmp_path):
    """Three finished jobs of a sweep, job 10 best."""
    for name, agent, learned in (
        ("0", "dqn", (5, 7, 9)),
        ("2", "double_dqn", (6, 8, 10)),
        ("10", "dueling", (7, 8, 12)),
    ):
        overrides = (
            f"agent={agent}",
            "replay=uniform",
            f"hydra.run.dir=x{name}",
            f"hydra/launcher=l{name}",
        )
        make(tmp_path / "sweep" / name, plain(learned, overrides), overrides)
    return tmp_path / "sweep"


def rendered(rows, width=100):
    console = Console(width=width, file=io.StringIO(), color_system=None, legacy_windows=False)
    console.print(joined_table(rows, width))
    return console.file.getvalue()


def test_runs_are_found_to_depth_three_in_natural_order(tmp_path):
    for name in ("10", "2", "1", "0", "b/2/x", "b/10/x", "a/b/c/too_deep", ".hidden/0"):
        make(tmp_path / name)
    make(tmp_path / "0" / "checkpoints" / "inner")  # a run is not looked into
    (tmp_path / "3").mkdir()
    assert [str(path.relative_to(tmp_path)) for path in find_runs(tmp_path)] == [
        "0",
        "1",
        "2",
        "10",
        "b/2/x",
        "b/10/x",
    ]
    assert find_runs(tmp_path / "0") == [tmp_path / "0"]
    (tmp_path / "latest").symlink_to(tmp_path / "10")
    assert len(find_runs(tmp_path)) == 6


def test_a_folder_without_runs_is_refused_in_one_line(tmp_path):
    assert find_runs(tmp_path) == []
    for folder, what in ((tmp_path, "no run in it"), (tmp_path / "gone", "no such folder")):
        with pytest.raises(InputError, match=what) as refused:
            join(folder)
        assert str(folder) in str(refused.value)
        assert "\n" not in str(refused.value)


def test_rows_of_a_sweep_hold_what_varies_and_metrics_worked_out_by_hand(sweep):
    rows = join(sweep)
    assert [(row.run, row.policy) for row in rows] == [
        ("10", "learned"),  # mean 9
        ("2", "learned"),  # 8
        ("0", "learned"),  # 7
        ("", "content"),  # 6
        ("", "random"),  # 2
    ]
    assert [row.varying for row in rows] == [
        {"agent": "dueling"},
        {"agent": "double_dqn"},
        {"agent": "dqn"},
        {},
        {},
    ]
    best = rows[0]
    assert best.metrics["return"]["mean"] == 9
    assert best.metrics["return"]["per_seed"] == [7, 8, 12]
    assert best.metrics["clicks"]["per_seed"] == [28, 32, 48]
    assert best.differences["content"]["mean"] == 3
    assert best.differences["content"]["per_seed"] == [3, 2, 4]
    assert best.differences["myopic"]["per_seed"] == [2, 3, 7]
    # Student's t of 2 degrees of freedom: 4.303 standard errors of 1 / sqrt(3)
    ends = best.differences["content"]["ci_low"], best.differences["content"]["ci_high"]
    assert ends == pytest.approx((3 - 2.484, 3 + 2.484), abs=1e-3)
    assert (best.env_steps, best.seconds, best.censored, best.note) == (4096, 12.0, 0.0, "")
    assert rows[-1].differences == {}
    assert rows[-1].metrics["return"]["per_seed"] == list(RANDOM)


def test_a_baseline_that_differs_between_runs_has_no_row(sweep):
    make(sweep / "11", plain((5, 5, 5), ("agent=dqn",), random=(1.0, 2.0, 3.5)))
    assert [row.policy for row in join(sweep) if not row.run] == ["content"]


def test_a_baseline_that_some_run_lacks_has_no_row_and_rounding_is_no_difference(tmp_path):
    make(tmp_path / "0", summary({"learned": (5, 6), "random": (1, 2), "content": (3, 4)}))
    make(tmp_path / "1", summary({"learned": (5, 6), "random": (1, 2 + 1e-7)}))
    rows = join(tmp_path)
    assert [row.policy for row in rows] == ["learned", "learned", "random"]
    assert ["content" in row.differences for row in rows] == [True, False, False]


def test_overrides_come_from_hydras_file_where_the_summary_has_none(tmp_path):
    for name, rate in (("0", "1e-3"), ("1", "0.002"), ("2", None)):
        overrides = [f"agent.learning_rate={rate}"] if rate else []
        make(
            tmp_path / name,
            summary({"learned": (int(name), 1)}),
            [*overrides, "++train.seed=3" if rate else "train.seed=3"],
        )
    with (tmp_path / "1" / ".hydra" / "overrides.yaml").open("a") as file:
        file.write("- resume=auto\n- hydra.verbose=true\n")
    rows = {row.run: row.varying for row in join(tmp_path)}
    # present in two and absent in the third; the seed is the same in all, and taking a run up again
    # changes nothing
    assert rows == {
        "0": {"agent.learning_rate": "0.001"},
        "1": {"agent.learning_rate": "0.002"},
        "2": {},
    }


def test_one_spelling_of_a_number_is_as_good_as_another(tmp_path):
    for name, rate in (("0", "1e-3"), ("1", "0.001"), ("2", "'1.0e-3'")):
        make(
            tmp_path / name, summary({"learned": (1, 2)}, overrides=[f"agent.learning_rate={rate}"])
        )
    assert [row.varying for row in join(tmp_path)] == [{}, {}, {}]


GRID = {
    "learned[gamma=0.5,learning_rate=0.001]": {"agent.gamma": 0.5, "agent.learning_rate": 0.001},
    "learned[gamma=0.9,learning_rate=0.001]": {"agent.gamma": 0.9, "agent.learning_rate": 0.001},
    "learned[gamma=0.9,learning_rate=0.01]": {"agent.gamma": 0.9, "agent.learning_rate": 0.01},
    "myopic[learning_rate=0.001]": {"agent.gamma": 0.0, "agent.learning_rate": 0.001},
    "myopic[learning_rate=0.01]": {"agent.gamma": 0.0, "agent.learning_rate": 0.01},
}


def grid_run(folder):
    half, low, high, slow, fast = GRID
    returns = {
        half: (5, 6),
        low: (9, 8),
        high: (7, 7),
        slow: (4, 4),
        fast: (3, 1),
        "content": (2, 4),
    }
    overrides = ["grid.agent.gamma=[0.5,0.9]", "grid.agent.learning_rate=[1e-3,1e-2]"]
    return make(folder, summary(returns, high, grid=GRID, overrides=overrides))


def test_every_learner_of_a_grid_has_a_row_its_own_twin_and_paired_differences(tmp_path):
    half, low, high = list(GRID)[:3]
    rows = join(grid_run(tmp_path))
    assert [(row.run, row.policy) for row in rows] == [
        (".", low),
        (".", high),
        (".", half),
        ("", "content"),
    ]
    assert rows[0].varying == {"agent.gamma": "0.9", "agent.learning_rate": "0.001"}
    assert rows[1].varying == {"agent.gamma": "0.9", "agent.learning_rate": "0.01"}
    # the file subtracts from `high` only; the others follow from the metrics of every seed
    assert [row.differences["content"]["per_seed"] for row in rows[:3]] == [[7, 4], [5, 3], [3, 2]]
    assert [row.differences["myopic"]["per_seed"] for row in rows[:3]] == [[5, 4], [4, 6], [1, 2]]
    assert [row.differences["content"]["mean"] for row in rows[:3]] == [5.5, 4, 2.5]
    first = rows[0].differences["content"]
    # Student's t of 1 degree of freedom: 12.706 standard errors of 1.5
    assert (first["ci_low"], first["ci_high"]) == pytest.approx((5.5 - 19.059, 5.5 + 19.059), 1e-4)
    text = rendered(rows)
    assert text.count("gamma=0.9") == 2
    assert "agent.gamma" not in text
    assert "grid." not in text


def test_a_grid_beside_a_single_learner_varies_in_its_coordinates_not_in_its_lists(tmp_path):
    grid_run(tmp_path / "0")
    make(tmp_path / "1", plain((1, 1, 1), ["agent.learning_rate=0.02"]))
    rows = [row for row in join(tmp_path) if row.run]
    assert len(rows) == 4
    assert {key for row in rows for key in row.varying} == {"agent.gamma", "agent.learning_rate"}
    assert rows[-1].varying == {"agent.gamma": "0.9", "agent.learning_rate": "0.02"}


def test_the_stored_difference_of_the_reference_is_kept(tmp_path):
    file = plain((5, 7, 9), ())
    file["differences"]["content"]["return"] = {
        "mean": 1.5,
        "ci_low": 1.25,
        "ci_high": 1.75,
        "per_seed": [1, 1, 2.5],
    }
    rows = join(make(tmp_path / "0", file))
    assert rows[0].differences["content"] == file["differences"]["content"]["return"]


def test_a_coordinate_and_an_override_of_the_same_key_are_compared(tmp_path):
    """One job sets the default discount, one omits it, one changes it, and one is unfinished."""
    make(tmp_path / "0", plain((5, 7, 9), ["agent.gamma=0.9"]))
    make(tmp_path / "1", plain((4, 6, 8), []))
    assert [row.varying for row in join(tmp_path) if row.run] == [{}, {}]
    make(tmp_path / "2", rows=(), overrides=["agent.gamma=0.90"])
    assert [row.varying for row in join(tmp_path) if row.run] == [{}, {}, {}]
    changed = plain((1, 1, 1), ["agent.gamma=0.5"])
    changed["grid"]["learned"]["agent.gamma"] = 0.5
    make(tmp_path / "3", changed)
    rows = {row.run: row.varying for row in join(tmp_path) if row.run}
    assert rows == {
        name: {"agent.gamma": value}
        for name, value in (("0", "0.9"), ("1", "0.9"), ("2", "0.9"), ("3", "0.5"))
    }


def test_an_unfinished_run_does_not_make_the_coordinates_of_others_vary(sweep):
    make(sweep / "11", overrides=("agent=dqn", "replay=uniform"))
    assert all(set(row.varying) <= {"agent"} for row in join(sweep))


def test_worlds_of_two_versions_are_told_apart(tmp_path):
    for version in ("1", "2"):
        make(tmp_path / version, plain((5, 7, 9), [], sim_version=version))
    assert [row.varying for row in join(tmp_path) if row.run] == [
        {"sim_version": "1"},
        {"sim_version": "2"},
    ]


def test_unfinished_runs_say_how_far_they_came_and_how_to_go_on(sweep):
    make(sweep / "3", rows=(0, 2048, 4096), overrides=("agent=dqn", "replay=uniform"))
    with (sweep / "3" / "metrics.jsonl").open("a") as file:
        file.write('{"env_steps": 61')  # killed while it wrote
    make(sweep / "4", overrides=("agent=dqn", "replay=uniform"))
    *finished, third, fourth = join(sweep)
    assert len(finished) == 5
    assert (third.run, third.policy, third.metrics, third.differences) == ("3", "", {}, {})
    assert (
        third.note
        == f"unfinished: 4,096 of 8,192 env steps; lrdqn train resume={sweep / '3'} continues it"
    )
    assert (third.env_steps, third.seconds, third.varying) == (4096, 2048.0, {"agent": "dqn"})
    assert fourth.note == "unfinished: 0 of 8,192 env steps", "nothing was saved to go on from"
    text = " ".join(rendered([*finished, third, fourth]).split())
    assert third.note in text
    assert "5 runs (2 unfinished); 3 seeds;" in text


DAMAGE = {
    "cut": ('{"policies": {"lear', "summary.json is damaged ("),
    "binary": (b"\xff\xfe\x00", "summary.json is damaged ("),
    "list": ("[1, 2]", "it has no block 'policies'"),
    "no differences": ('{"policies": {}}', "it has no block 'differences'"),
    "no learner": ('{"policies": {}, "differences": {}}', "no policy 'learned' in it"),
    "words": (
        (
            '{"policies": {"learned": {"return": {"mean": "high", '
            '"per_seed": [1]}}}, "differences": {}}'
        ),
        "block 'policies': 'high' is not a number",
    ),
    "flat": ('{"policies": {"learned": {"return": 3}}, "differences": {}}', "block 'policies'"),
    "seeds": (
        '{"policies": {"learned": {"return": {"per_seed": 3}}}, "differences": {}}',
        "block 'policies'",
    ),
    "differences": (
        '{"policies": {"learned": {}}, "differences": {"content": []}}',
        "block 'differences'",
    ),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_run_gives_its_reason_and_hides_no_other(sweep, kind):
    content, reason = DAMAGE[kind]
    file = make(sweep / "1", overrides=("agent=dqn", "replay=uniform")) / "summary.json"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    rows = join(sweep)
    assert [row.run for row in rows] == ["10", "2", "0", "", "", "1"]
    assert rows[-1].note.startswith("damaged: summary.json is damaged (")
    assert reason in rows[-1].note
    assert "\n" not in rows[-1].note
    assert rows[-1].varying == {"agent": "dqn"}
    assert "4 runs (1 damaged)" in joined_caption(rows)


def test_damage_to_other_files_is_a_note_too(sweep):
    (make(sweep / "1") / "resolved.yaml").write_text("a: [1\nb: }")
    (make(sweep / "3", rows=(1,)) / "metrics.jsonl").write_text(
        '{"env_steps": \n{"env_steps": 3}\n'
    )
    (make(sweep / "4") / "resolved.yaml").write_text("- a\n")
    (make(sweep / "5") / "summary.json").mkdir()
    (make(sweep / "6") / ".hydra" / "overrides.yaml").write_text("]")
    (make(sweep / "7") / "resolved.yaml").write_text("tune:\n  trials: 3\n")
    notes = {row.run: row.note for row in join(sweep) if row.note}
    assert list(notes) == ["1", "3", "4", "5", "6", "7"]
    assert notes["1"].startswith("damaged: resolved.yaml is damaged (")
    assert notes["3"].startswith("damaged: metrics.jsonl: line 1 is damaged (")
    assert notes["4"] == "damaged: resolved.yaml is damaged (it holds no keys)"
    assert notes["5"].startswith("damaged: summary.json cannot be read")
    assert notes["6"].startswith("unfinished: 0 of 8,192")
    assert notes["7"] == "search: made by lrdqn tune; its trials are in trials.json"
    assert not any("\n" in note for note in notes.values())


def test_only_unfinished_runs_still_make_a_table(tmp_path):
    make(tmp_path, rows=(512,))
    rows = join(tmp_path)
    assert [row.run for row in rows] == ["."]
    assert joined_caption(rows) == "1 run (1 unfinished)"
    assert "unfinished: 512 of 8,192" in rendered(rows)
    assert "unfinished: 512 of 8,192" in joined_markdown(rows)


def test_odd_blocks_that_are_not_numbers_are_passed_over(tmp_path):
    odd = {"grid": 3, "censored_share": [], "env_steps": "many", "seconds": None, "overrides": 7}
    row, *_ = join(make(tmp_path / "0", summary({"learned": (1, 3), "myopic": (1, 1)}) | odd))
    assert (row.env_steps, row.seconds, row.censored) == (None, None, None)
    assert row.differences["myopic"]["per_seed"] == [0, 2]
    assert "not recorded" in joined_caption([row])


def test_a_diverged_seed_is_shown_and_comes_after_the_others(tmp_path):
    make(tmp_path / "0", plain((float("nan"), 7, 9), ["agent=dqn"]))
    make(tmp_path / "1", plain((1, 1, 1), ["agent=double_dqn"]))
    rows = [row for row in join(tmp_path) if row.run]
    assert [row.run for row in rows] == ["1", "0"]
    assert rows[1].metrics["return"] == {
        "mean": None,
        "ci_low": None,
        "ci_high": None,
        "per_seed": [None, 7, 9],
    }
    assert rows[1].differences["content"]["per_seed"] == [None, 1, 1]
    assert rows[1].differences["content"]["mean"] is None
    assert "overestimated" not in joined_caption(rows)  # one result is no choice
    assert "nan" not in rendered(rows)


def test_caption_says_runs_seeds_and_that_a_chosen_best_is_overestimated(sweep, tmp_path):
    assert joined_caption(join(sweep)) == (
        "3 runs; 3 seeds; mean [95 % interval over seeds: Student's t or bootstrap-t, the wider]; "
        "− content, − myopic (its twin with gamma = 0): difference "
        "of return within the run, paired by seed; the best of 3 learners "
        "was chosen by the metrics shown, so its lead is "
        "overestimated; sessions cut by the horizon: none"
    )
    alone = join(sweep / "0")
    assert joined_caption(alone).startswith("1 run; 3 seeds; mean [")
    assert "overestimated" not in joined_caption(alone)
    assert "best of 3 learners" in joined_caption(join(grid_run(tmp_path / "grid")))
    assert "best of 2 learners" in joined_caption(join(sweep)[1:])
    cut = [row._replace(censored=0.0123) for row in alone]
    assert joined_caption(cut).endswith("sessions cut by the horizon: at most 1.2 %")


def test_one_seed_shows_no_interval_beside_runs_that_have_one(tmp_path):
    make(tmp_path / "0", summary({"learned": (5,), "content": (4,)}, overrides=["train.seeds=1"]))
    assert "one seed gives no interval" in joined_caption(join(tmp_path))
    assert "[" not in rendered(join(tmp_path))
    make(
        tmp_path / "1", summary({"learned": (2, 4), "content": (1, 1)}, overrides=["train.seeds=2"])
    )
    rows = join(tmp_path)
    assert "1 seed or 2 seeds; mean [" in joined_caption(rows)
    first, second = (line for line in joined_markdown(rows).splitlines() if "| learned |" in line)
    assert "[" not in first
    assert "| 3.0 [-9.7, 15.7] |" in second


def test_a_hundred_columns_show_every_number_whole(tmp_path):
    generator = np.random.default_rng(0)
    for i, (agent, replay) in enumerate(
        (a, r) for a in ("dqn", "double_dqn") for r in ("uniform", "prioritized")
    ):
        learned, myopic = generator.normal(18 + i, 1, (2, 10))
        returns = {
            "learned": learned,
            "myopic": myopic,
            "random": np.arange(10),
            "content": np.arange(10) + 11,
        }
        grid = {"learned": {"agent.gamma": 0.9}, "myopic": {"agent.gamma": 0.0}}
        overrides = [f"agent={agent}", f"replay={replay}"]
        make(
            tmp_path / str(i),
            summary(returns, grid=grid, overrides=overrides, env_steps=163_840, seconds=152.7),
        )
    rows = join(tmp_path)
    text = rendered(rows)
    assert max(map(len, text.splitlines())) <= 100
    assert "…" not in text
    assert "not shown for width: clicks" in " ".join(text.split())
    narrow = rendered(rows, width=80)
    assert "…" not in narrow
    assert "replay=prioritized" in narrow, "names must not be cut into pieces"
    assert "not shown for width: length, clicks" in " ".join(narrow.split())
    names = [
        line.split()[:2] for line in text.splitlines() if line[0].isdigit() and "learned" in line
    ]
    assert names == [[row.run, "learned"] for row in rows if row.run]
    differences = [entry for row in rows for entry in row.differences.values()]
    assert len(differences) == 8
    for column in ("content", "myopic"):
        entries = [row.differences[column] for row in rows if row.run]
        decimals = (
            2
            if max(abs(entry[key]) for entry in entries for key in ("mean", "ci_low", "ci_high"))
            < 10
            else 1
        )
        for entry in entries:
            assert f"{entry['mean']:+.{decimals}f}" in text
            assert f"[{entry['ci_low']:.{decimals}f}, {entry['ci_high']:.{decimals}f}]" in text
    for entry in (
        row.metrics[metric]
        for row in rows
        for metric in ("return", "watch_minutes", "session_length")
    ):
        assert f"[{entry['ci_low']:.1f}, {entry['ci_high']:.1f}]" in text
    assert "replay=prioritized" in text
    assert "163,840" in text
    assert "153 s" in text


def test_long_names_are_folded_and_brackets_are_no_markup(tmp_path):
    name = "agent=double_dqn,network=scorer,replay=prioritized/[bold]"
    make(tmp_path / name, plain((5, 7, 9), ["network.hidden=[64,32]"]))
    make(tmp_path / "0", plain((5, 7, 9), []))
    text = rendered(join(tmp_path))
    assert max(map(len, text.splitlines())) <= 100
    assert "[bold]" in text.replace("\n", "")
    assert "hidden=[64,32]" in text


def test_keys_that_end_alike_are_written_out(tmp_path):
    make(
        tmp_path / "0",
        summary(
            {"learned": (1, 2)}, overrides=["agent.epsilon=1", "replay.epsilon=2", "train.seed=0"]
        ),
    )
    make(tmp_path / "1", summary({"learned": (1, 2)}, overrides=[]))
    lines = [line.split()[0] for line in rendered(join(tmp_path)).splitlines() if "=" in line]
    assert lines == ["agent.epsilon=1", "replay.epsilon=2", "seed=0"]


def test_markdown_has_every_metric_and_a_column_per_setting(sweep):
    make(sweep / "3", rows=(4096,), overrides=("agent=a|b", "replay=uniform"))
    lines = joined_markdown(join(sweep)).splitlines()
    assert lines[0] == (
        "| Run | Policy | agent | Return (per session) | Watch "
        "time (min/session) | Length (recs/session) "
        "| Clicks (per session) | Return − content | Return − myopic | Env steps | Seconds | Note |"
    )
    assert lines[2].startswith("| 10 | learned | dueling | 9.0 [2.4, 16.6] | 18.0 [4.9, 33.3] |")
    assert lines[2].endswith("| 4,096 | 12 |  |")
    assert lines[5].startswith("| all | content | – | 6.0 [1.0, 11.0] |")
    assert "| a\\|b | – |" in lines[7]
    assert "resume=" in lines[7]
    assert len({line.replace("\\|", "").count("|") for line in lines[:8]}) == 1
    assert lines[9] == joined_caption(join(sweep))


def test_json_is_plain_and_keeps_every_seed(sweep):
    data = json.loads(json.dumps(joined_json(join(sweep)), allow_nan=False))
    assert data[0]["run"] == "10"
    assert data[0]["varying"] == {"agent": "dueling"}
    assert data[0]["metrics"]["watch_minutes"]["per_seed"] == [14, 16, 24]
    assert data[0]["differences"]["myopic"]["mean"] == 4
    assert data[-1]["run"] == ""

"""The stage harness: what it reads from the compiler, that it times what it says, and what it
writes."""

# pyright: reportMissingImports=false

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

sys.path.append(str(Path(__file__).resolve().parents[2] / "benchmarks"))
sys.path.append(str(Path(__file__).resolve().parents[2] / "benchmarks" / "speed"))

import rows as result_files
import stages
from compiler import Kernels, cost_per_iteration, kernels_of_loop
from points import Point, config_at, sweep
from programs import Bench, Stage, repeat, sharding_of
from tables import WHOLE, axis_tables, spread, with_inner_loops
from timing import Compiled, compile_stage

from lrdqn.config import InputError

HLO = """
HloModule jit_f, is_scheduled=true

%fused (p: f32[4]) -> f32[4] {
  %p = f32[4]{0} parameter(0)
  ROOT %sin = f32[4]{0} sine(%p)
}

%inner_body (t: (s32[], f32[4])) -> (s32[], f32[4]) {
  %t = (s32[], f32[4]{0}) parameter(0)
  %g = f32[4]{0} get-tuple-element(%t), index=1
  %one = f32[4]{0} fusion(%g), kind=kLoop, calls=%fused
  %two = f32[4]{0} sort(%one), dimensions={0}, to_apply=%less
  ROOT %r = (s32[], f32[4]{0}) tuple(%g, %two)
}

%inner_cond (t.1: (s32[], f32[4])) -> pred[] {
  %t.1 = (s32[], f32[4]{0}) parameter(0)
  ROOT %c = pred[] fusion(%t.1), kind=kLoop, calls=%fused
}

%branch_a (a: f32[4]) -> f32[4] {
  ROOT %a = f32[4]{0} parameter(0)
}

%branch_b (b: f32[4]) -> f32[4] {
  %b = f32[4]{0} parameter(0)
  ROOT %cc = (f32[4]{0}, s8[16]{0}) custom-call(%b), custom_call_target="gemm"
}

%called (q: f32[4]) -> f32[4] {
  %q = f32[4]{0} parameter(0)
  ROOT %d = f32[4]{0} dot(%q, %q), lhs_contracting_dims={0}
}

%body (t.2: (s32[], f32[4])) -> (s32[], f32[4]) {
  %t.2 = (s32[], f32[4]{0}) parameter(0)
  %x = f32[4]{0} get-tuple-element(%t.2), index=1
  %k = s32[] constant(1), metadata={op_name="not a fusion(%x)"}
  %y = f32[4]{0} bitcast(%x)
  %z = f32[4]{0} fusion(%y), kind=kLoop, calls=%fused
  %s = (f32[4]{0}, /*index=1*/f32[4]{0}, u32[]) copy-start(%z)
  %e = f32[4]{0} copy-done(%s)
  %w = (s32[], f32[4]{0}) while(%t.2), condition=%inner_cond, body=%inner_body, LEN{"n":"3"}}
  %v = (s32[], f32[4]{0}) while(%w), condition=%inner_cond, body=%inner_body
  %u = f32[4]{0} conditional(%k, %e, %e), branch_computations={%branch_a, %branch_b}
  %h = f32[4]{0} call(%u), to_apply=%called
  ROOT %r.2 = (s32[], f32[4]{0}) tuple(%k, %h)
}

ENTRY %main (x.1: f32[4]) -> f32[4] {
  %x.1 = f32[4]{0} parameter(0)
  %before = f32[4]{0} fusion(%x.1), kind=kLoop, calls=%fused
  %short = (s32[], f32[4]{0}) while(%before), condition=%inner_cond, body=%inner_body, LEN{"n":"8"}}
  %long = (s32[], f32[4]{0}) while(%short), condition=%inner_cond, body=%body, LEN{"n":"8"}}
  ROOT %out = f32[4]{0} get-tuple-element(%long), index=1
}
""".replace("LEN", 'backend_config={"known_trip_count":')


def test_kernels_of_a_hand_written_module() -> None:
    """One fusion and one copy; 2 x 3 in the loop of three; 2 + 1 in the loop of unknown length; the
    dearer branch; the call."""
    assert kernels_of_loop(HLO, 8) == Kernels(1 + 1 + 6 + 3 + 1 + 1, unknown_loops=1)
    assert kernels_of_loop(HLO, 3) == Kernels(2, unknown_loops=0), "found inside the longer loop"
    assert kernels_of_loop(HLO, 7) is None


def launches(body: Callable[[Any], Any], length: int) -> int:
    """Kernels of an iteration of a compiled scan over ``body``."""
    program = jax.jit(
        lambda x: jax.lax.scan(lambda x, _: (body(x), None), x, None, length=length)[0]
    )
    found = kernels_of_loop(program.lower(jnp.ones((8, 128))).compile().as_text() or "", length)
    assert found is not None
    assert found.unknown_loops == 0
    return found.launches


def sorts(count: int) -> Callable[[Any], Any]:
    """``count`` operations that are never fused."""

    def body(x: Any) -> Any:
        for axis in range(count):
            x = jnp.sort(x, axis=axis % 2)
        return x

    return body


def test_kernels_of_a_compiled_scan() -> None:
    """What the body launches and the loop's own counter, whatever the length; an inner loop counts
    once per trip."""
    assert launches(lambda x: jnp.sin(2 * jnp.sin(x) + 1), 8) == 1 + 1, "one fusion"
    assert [launches(sorts(n), length) for n, length in ((2, 8), (2, 64), (3, 8))] == [
        2 + 1,
        2 + 1,
        3 + 1,
    ]
    inner = [
        launches(lambda x, n=n: jax.lax.fori_loop(0, 5, lambda i, y: sorts(n)(y), x), 8)
        for n in (2, 3, 5)
    ]
    assert np.diff(inner).tolist() == [5, 10]


@pytest.mark.parametrize("length", [4, 32])
def test_flops_of_an_iteration(length: int) -> None:
    """A product of two 32 x 32 matrices takes 2 x 32^3, however often it is repeated; devices
    multiply."""
    program = jax.jit(lambda x: jax.lax.scan(lambda x, _: (x @ x, None), x, None, length=length)[0])
    analysis = program.lower(jnp.ones((32, 32))).compile().cost_analysis()
    cost = cost_per_iteration(analysis, length, devices=1)
    assert cost["flops"] == pytest.approx(2 * 32**3, rel=0.01)
    assert cost_per_iteration(analysis, length, devices=4)["flops"] == pytest.approx(
        4 * cost["flops"]
    )
    assert cost_per_iteration(None, length, devices=1) == {}
    assert cost_per_iteration({"flops": -1.0}, length, devices=1) == {}


def compiled(program: Callable[..., Any], carry: Any, own: Any, length: int = 4) -> Compiled:
    """A hand-made stage, compiled for two seeds on two devices."""
    sharding = sharding_of(2, None)
    assert sharding.num_devices == 2
    carry, own = jax.device_put((carry, own), sharding)
    stage = Stage(
        "made", 1, 1, "things", program, lambda desk: (carry, own), lambda desk, carry: desk
    )
    bench: Any = Bench(None, [stage], None, (), (jnp.float32(0.5), ()), sharding, 0)  # type: ignore[arg-type]
    return compile_stage(stage, None, bench, length)  # type: ignore[arg-type]


def test_alias_share_is_one_for_a_donated_carry_and_less_where_outputs_do_not_fit() -> None:
    """Two seeds on two devices: 2 x 16 floats are donated, and half of the result comes back in
    another type."""

    def keeps(carry: Any, own: Any, shared: Any) -> Any:
        return jax.lax.scan(lambda c, _: (jax.tree.map(jnp.sin, c), None), carry, None, length=4)[
            0
        ], ()

    def changes(carry: Any, own: Any, shared: Any) -> Any:
        (x, y), figures = keeps(carry, own, shared)
        return (x, y.astype(jnp.bfloat16)), figures

    carry = (jnp.ones((2, 8)), jnp.ones((2, 8)))
    whole = compiled(keeps, carry, ())
    assert whole.alias_share == 1.0
    assert whole.memory["aliased"] == whole.memory["argument"] == 2 * 8 * 4
    assert compiled(changes, carry, ()).alias_share == 0.5


def test_work_on_fixed_inputs_stays_inside_the_loop() -> None:
    """The compiler must not find out that a stage is given the same inputs every time."""

    def noisy(fixed: Any, key: Any) -> Any:
        return fixed + jax.random.uniform(key, fixed.shape)

    def work(last: Any, fixed: Any, x: Any, key: Any, world: Any, hypers: Any) -> Any:
        return noisy(jnp.sort(jnp.sort(fixed, axis=0), axis=1), key)

    def idle(last: Any, fixed: Any, x: Any, key: Any, world: Any, hypers: Any) -> Any:
        return noisy(fixed, key)

    keys = jax.random.split(jax.random.key(0), 2)
    carry, own = (jnp.zeros((2, 16, 16)), keys), (jnp.ones((2, 16, 16)), (), ())
    hard, easy = (compiled(repeat(body, 4), carry, own).kernels for body in (work, idle))
    assert hard is not None
    assert easy is not None
    assert hard.launches >= easy.launches + 2, "two sorts more"


def test_sweep_varies_one_axis_at_a_time() -> None:
    base, axes = Point(64, 2, 512), {"sessions": [32, 64], "seeds": [2, 4], "capacity": [512]}
    assert sweep(base, axes, full=False) == [base, Point(32, 2, 512), Point(64, 4, 512)]
    assert sweep(base, axes, full=True) == [
        Point(32, 2, 512),
        Point(32, 4, 512),
        Point(64, 2, 512),
        Point(64, 4, 512),
    ]


def test_config_at_a_point() -> None:
    """A chunk is as many iterations as asked for, also where an iteration has several rounds; one
    sync ends it."""
    config = config_at(
        Point(64, 4, 4096), 8, ["env=probe", "network=mlp", "train.update_period=256"]
    )
    assert (config.train.sessions, config.train.seeds, config.replay.capacity) == (64, 4, 4096)
    assert (
        config.train.env_steps == config.train.eval_period == config.agent.target_period == 8 * 256
    )
    assert config.replay.name == "prioritized"


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("train.seeds=3", "train.seeds=3: is set by --seeds"),
        ("agent.gama=0.5", "gama"),
        ("train.update_period=100", "100"),
    ],
)
def test_overrides_that_do_not_fit(override: str, words: str) -> None:
    with pytest.raises(InputError, match=words) as error:
        config_at(Point(64, 2, 4096), 8, ["env=probe", "network=mlp", override])
    assert "\n" not in str(error.value)


def test_arguments_may_end_in_overrides(capsys: pytest.CaptureFixture[str]) -> None:
    given, overrides = stages.parse(
        ["--capacity", "64", "128", "agent=dqn", "--out=x", "env.streamers=200"]
    )
    assert (given.capacity, given.out, overrides) == (
        [64, 128],
        "x",
        ["agent=dqn", "env.streamers=200"],
    )
    for wrong in (["--rounds", "4"], ["--iterations", "1"], ["dqn"]):
        with pytest.raises(SystemExit) as error:
            stages.parse(wrong)
        assert error.value.code == 2
    assert "--rounds=4: must be at least 5" in capsys.readouterr().err


def test_spread_is_median_and_quartiles() -> None:
    row = spread("seconds", [5.0, 1.0, 3.0, 2.0, 4.0], "s")
    assert (row["min"], row["q25"], row["value"], row["q75"], row["n"]) == (1.0, 2.0, 3.0, 4.0, 5)


def test_flops_of_a_whole_iteration_hold_all_its_updates() -> None:
    """Counted with one round and one update; three updates and one round make 100 + 2 x 30."""

    def part(name: str, calls: int) -> Compiled:
        stage = Stage(name, calls, 1, "things", lambda *a: a, lambda d: (d, d), lambda d, c: d)  # type: ignore[arg-type]
        return Compiled(stage, lambda *a: (a, a), 0.0, None, {}, None, {}, None)

    programs = [part("world_step", 1), part("gradient_update", 3), part(WHOLE, 1)]
    counted: dict[str, float | None] = {"world_step": 60.0, "gradient_update": 30.0, WHOLE: 100.0}
    assert with_inner_loops(programs, counted)[WHOLE] == 160.0
    assert with_inner_loops(programs, counted | {"gradient_update": None})[WHOLE] is None


SMALL = """
    --sessions 16 --seeds 2 --capacity 64 4194304 --base-sessions 16 --base-seeds 2
    --base-capacity 64
    --memory 0.01 --iterations 4 --round-seconds 0.01 --out small
    env=probe network=mlp network.hidden=[8] replay.batch_size=8 train.update_period=8
"""


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of a small sweep: one size that is measured, and one that is too large."""
    folder = tmp_path_factory.mktemp("results")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(result_files, "RESULTS", folder)
        patch.setattr(result_files, "commit", lambda: "0000000")
        patch.setattr(stages, "set_up", lambda config: None)  # this process has its devices already
        stages.main(SMALL.split())
    return folder


def test_result_rows(results: Path) -> None:
    rows = json.loads((results / "small.json").read_text())
    assert all(
        {"name", "metric", "value", "n", "unit", "command", "commit", "device", "seconds"}
        <= row.keys()
        for row in rows
    )
    of = {(row["name"], row["metric"]): row for row in rows}
    assert len(of) == len(rows)
    point = "sessions=16 seeds=2 capacity=64"
    calls = {
        "world_step": 1,
        "act": 1,
        "replay_add": 1,
        "replay_sample": 2,
        "gradient_update": 2,
        "replay_update_priorities": 2,
        WHOLE: 1,
    }
    for stage, number in calls.items():
        time = of[f"{point}/{stage}", "seconds"]
        assert 0 < time["min"] <= time["q25"] <= time["value"] <= time["q75"]
        assert time["n"] == 7
        assert of[f"{point}/{stage}", "calls"]["value"] == number
        assert of[f"{point}/{stage}", "alias_share"]["value"] == 1.0, (
            f"{stage}: its state must be donated, not copied"
        )
        assert of[f"{point}/{stage}", "kernels"]["value"] > 0
        assert of[f"{point}/{stage}", "compile_seconds"]["value"] > 0
    speed, flops = (of[f"{point}/{WHOLE}", metric]["value"] for metric in ("speed", "flops"))
    assert speed == pytest.approx(2 * 16 / of[f"{point}/{WHOLE}", "seconds"]["value"])
    assert flops > 2 * of[f"{point}/gradient_update", "flops"]["value"]
    assert of[point, "devices"]["value"] == 2
    late = of["sessions=16 seeds=2 capacity=4194304", "skipped"]
    assert late["value"] > 0.01 * 2**30
    assert "exceed the limit, 10.2 MiB" in late["unit"]


def test_result_tables(results: Path) -> None:
    text = (results / "small.md").read_text()
    assert "### capacity (sessions 16, seeds 2)" in text
    assert "Skipped: sessions=16 seeds=2 capacity=4194304" in text
    assert "### seeds" not in text, "only one number of seeds was tried"
    assert "| quartiles |" in text


def act_rows(point: Point, seconds: float) -> list[dict[str, Any]]:
    """Rows of one stage as they would be measured."""
    figures = {"speed": 2 / seconds, "seconds": seconds, "calls": 2}
    return [
        {"name": f"{point}/act", "metric": metric, "value": value, "n": 5, "unit": ""}
        for metric, value in figures.items()
    ]


def test_axis_tables() -> None:
    """Sizes in order; only axes of which several sizes were tried, or else the first; nothing where
    the base has no rows."""
    base = Point(1, 1, 1)
    one, two = act_rows(base, 0.002), act_rows(Point(64, 1, 1), 3e-6)
    (table,) = axis_tables(base, two + one)[1:]
    assert "| sessions | 1 | 64 |" in table
    assert "| act | 2 x 2 ms, 1 k/s | 2 x 3 µs, 667 k/s |" in table
    assert "| act | 2 x 2 ms, 1 k/s |\n" in axis_tables(base, one)[1]
    assert axis_tables(Point(2, 2, 1), one)[1:] == []

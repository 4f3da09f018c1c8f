"""Streamers' content as policies see it: views with the stated signal, noise and gaps, without
hidden state."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from envs.checker import check_env
from envs.worlds import live_config, make_live, small_world

from lrdqn import build
from lrdqn.baselines import make_content, make_random
from lrdqn.config import ConfigError, InputError
from lrdqn.envs.live.config import ViewConfig, ViewsConfig
from lrdqn.envs.live.content import layout, mixing, multimodal
from lrdqn.envs.live.population import sample_population
from lrdqn.envs.live.world import LiveParams
from lrdqn.evaluation.cohort import make_cohort
from lrdqn.runner.experiment import digest
from lrdqn.train.memory import refuse_large_worlds

WIDTHS = {
    "text": (16, slice(0, 16), 16),
    "image": (16, slice(17, 33), 33),
    "audio": (8, slice(34, 42), 42),
}
"""Width, columns and column of the mark "missing" of the default views, counted by hand."""
D = 43


def world(seed: int = 0, **changes: Any) -> LiveParams:
    """Return one seed's world on the device."""
    return jax.tree.map(
        lambda x: jnp.asarray(x[0]), build.build_worlds(live_config(**changes), seed, 1)
    )


def shown(
    streamers: int = 4000, seed: int = 0, **views: ViewConfig
) -> tuple[np.ndarray, np.ndarray]:
    """Return styles, uniform on the sphere, and their views."""
    config = live_config(streamers=streamers, users=20)
    rng = np.random.default_rng(seed)
    population = sample_population(config, rng)
    style = rng.normal(size=(streamers, 16))
    style /= np.linalg.norm(style, axis=1, keepdims=True)
    config = dataclasses.replace(config, content_views=dataclasses.replace(ViewsConfig(), **views))
    return style, multimodal(population._replace(style=style.astype(np.float32)), config, rng, None)


def test_the_layout_is_the_one_counted_by_hand() -> None:
    blocks, width = layout(ViewsConfig())
    assert width == D
    assert [(b.columns, b.missing) for b in blocks] == [
        (columns, at) for _, columns, at in WIDTHS.values()
    ]
    without = layout(ViewsConfig(image=ViewConfig(width=0)))
    assert ([b.columns for b in without[0]], without[1]) == ([slice(0, 16), slice(17, 25)], 26)


@pytest.mark.parametrize(("width", "d"), [(8, 16), (16, 16), (24, 16), (1, 16), (16, 1)])
def test_directions_are_orthogonal_and_keep_the_mean_square(width: int, d: int) -> None:
    m = mixing(width, d, np.random.default_rng(1))
    assert m.shape == (width, d)
    gram = m @ m.T if width <= d else m.T @ m
    np.testing.assert_allclose(gram, d / min(width, d) * np.eye(len(gram)), atol=1e-12)


def test_signal_and_noise_of_every_view_have_the_stated_variance() -> None:
    """Regress a view on the style: explained and residual variance follow the formula of
    ``multimodal``."""
    style, seen = shown()
    noise, gap = (
        {"text": 0.5, "image": 1.0, "audio": 1.0},
        {"text": 0.1, "image": 0.1, "audio": 0.3},
    )
    for name, (width, columns, at) in WIDTHS.items():
        there = seen[:, at] == 0
        assert there.mean() == pytest.approx(1 - gap[name], abs=4 * math.sqrt(gap[name] / 4000))
        x, e = seen[there][:, columns], style[there]
        fit, *_ = np.linalg.lstsq(e, x, rcond=None)
        signal, rest = (
            np.sum((e @ fit) ** 2, axis=1).mean(),
            ((x - e @ fit) ** 2).sum() / (len(x) - 16),
        )
        assert signal == pytest.approx(1 / (3 * (1 + noise[name] ** 2)), rel=0.03), name
        assert rest == pytest.approx(noise[name] ** 2 / (3 * (1 + noise[name] ** 2)), rel=0.03), (
            name
        )
        assert np.sum(x**2, axis=1).mean() == pytest.approx(1 / 3, rel=0.03), (
            f"{name} rules the cosine, or is ruled"
        )
        per_number = (x - e @ fit).std(axis=0)
        assert per_number.max() / per_number.min() < 1.1
        assert width == x.shape[1]


def test_without_noise_a_wide_view_keeps_every_cosine() -> None:
    clear = ViewConfig(24, 0.0, 0.0)
    style, seen = shown(
        200, text=clear, image=ViewConfig(0, 0.0, 0.0), audio=ViewConfig(0, 0.0, 0.0)
    )
    np.testing.assert_allclose(seen @ seen.T, style @ style.T, atol=1e-5)


def test_a_missing_view_is_zeros_and_a_sign() -> None:
    _, seen = shown()
    for _, columns, at in WIDTHS.values():
        gone = seen[:, at] != 0
        np.testing.assert_allclose(seen[gone, at], 1 / math.sqrt(D), rtol=1e-6)
        assert not seen[gone][:, columns].any()
        assert (np.abs(seen[~gone][:, columns]).max(axis=1) > 0).all()
    gaps = np.stack([seen[:, at] != 0 for _, _, at in WIDTHS.values()])
    assert np.abs(np.corrcoef(gaps) - np.eye(3)).max() < 0.06, "views go missing independently"


def test_exact_is_the_style_and_changes_nothing_else() -> None:
    plain, seen = world(), world(content="multimodal")
    np.testing.assert_array_equal(plain.catalogue.style, plain.streamers.style)
    assert seen.catalogue.style.shape == (301, D)
    assert not np.asarray(seen.catalogue.style[-1]).any()
    back = seen._replace(catalogue=seen.catalogue._replace(style=plain.catalogue.style))
    for a, b in zip(jax.tree.leaves(plain), jax.tree.leaves(back), strict=True):
        np.testing.assert_array_equal(a, b)
    direct = small_world(live_config())
    np.testing.assert_array_equal(direct.catalogue.style, direct.streamers.style)


def test_worlds_have_views_of_their_own_but_the_same_seed_keeps_its_directions() -> None:
    """Learner i must be evaluated on another population through the views that it learnt to
    read."""
    clear = {"text": ViewConfig(16, 0.0, 0.0)}
    fits = []
    for streamers in (300, 500):
        config = live_config(streamers=streamers, content="multimodal")
        config = dataclasses.replace(
            config, content_views=dataclasses.replace(ViewsConfig(), **clear)
        )
        made = build.build_worlds(config, 7, 2)
        for i in range(2):
            style, view = made.streamers.style[i, :-1], made.catalogue.style[i, :-1, :16]
            fits.append(np.linalg.lstsq(style, view, rcond=None)[0])
    np.testing.assert_allclose(fits[0], fits[2], atol=1e-3)
    np.testing.assert_allclose(fits[1], fits[3], atol=1e-3)
    assert np.abs(fits[0] - fits[1]).max() > 0.1


def test_the_truth_does_not_reach_what_is_shown() -> None:
    """Permute style, skill, hook and tastes behind the catalogue: neither it nor a first request
    may change by a bit."""
    config = live_config(content="multimodal", similar=3, live_signals=True)
    plain, env = world(content="multimodal", similar=3, live_signals=True), make_live(config, 64)
    users = plain.users._replace(
        interest=plain.users.interest[::-1], category_bias=plain.users.category_bias[::-1]
    )
    streamers = plain.streamers._replace(
        style=plain.streamers.style[::-1],
        skill=plain.streamers.skill[::-1],
        hook=plain.streamers.hook[::-1],
    )
    hidden = plain._replace(users=users, streamers=streamers)
    reset = jax.jit(env.reset)
    seen, other = ((reset(jax.random.key(3), w)[1], env.catalogue(w)) for w in (plain, hidden))
    for a, b in zip(jax.tree.leaves(seen), jax.tree.leaves(other), strict=True):
        np.testing.assert_array_equal(a, b)


def test_similar_candidates_are_those_whose_views_are_near() -> None:
    config = live_config(content="multimodal", familiar=0, similar=7)
    plain, env = world(content="multimodal", familiar=0, similar=7), make_live(config, 256)
    noisy = plain.catalogue.style[jax.random.permutation(jax.random.key(0), 300)]
    other = plain._replace(
        catalogue=plain.catalogue._replace(
            style=jnp.concatenate([noisy, plain.catalogue.style[-1:]])
        )
    )
    offered = [
        np.asarray(jax.jit(env.reset)(jax.random.key(1), w)[1].candidates) for w in (plain, other)
    ]
    assert (offered[0] != offered[1]).mean() > 0.3


def test_multimodal_keeps_the_contract() -> None:
    config = live_config(content="multimodal", live_signals=True, horizon=20)
    seen = check_env(
        make_live(config, 32), world(content="multimodal", live_signals=True, horizon=20), steps=30
    )
    assert seen["terminated"] > 0
    assert seen["truncated"] > 0


@pytest.mark.slow
def test_content_based_ranking_still_beats_chance() -> None:
    env = make_live(live_config(content="multimodal"), 512)
    play = make_cohort(env, ((make_content(), 1), (make_random(env.spec), 1)))
    returns = np.asarray(
        jax.jit(play)(((), ()), world(content="multimodal"), jax.random.key(0)).returns
    )
    ahead = returns[0] - returns[1]
    assert ahead.mean() > 4 * ahead.std() / math.sqrt(ahead.size)


def test_views_go_missing_in_the_stated_share_and_stay_missing() -> None:
    plain, poor = (
        np.asarray(world(content="multimodal", perturb={"missing_views": x}).catalogue.style)
        for x in (0.0, 0.5)
    )
    for name, (_, columns, at) in WIDTHS.items():
        before, after = plain[:, at] != 0, poor[:, at] != 0
        assert (after >= before).all()
        assert after[:-1][~before[:-1]].mean() == pytest.approx(0.5, abs=0.12), name
        assert not poor[after][:, columns].any()
        np.testing.assert_array_equal(poor[~after][:, columns], plain[~after][:, columns])
    assert not poor[-1].any(), "the empty item has no view to lose"
    gone = np.asarray(world(content="multimodal", perturb={"missing_views": 1.0}).catalogue.style)[
        :-1
    ]
    assert set(np.flatnonzero(gone.any(axis=0)).tolist()) == {16, 33, 42}


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"content": "embeddings"}, r"env\.embeddings=null: env\.content=embeddings needs a file"),
        (
            {"embeddings": "x.npy"},
            r"env\.embeddings=/.*/x\.npy: env\.content=exact reads no file; use content=embeddings",
        ),
        (
            {"embedding_ids": "x.npy", "content": "multimodal"},
            r"env\.embedding_ids=/.*/x\.npy: env\.content=multimodal reads no",
        ),
        (
            {"perturb": {"missing_views": 0.5}},
            r"env\.perturb\.missing_views=0\.5: env\.content=exact has no views",
        ),
    ],
)
def test_what_does_not_go_together_is_refused(changes: dict[str, Any], line: str) -> None:
    with pytest.raises(ConfigError, match=line):
        live_config(**changes)


def test_views_of_no_width_at_all_are_refused() -> None:
    none = {name: {"width": 0, "noise": 1.0, "missing": 0.0} for name in WIDTHS}
    with pytest.raises(ConfigError, match="no view is left"):
        live_config(content="multimodal", content_views=none)


def test_embeddings_are_shown_as_unit_rows_and_gaps_as_zeros(tmp_path: Path) -> None:
    table = np.random.default_rng(0).normal(size=(300, 128)).astype(np.float32)
    table[7] = 0
    np.save(tmp_path / "e.npy", table)
    made = world(content="embeddings", embeddings=str(tmp_path / "e.npy"))
    assert made.catalogue.style.shape == (301, 128)
    want = table / np.maximum(np.linalg.norm(table, axis=1, keepdims=True), 1e-9)
    np.testing.assert_allclose(made.catalogue.style[:-1], want, rtol=1e-5)
    assert not np.asarray(made.catalogue.style)[[7, 300]].any()
    config = live_config(content="embeddings", embeddings=str(tmp_path / "e.npy"))
    _, obs = jax.eval_shape(make_live(config, 8).reset, jax.random.key(0), made)
    assert obs.candidates.shape == (8, 8)


def test_a_changed_embedding_file_is_another_world(tmp_path: Path) -> None:
    """A resumed run detects a changed world by the digest of its worlds."""
    path, table = tmp_path / "e.npy", np.random.default_rng(0).normal(size=(50, 6))
    env = live_config(streamers=50, users=20, content="embeddings", embeddings=str(path))
    found = []
    for change in (0.0, 0.0, 0.1):
        np.save(path, table + change * np.eye(50, 6))
        found.append(digest(build.build_worlds(env, 0, 1)))
    assert found[0] == found[1] != found[2]


def test_large_worlds_are_refused_with_their_views_counted() -> None:
    large = live_config(streamers=2_000_000, users=200, content="multimodal")
    with pytest.raises(InputError, match=r"env\.streamers=2000000: 1 worlds would take"):
        refuse_large_worlds(large, build.world_bytes(large), 1, 2**30)

"""A run whose policies are shown views of the streamers, judged again with most of them gone; and embeddings that changed."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
from envs.worlds import live_config
from experiment.runs import config, play

from lrdqn import build
from lrdqn.experiment import judge_saved
from lrdqn.experiment.setup import digest

VIEWS = {"kind": "live", "streamers": 60, "users": 20, "candidates": 4, "familiar": 1, "history": 4, "horizon": 20,
         "content": "multimodal", "live_signals": True}  # fmt: skip
RUN: dict[str, Any] = {
    "env": VIEWS,
    "network": {"name": "scorer", "hidden": [16, 8], "embedding": 2},
    "train": {"seeds": 2, "env_steps": 256, "eval_period": 256, "myopic": False},
}


def test_a_run_on_views_is_judged_again_without_them(tmp_path: Path) -> None:
    trained = play(tmp_path / "run", **RUN)
    assert trained is not None
    plain = config(**RUN)
    poorer = dataclasses.replace(plain.env, perturb=dataclasses.replace(plain.env.perturb, missing_views=1.0))
    blind = judge_saved(dataclasses.replace(plain, env=poorer), tmp_path / "run", None, known=True)
    of = {name: [x["policies"][name]["return"]["per_seed"] for x in (trained, blind)] for name in trained["policies"]}
    assert set(of) == {"learned", "random", "popularity", "content"}
    for name, (first, without) in of.items():
        assert np.isfinite(first).all()
        assert (without == first) == (name in ("random", "popularity")), name


def test_a_changed_embedding_file_is_another_world(tmp_path: Path) -> None:
    """By the digest of its worlds a run that goes on knows that it is no longer the one it was."""
    path, table = tmp_path / "e.npy", np.random.default_rng(0).normal(size=(50, 6))
    env = live_config(streamers=50, users=20, content="embeddings", embeddings=str(path))
    found = []
    for change in (0.0, 0.0, 0.1):
        np.save(path, table + change * np.eye(50, 6))
        found.append(digest(build.build_worlds(env, 0, 1)))
    assert found[0] == found[1] != found[2]

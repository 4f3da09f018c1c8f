"""Paths in what a run folder keeps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from omegaconf import OmegaConf

import lrdqn
from lrdqn.compose.record import resolved, with_absolute_paths


def test_paths_are_absolute_whatever_was_typed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Relative, from the home folder, and with spaces and signs that Hydra reads in its own way."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    table = np.ones((30, 4), np.float32)
    for name in ("e.npy", "my e=1.npy", "home/e.npy"):
        np.save(tmp_path / name, table)
    for typed, where in {
        "e.npy": tmp_path / "e.npy",
        "./e.npy": tmp_path / "e.npy",
        "'~/e.npy'": tmp_path / "home" / "e.npy",
        "'my e=1.npy'": tmp_path / "my e=1.npy",
    }.items():
        words = [
            "env.streamers=30",
            "env.users=20",
            "content=embeddings",
            f"env.embeddings={typed}",
        ]
        config = lrdqn.make_config(*words)
        assert config.env.embeddings == str(where)  # type: ignore[attr-defined]
        assert OmegaConf.create(resolved(config)).env.embeddings == str(where)
        *others, own = with_absolute_paths(config, words)
        assert others == words[:3]
        monkeypatch.chdir(tmp_path / "home")
        assert lrdqn.make_config(*others, own) == config
        monkeypatch.chdir(tmp_path)


def test_other_words_stay() -> None:
    config = lrdqn.make_config()
    words = ["env.population=null", "grid.agent.gamma=[0.8,0.9]", "hydra.run.dir=x", "+a.b=1"]
    assert with_absolute_paths(config, words) == words

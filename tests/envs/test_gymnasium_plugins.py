"""Gymnasium environments of other packages: registered through entry points, never by a module in
the name."""

from __future__ import annotations

from importlib.metadata import EntryPoint

import pytest

from lrdqn.config import InputError

pytest.importorskip("gymnasium")
from lrdqn.envs.gymnasium import env as subject
from lrdqn.envs.gymnasium.config import GymnasiumConfig


def install(monkeypatch: pytest.MonkeyPatch, module: str) -> None:
    point = EntryPoint("theirs", module, subject.REGISTERS)
    monkeypatch.setattr(
        subject, "entry_points", lambda group: [point] if group == subject.REGISTERS else []
    )


def test_an_installed_module_registers_its_environments(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, "plugins.their_gymnasium")
    made, _ = subject._made(GymnasiumConfig(name="TheirCartPole-v0"))
    assert made.action_space.n == 2


def test_a_module_that_cannot_be_loaded_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, "no_such_module")
    with pytest.raises(
        InputError, match=r"theirs = no_such_module of lrdqn\.gymnasium_envs cannot"
    ):
        subject._made(GymnasiumConfig())


def test_a_module_in_the_name_is_refused() -> None:
    with pytest.raises(InputError, match=r"without a module; .*lrdqn\.gymnasium_envs"):
        subject._made(GymnasiumConfig(name="os:Thing-v0"))

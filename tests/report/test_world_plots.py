"""Pictures of a live world: their data, and the files that are drawn."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest
from envs.worlds import live_config, small_world

from lrdqn.config import InputError
from lrdqn.report.world_picture import picture_world, rooms_by_hour
from lrdqn.report.world_plots import (
    WorldPicture,
    draw_world,
    end_reason,
    eventful_session,
    make_folder,
    mixture_above,
    percent_dearer,
)

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def data() -> WorldPicture:
    return picture_world(live_config(), 0, 256)


def test_rooms_by_hour_count_the_schedule(data: WorldPicture) -> None:
    schedule = jax.tree.map(np.asarray, small_world(live_config()).schedule)
    rooms = rooms_by_hour(schedule.count, int(schedule.bin_seconds))
    start, end = (x[:-1].astype(np.int64) for x in (schedule.start, schedule.end))
    # hour 30 of the week lies in the first and the second week of the fourteen days
    seen = [
        np.mean(
            [
                ((start < at + 900) & (end > at)).sum()
                for at in range(hour * 3600, (hour + 1) * 3600, 900)
            ]
        )
        for hour in (30, 30 + 168)
    ]
    assert rooms[30] == pytest.approx(np.mean(seen))
    assert rooms.shape == data.rooms.shape == (168,)


def test_the_laws_beside_which_worlds_are_drawn() -> None:
    assert mixture_above(np.array([4.87]))[0] == pytest.approx(0.5, abs=0.01)
    assert mixture_above(np.array([600.0]))[0] == pytest.approx(0.031, abs=0.001)
    np.testing.assert_allclose(percent_dearer([1, 2, 1]), [75, 25, 0], atol=1e-6)


def test_the_log_tells_what_was_offered_and_shown(data: WorldPicture) -> None:
    log, followed = data.log, data.log["offered"].shape[1]
    place, streamer = log["place"][:, :followed], log["streamer"][:, :followed]
    alive = log["alive"][:, :followed]
    there = np.take_along_axis(log["offered"], place[..., None], axis=2)[..., 0]
    np.testing.assert_array_equal(there[alive], streamer[alive])
    n = eventful_session(log)
    length = int(log["alive"][:, n].sum())
    assert log["clicked"][:length, n].any()
    assert end_reason(log, length, n).startswith(
        ("patience had", "the viewer had", "the observation did")
    )
    impatient = log["impatient"] & log["alive"]
    assert impatient.any()
    assert (log["left"] >= log["impatient"])[log["alive"]].all()


def test_pictures_are_drawn_and_not_empty(data: WorldPicture, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="needs the extra `plot`")
    paths = draw_world(data, make_folder(tmp_path / "new" / "folder"))
    assert [path.name for path in paths] == [
        "world_hours.png",
        "world_watches_and_gifts.png",
        "world_concentration.png",
        "world_session.png",
    ]
    assert all(path.stat().st_size > 20_000 for path in paths)
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"out=.*cannot be made"):
        make_folder(tmp_path / "file" / "below")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "run=???: is required (or world=PATH)"),
        (["run=a", "world=b"], "world=b: one report at a time"),
        (["world=nowhere"], "world=nowhere: no resolved.yaml there"),
    ],
)
def test_what_cannot_be_reported_on_is_said(words: list[str], said: str) -> None:
    program = "from lrdqn.cli.report import main; main()"
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    ran = subprocess.run(
        [sys.executable, "-c", program, *words],
        capture_output=True,
        text=True,
        check=False,
        env=env,
    )
    assert ran.returncode == 2
    assert said in ran.stderr
    assert len(ran.stderr.splitlines()) == 1

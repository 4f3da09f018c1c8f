"""The learning curve: collected rows, drawn elements, places of names, and the message without
matplotlib."""

import io
import re
import sys

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image
from scipy import optimize

from lrdqn.config import InputError
from lrdqn.evaluation.statistics import bootstrap_mean
from lrdqn.report.curve import RESAMPLES, band, collect, draw_curve, spread_out
from lrdqn.runner.folder import write_summary

RNG = np.random.default_rng(0)


def rows(seeds=3, points=4, policies=("learned", "myopic")):
    return [
        {
            "policy": p,
            "seed": s,
            "env_steps": 1000 * t,
            "seconds": 30.0 * t,
            "censored": 0.0,
            "return": 10.0 * t + s + (p == "learned"),
        }
        for s in range(seeds)
        for t in range(points)
        for p in policies
    ]


def summary(**means):
    return {
        "policies": {name: {"return": {"mean": mean}} for name, mean in means.items()},
        "differences": {},
    }


@pytest.fixture
def drawn(monkeypatch):
    """Matplotlib figures at the time of saving."""
    figures = []
    save = Figure.savefig

    def keep(figure, *args, **kwargs):
        figures.append(figure)
        return save(figure, *args, **kwargs)

    monkeypatch.setattr(Figure, "savefig", keep)
    return figures


def test_rows_become_one_curve_per_policy():
    shuffled = [rows()[i] for i in RNG.permutation(len(rows()))]
    shuffled[0] = shuffled[0] | {"return": None}
    curves = collect([*shuffled, {"loss": 1.0}, {"policy": "learned", "env_steps": 5}])
    assert set(curves) == {"learned", "myopic"}
    hole = shuffled[0]
    expected = {
        p: np.array([[10.0 * t + s + (p == "learned") for t in range(4)] for s in range(3)])
        for p in curves
    }
    expected[hole["policy"]][hole["seed"], hole["env_steps"] // 1000] = np.nan
    for policy, curve in curves.items():
        np.testing.assert_array_equal(curve.steps, [0, 1000, 2000, 3000])
        np.testing.assert_array_equal(curve.values, expected[policy])


def test_band_is_the_bootstrap_of_the_seeds_that_have_a_value():
    values = RNG.normal(size=(8, 3))
    values[0, 1] = values[:, 2] = np.nan
    got = band(values)
    np.testing.assert_array_equal(got[0], bootstrap_mean(values[:, 0], RESAMPLES))
    np.testing.assert_array_equal(got[1], bootstrap_mean(values[1:, 1], RESAMPLES))
    assert np.isnan(got[2]).all()


def test_picture_shows_curves_bands_seeds_and_baselines(tmp_path, drawn):
    write_summary(
        tmp_path, summary(learned=40.0, myopic=39.0, random=5.0, popularity=20.0, content=20.5)
    )
    path = tmp_path / "learning_curve.png"
    assert draw_curve(tmp_path, rows(), path) is None
    assert path.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    axes = drawn[0].axes[0]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == [
        "learned (3 seeds)",
        "myopic (3 seeds)",
    ]
    learned = next(line for line in axes.lines if line.get_label() == "learned (3 seeds)")
    np.testing.assert_allclose(learned.get_ydata(), np.arange(4) * 10 + 1 + 1)
    thin = [line for line in axes.lines if line.get_alpha() is not None]
    assert len(thin) == 6
    assert len(axes.collections) == 2  # two bands
    # Learners are drawn as curves and must not have a dashed line too.
    dashed = sorted(line.get_ydata()[0] for line in axes.lines if line.get_linestyle() == "--")
    assert dashed == [5.0, 20.0, 20.5]
    words = "\n".join(
        [
            axes.get_xlabel(),
            axes.get_ylabel(),
            axes.get_title(loc="left"),
            *(text.get_text() for text in axes.texts),
        ]
    )
    for word in (
        "Env steps",
        "Return per session",
        "Learning curve",
        "95 %",
        "wall clock 1 min 30 s",
        "no session cut",
    ):
        assert word in words
    assert {"random 5.0", "popularity 20.0", "content 20.5"} <= {
        text.get_text() for text in axes.texts
    }


def test_no_two_texts_overlap_and_none_is_cut(tmp_path, drawn):
    write_summary(tmp_path, summary(random=31.0, popularity=31.1, content=30.9, learned=3.0))
    some = [row | {"censored": 0.004} for row in rows(seeds=10)]
    assert draw_curve(tmp_path, some, tmp_path / "c.png") is None
    figure, axes = drawn[0], drawn[0].axes[0]
    renderer = FigureCanvasAgg(figure).get_renderer()
    titles = [
        axes.title,
        axes._left_title,
        axes.xaxis.label,
        axes.yaxis.label,
        *axes.get_legend().get_texts(),
    ]
    ticks = [
        label
        for axis, limits in ((axes.xaxis, axes.get_xlim()), (axes.yaxis, axes.get_ylim()))
        for label, place in zip(axis.get_ticklabels(), axis.get_ticklocs(), strict=True)
        if limits[0] <= place <= limits[1]
    ]
    # Of a name with a leader line, only the text counts.
    words = [text for text in (*titles, *axes.texts, *ticks) if text.get_text()]
    boxes = [(text.get_text(), Text.get_window_extent(text, renderer)) for text in words]
    assert len(boxes) >= 15
    for i, (name, box) in enumerate(boxes):
        assert figure.bbox.x0 <= box.x0 < box.x1 <= figure.bbox.x1, name
        assert figure.bbox.y0 <= box.y0 < box.y1 <= figure.bbox.y1, name
        for other, another in boxes[i + 1 :]:
            assert not box.overlaps(another), (name, other)


def test_one_seed_one_point_and_an_unknown_policy(tmp_path, drawn):
    assert (
        draw_curve(tmp_path, rows(seeds=1, points=1, policies=("other",)), tmp_path / "c.png")
        is None
    )
    axes = drawn[0].axes[0]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["other (1 seed)"]
    assert len(axes.collections) == 0  # one seed has no band
    assert not any("95 %" in text.get_text() for text in axes.texts)


def test_a_run_that_diverged_still_has_a_picture(tmp_path):
    assert (
        draw_curve(tmp_path, [row | {"return": None} for row in rows()], tmp_path / "c.png") is None
    )
    assert Image.open(io.BytesIO((tmp_path / "c.png").read_bytes())).size == (1200, 750)


def test_without_matplotlib_one_line_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    message = draw_curve("runs/a", rows(), tmp_path / "c.png")
    assert message == (
        "learning_curve.png needs matplotlib: pip install "
        "'lrdqn[plot]', then lrdqn report run=runs/a"
    )
    assert not (tmp_path / "c.png").exists()


def test_nothing_to_draw_is_said(tmp_path):
    assert re.search(
        "no evaluations to draw", draw_curve(tmp_path, [{"loss": 1.0}], tmp_path / "c.png") or ""
    )


def test_damaged_summary_and_missing_folder_are_input_errors(tmp_path):
    with pytest.raises(InputError, match=r"c\.png: cannot be written"):
        draw_curve(tmp_path, rows(), tmp_path / "nowhere" / "c.png")
    (tmp_path / "summary.json").write_text("{")
    with pytest.raises(InputError, match=r"summary\.json is damaged"):
        draw_curve(tmp_path, rows(), tmp_path / "c.png")


@pytest.mark.parametrize(
    "places", [[3.0], [1.0, 5.0], [1.0, 1.1], [0.0, 0.2, 0.3, 5.0, 5.1], [2.0, 2.0, 2.0, 2.0], []]
)
def test_spread_out_moves_names_as_little_as_possible(places):
    places = np.array(places)
    got = spread_out(places, 1.0)
    assert (np.diff(got) >= 1 - 1e-9).all()
    if len(places) > 1:
        # the same least-squares problem, solved by a general method
        n = len(places)
        constraint = optimize.LinearConstraint(np.diff(np.eye(n), axis=0), 1.0, np.inf)
        solved = optimize.minimize(
            lambda x: np.sum((x - places) ** 2),
            places + np.arange(n),
            jac=lambda x: 2 * (x - places),
            hess=lambda x: 2 * np.eye(n),
            method="trust-constr",
            constraints=constraint,
            options={"gtol": 1e-8, "xtol": 1e-10},
        )
        np.testing.assert_allclose(got, solved.x, atol=1e-3)
    else:
        np.testing.assert_array_equal(got, places)

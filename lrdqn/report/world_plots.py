"""Pictures of a live world beside published metrics of real platforms: hours, watches and gifts,
concentration, one session."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from lrdqn.atomic import write_bytes
from lrdqn.config import InputError
from lrdqn.envs.live.daily_patterns import HOURLY_WATCH
from lrdqn.envs.live.prices import PRICE_SHARES, PRICES
from lrdqn.evaluation.gini import gini, lorenz

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SIMULATED, PUBLISHED, INK, FAINT = "#0072B2", "#D55E00", "#333333", "#E3E3E3"
MIXTURE = ((0.87, 4.04, 1.0), (0.13, 216.0, 1.43))
"""Share, median in seconds and log-sd of bounces and of engaged watches, fitted to KuaiLive's
published metrics (envs/live/README.md, section 6)."""
DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


class WorldPicture(NamedTuple):
    """Data of the pictures."""

    rooms: np.ndarray
    """Rooms on air in each hour of the week, ``[168]``."""
    category: np.ndarray
    """Category of every streamer, ``[S+1]``."""
    users: int
    log: dict[str, np.ndarray]
    """As ``world_metrics.make_log`` returns it."""
    reference: str
    """Name of the policy that made the log."""


def make_folder(folder: Path) -> Path:
    """Make the folder unless it exists, and return it.

    Raises:
        InputError: matplotlib is not installed, or the folder cannot be made.
    """
    from importlib.util import find_spec

    if find_spec("matplotlib") is None:
        raise InputError("lrdqn report world=...: needs matplotlib; pip install 'lrdqn[plot]'")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"out={folder}: cannot be made ({error.strerror or error})") from error
    return folder


def draw_world(data: WorldPicture, folder: Path) -> list[Path]:
    """Write the pictures into ``folder`` and return their paths.

    Raises:
        InputError: a picture cannot be written.
    """
    from matplotlib.figure import Figure

    pictures: dict[str, tuple[tuple[float, float], Callable[[Figure, WorldPicture], None]]] = {
        "hours": ((9, 5.5), draw_hours),
        "watches_and_gifts": ((9, 4), draw_watches),
        "concentration": ((9, 4.2), draw_concentration),
        "session": ((9, 6), draw_session),
    }
    paths = []
    for name, (size, draw) in pictures.items():
        figure = Figure(figsize=size, dpi=150, layout="constrained")
        draw(figure, data)
        picture = io.BytesIO()
        figure.savefig(picture, format="png")
        paths.append(folder / f"world_{name}.png")
        write_bytes(paths[-1], picture.getvalue())
    return paths


def draw_hours(figure: Figure, data: WorldPicture) -> None:
    """Draw the rooms on air over the week, and the shares of watch time over the day against the
    published ones."""
    week, day = figure.subplots(2, 1)
    week.plot(np.arange(168) + 0.5, data.rooms, color=SIMULATED, linewidth=1.8)
    week.set_xticks(24 * np.arange(7) + 12, DAYS)
    week.vlines(24 * np.arange(1, 7), 0, data.rooms.max() * 1.05, color=FAINT, linewidth=0.8)
    week.set_xlim(0, 168)
    week.set_ylim(0, data.rooms.max() * 1.05)
    week.set_ylabel("rooms on air")
    title(week, "Who is on air, by hour of the week (days are alike in this world)")
    clicked = data.log["alive"] & data.log["clicked"]
    share = np.bincount(data.log["hour"][clicked], data.log["seconds"][clicked], minlength=24)
    day.bar(
        np.arange(24),
        100 * share / share.sum(),
        width=0.8,
        color=SIMULATED,
        alpha=0.75,
        label=data.reference,
    )
    published = 100 * HOURLY_WATCH / HOURLY_WATCH.sum()
    day.plot(
        np.arange(24),
        published,
        "o-",
        color=PUBLISHED,
        linewidth=1.6,
        markersize=4,
        label="KuaiLive",
    )
    day.set_xticks(range(0, 24, 3))
    day.set_xlim(-0.6, 23.6)
    day.set_xlabel("hour of the day")
    day.set_ylabel("% of watch time")
    day.legend(frameon=False, loc="upper left")
    title(day, "When people watch")


def draw_watches(figure: Figure, data: WorldPicture) -> None:
    """Draw the distributions of watch seconds and gift prices, as shares above each value, against
    the published ones."""
    watches, gifts = figure.subplots(1, 2)
    clicked = data.log["alive"] & data.log["clicked"]
    seconds = np.sort(data.log["seconds"][clicked])
    above = 100 * (1 - np.arange(len(seconds)) / len(seconds))
    watches.plot(seconds, above, color=SIMULATED, linewidth=2, label=data.reference)
    at = np.geomspace(0.5, 1e5, 200)
    watches.plot(
        at, 100 * mixture_above(at), "--", color=PUBLISHED, linewidth=1.6, label="fit to KuaiLive"
    )
    watches.plot([4.87], [50], "s", color=PUBLISHED, markersize=6, label="published median, 4.87 s")
    watches.set_xscale("log")
    watches.set_xlim(0.5, 1e5)
    watches.set_xticks(
        [1, 10, 60, 600, 3600, 36_000], ["1 s", "10 s", "1 min", "10 min", "1 h", "10 h"]
    )
    watches.set_xticks([], minor=True)
    watches.set_ylabel("% of clicks that are watched longer")
    watches.legend(frameon=False, fontsize=8)
    title(watches, f"Watch per click (mean {seconds.mean():.1f} s; published 82.6 s)")
    sent = data.log["gifts_by_price"][clicked].sum(axis=0)
    gifts.step(
        PRICES,
        percent_dearer(sent),
        where="post",
        color=SIMULATED,
        linewidth=2,
        label=data.reference,
    )
    gifts.step(
        PRICES,
        percent_dearer(PRICE_SHARES),
        where="post",
        color=PUBLISHED,
        linestyle="--",
        linewidth=1.6,
        label="ladder",
    )
    quantiles = ((2, 50), (88, 10), (298, 5), (1488, 1))
    gifts.plot(
        *zip(*quantiles, strict=True),
        "s",
        color=PUBLISHED,
        markersize=6,
        label="published p50, p90, p95, p99",
    )
    gifts.set_xscale("log")
    gifts.set_yscale("log")
    gifts.set_ylim(0.05, 120)
    gifts.set_yticks([0.1, 1, 10, 100], ["0.1", "1", "10", "100"])
    gifts.set_xticks([1, 10, 100, 1000, 10_000], ["1", "10", "100", "1,000", "10,000"])
    gifts.set_xlabel("price")
    gifts.set_ylabel("% of gifts that cost more")
    gifts.legend(frameon=False, fontsize=8)
    title(gifts, f"Price of a gift ({sent.sum():,.0f} gifts)")


def draw_concentration(figure: Figure, data: WorldPicture) -> None:
    """Draw Lorenz curves of watch time and gifts, over users and over streamers."""
    clicked = data.log["alive"] & data.log["clicked"]
    spent = data.log["gifts_by_price"][clicked] @ PRICES
    amounts = {"watch time": data.log["seconds"][clicked], "gifts received": spent}
    streamers = len(data.category) - 1
    panels = (("users", "user", data.users, 0.942), ("streamers", "streamer", streamers, 0.930))
    for axes, (who, field, count, published) in zip(figure.subplots(1, 2), panels, strict=True):
        for (what, amount), color in zip(amounts.items(), (SIMULATED, PUBLISHED), strict=True):
            total = np.bincount(data.log[field][clicked], amount, minlength=count)[:count]
            given = "gifts given" if (who, what) == ("users", "gifts received") else what
            some = total[total > 0] if "gift" in what else total
            kind = f"{given}, of those with any" if "gift" in what else given
            axes.plot(
                np.linspace(0, 100, len(some) + 1),
                100 * lorenz(some),
                color=color,
                linewidth=2,
                label=f"{kind}: Gini {gini(some):.3f}",
            )
        axes.plot([0, 100], [0, 100], color=INK, linewidth=0.8, linestyle=":")
        axes.set_xlabel(f"% of {who}, from the least to the most")
        axes.set_ylabel("% of the total that they hold")
        axes.legend(frameon=False, loc="upper left", fontsize=8)
        title(axes, f"{who.capitalize()} (published Gini of gifts {published:.3f}, over 21 days)")


def draw_session(figure: Figure, data: WorldPicture) -> None:
    """Draw one session, request by request: candidates, the room shown, how long it was watched,
    and why the session ended."""
    request, watch = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    n = eventful_session(data.log)
    length = int(data.log["alive"][:, n].sum())
    seconds, clicked, cut = (
        data.log[name][:length, n] for name in ("seconds", "clicked", "stream_ended")
    )
    offered, place = data.log["offered"][:length, n], data.log["place"][:length, n]
    colors, number = category_colors(data), np.arange(1, length + 1)
    at, where = np.nonzero(offered >= 0)
    request.scatter(
        at + 1,
        where,
        s=22,
        color=colors[data.category[offered[at, where]]],
        alpha=0.6,
        linewidths=0,
    )
    shown = colors[data.category[offered[np.arange(length), place]]]
    request.scatter(
        number[clicked],
        place[clicked],
        s=75,
        color=shown[clicked],
        edgecolor=INK,
        linewidths=1.4,
        zorder=3,
    )
    request.scatter(
        number[~clicked], place[~clicked], s=60, color=INK, marker="x", linewidths=1.6, zorder=3
    )
    request.set_ylim(offered.shape[1] - 0.3, -0.7)
    request.set_ylabel("place in the request")
    title(
        request,
        (
            "One session. Dots: streams on offer, by category; ringed: "
            "shown and clicked; crosses: shown, not clicked"
        ),
    )
    watch.bar(
        number[clicked],
        seconds[clicked].clip(0.5),
        color=shown[clicked],
        edgecolor=INK,
        linewidth=0.6,
        width=0.7,
    )
    for i in np.flatnonzero(clicked & cut):
        watch.annotate(
            "off air",
            (number[i], seconds[i]),
            (0, 3),
            textcoords="offset points",
            ha="center",
            fontsize=7,
        )
    watch.set_yscale("log")
    watch.set_ylim(0.5, 40_000)
    watch.set_yticks([1, 10, 60, 600, 3600], ["1 s", "10 s", "1 min", "10 min", "1 h"])
    watch.set_yticks([], minor=True)
    minutes = np.concatenate([[0.0], np.cumsum(seconds + 3.0)]) / 60
    every = max(1, -(-length // 16))  # more labels than 16 would overlap
    watch.set_xticks(number[::every], [f"{i}\n{minutes[i - 1]:.0f} min" for i in number[::every]])
    watch.set_xlim(0.3, length + 0.7)
    watch.set_ylabel("watched")
    watch.set_xlabel("request, and minutes in the app before it")
    title(
        watch, f"It ended after {minutes[-1]:.0f} minutes because {end_reason(data.log, length, n)}"
    )


def eventful_session(log: dict[str, np.ndarray]) -> int:
    """Return the index of a logged session with many kinds of events (bounce, stay, no click, a
    room that ends) and about 20 requests."""
    followed = log["offered"].shape[1]
    alive = log["alive"][:, :followed]

    def any_of(x: np.ndarray) -> np.ndarray:
        return (x & alive).any(axis=0).astype(float)

    stayed, ended = log["stayed"][:, :followed], log["stream_ended"][:, :followed]
    clicked = log["clicked"][:, :followed]
    length = alive.sum(axis=0)
    score = any_of(clicked & ~stayed) + any_of(stayed) + any_of(~clicked) + any_of(ended)
    return int(np.argmax(score - 0.1 * np.abs(length - 20) / 20))


def end_reason(log: dict[str, np.ndarray], length: int, n: int) -> str:
    """Return in words why a session ended."""
    if not log["left"][length - 1, n]:
        return "the observation did"
    why = "patience had run out" if log["impatient"][length - 1, n] else "the viewer had to go"
    return f"{why}; {'back' if log['returned'][length - 1, n] else 'not back'} the next day"


def mixture_above(seconds: np.ndarray) -> np.ndarray:
    """Return ``P(watch > seconds)`` under ``MIXTURE``."""
    from statistics import NormalDist

    cdf = np.vectorize(NormalDist().cdf)
    return sum(
        (share * (1 - cdf(np.log(seconds / median) / sd)) for share, median, sd in MIXTURE),
        np.zeros(len(seconds)),
    )


def percent_dearer(sent: Any) -> np.ndarray:
    """Return the percentage of gifts that cost more than each price."""
    return 100 * (1 - np.cumsum(sent) / max(float(np.sum(sent)), 1e-12)).clip(1e-9)


def category_colors(data: WorldPicture) -> Any:
    """Return a colour per category."""
    from matplotlib import colormaps

    return colormaps["tab20"](np.arange(data.category.max() + 1) % 20)


def title(axes: Axes, words: str) -> None:
    """Set the title and the style that all axes share."""
    axes.set_title(words, loc="left", fontsize=9.5)
    axes.grid(axis="y", color=FAINT, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)

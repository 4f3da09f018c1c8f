"""The live world beside published statistics: the rows that ``lrdqn calibrate`` prints, written to
results/calibration.{json,md}.

python benchmarks/calibration.py [--worlds 8] [--sessions 4096]
"""

from __future__ import annotations

import argparse
import dataclasses
import time

import rows

from lrdqn.calibration.measure import measure_world
from lrdqn.compose.freeze import freeze
from lrdqn.compose.roots import CalibrateRun
from lrdqn.envs.live.config import LiveConfig

WORDS = {True: "ok", False: "off", None: "for information"}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--worlds", type=int, default=8, help="worlds that are pooled (%(default)s)"
    )
    parser.add_argument("--sessions", type=int, default=4096, help="sessions in each (%(default)s)")
    given = parser.parse_args()
    root = CalibrateRun(
        env=dataclasses.asdict(LiveConfig()), sessions=given.sessions, worlds=given.worlds
    )
    began = time.perf_counter()
    found = measure_world(freeze(CalibrateRun, dataclasses.asdict(root)))
    common = {
        "n": given.worlds,
        "command": f"python benchmarks/calibration.py --worlds {given.worlds}",
        "commit": rows.commit(),
        "device": rows.device(),
        "seconds": round(time.perf_counter() - began, 1),
    }
    made, lines = (
        [],
        [
            "| statistic | simulated | over worlds | target | tolerance | | source |",
            "|---|---|---|---|---|---|---|",
        ],
    )
    for target, simulated, low, high, passed in found:
        tolerance = (
            "-"
            if target.tolerance is None
            else f"{target.tolerance:g}{'' if target.absolute else ' relative'}"
        )
        made.append(
            {
                "name": "live",
                "metric": target.name,
                "value": simulated,
                "ci_low": low,
                "ci_high": high,
                "target": target.value,
                "verdict": WORDS[passed],
                "unit": f"target {target.value:g}, {tolerance}",
                **common,
            }
        )
        lines.append(
            f"| {target.name} | {simulated:.4g} | [{low:.3g}, {high:.3g}] | "
            f"{target.value:g} | {tolerance} | {WORDS[passed]} | "
            f"{target.source} |"
        )
    rows.write("calibration", made, [*lines, ""])
    print("\n".join(lines))


if __name__ == "__main__":
    main()

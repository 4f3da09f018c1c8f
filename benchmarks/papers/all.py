"""Run every paper of the DQN family and record the results: ``papers_dqn.json`` and ``.md``, and a
plot for each.

    python benchmarks/papers/all.py [--quick] [--out DIR]

The exit code is 1 where a row fails; the results are written all the same.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(1, str(Path(__file__).resolve().parents[1]))

import blind_cliffwalk
import double_dqn_overestimation
import maximisation_bias
import per_fixed_point
import rows as result_files  # pyright: ignore[reportMissingImports]
import verdict

STUDIES = (
    double_dqn_overestimation.STUDY,
    blind_cliffwalk.STUDY,
    maximisation_bias.STUDY,
    per_fixed_point.STUDY,
)
NAME = "papers_dqn"


def main(argv: Sequence[str]) -> int:
    """Run all studies with their defaults."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    verdict.common_options(parser)
    given = verdict.with_out(parser.parse_args(argv))
    out, quick = given.out, ["--quick"] if given.quick else []
    # before any file is written, which would count as a change
    common = {"commit": result_files.commit(), "device": result_files.device()}
    found, tables = [], []
    for study in STUDIES:
        rows = verdict.measure(
            study, verdict.parse(study, [*quick, *([] if out is None else [f"--out={out}"])])
        )
        tables += [f"## {study.name}\n", verdict.table(rows), ""]
        command = shlex.join(["python", f"benchmarks/papers/{study.name}.py", *quick])
        found += [
            row | common | {"command": command, "name": f"{study.name}/{row['name']}"}
            for row in rows
        ]
    if out is not None:
        result_files.RESULTS = out
        result_files.write(NAME, found, [*tables, "## all rows\n"])
    fails = [row for row in found if row["verdict"] != "PASS"]
    for row in fails:
        print(f"FAIL {row['name']}: {row['metric']}")
    print(f"{len(found) - len(fails)} of {len(found)} pass")
    return int(verdict.failed(found))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

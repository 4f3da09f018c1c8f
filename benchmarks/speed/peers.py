"""Build the environments of other libraries that races run against: one environment each, below
``contest.PEERS``.

    python benchmarks/speed/peers.py [NAME ...]

Names: flashbax, cpprb, rejax, sb3, recsim (all of them by default). A finished environment of the
wanted versions is left as it is; one that was built for other versions, or not to its end, is built
again. ``LRDQN_PEERS`` says where they are kept.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import venv
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from contest import PEERS

MARKER = "finished.json"


class Install(NamedTuple):
    """One call of pip; ``instead`` is tried where ``wanted`` cannot be had."""

    wanted: tuple[str, ...]
    options: tuple[str, ...] = ()
    instead: tuple[str, ...] = ()


JAX = "jax==0.10.2"
"""The version that lrdqn is raced with."""

LRDQN = ("hydra-core==1.3.8", "omegaconf==2.3.1", "jaxtyping", "safetensors")
LRDQN_TOO = (*LRDQN, JAX, "flax==0.12.8", "optax==0.2.8", "chex", "orbax-checkpoint", "rich")
"""Packages that lrdqn's live world needs where another library's agent plays it
(``benchmarks/interop/``)."""

PLANS: dict[str, tuple[Install, ...]] = {
    "flashbax": (Install(("flashbax==0.1.3", JAX)),),
    "cpprb": (Install(("cpprb==11.0.0", "numpy==2.4.6")),),
    # rejax was written for the gymnax before 1.0, which asks for older versions of what both need
    # than it can do with.
    "rejax": (
        Install(("rejax==0.1.3", JAX)),
        Install(("gymnax==0.0.9",), ("--no-deps",)),
        Install(LRDQN),
    ),
    "sb3": (
        Install(("torch==2.13.0+cpu",), instead=("torch==2.13.0",)),
        Install(("stable-baselines3==2.9.2", "gymnasium==1.4.0", "highway-env==1.12.1")),
        Install(LRDQN_TOO),
    ),
    # RecSim's requirements are for its agents (TensorFlow, Dopamine); its environments do with
    # these.
    "recsim": (
        Install(("recsim==0.2.4",), ("--no-deps",)),
        Install(
            ("numpy==1.26.4", "gym==0.26.2", "gin-config==0.5.0", "absl-py", "scipy==1.15.3", "six")
        ),
    ),
}
SHOWN = {
    "flashbax": ("flashbax", "jax", "jaxlib", "numpy"),
    "cpprb": ("cpprb", "numpy"),
    "rejax": ("rejax", "gymnax", "jax", "jaxlib"),
    "sb3": ("stable-baselines3", "torch", "gymnasium", "highway-env"),
    "recsim": ("recsim", "gym", "numpy"),
}

Call = Callable[[list[str]], subprocess.CompletedProcess[str]]


def call(command: list[str]) -> subprocess.CompletedProcess[str]:
    """Run a command; return its output."""
    return subprocess.run(command, capture_output=True, text=True, check=False)


def pins(name: str) -> list[list[str]]:
    """Return the content of a finished environment's marker: every call of pip."""
    return [[*step.options, *step.wanted] for step in PLANS[name]]


def finished(folder: Path, name: str) -> bool:
    """Return whether the environment was built to its end, for these versions."""
    try:
        return json.loads((folder / MARKER).read_text()) == pins(name)
    except (OSError, ValueError):
        return False


def last_error(ran: subprocess.CompletedProcess[str]) -> str:
    """Return the line that says why pip failed."""
    lines = [line for line in ran.stderr.splitlines() if line.startswith("ERROR")]
    return lines[-1] if lines else f"pip ended with {ran.returncode}"


def install(python: Path, step: Install, run: Call) -> None:
    """Call pip, and the alternative where it fails.

    Raises:
        SystemExit: with one line, where both fail.
    """
    pip = [
        str(python),
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        *step.options,
    ]
    ran = run([*pip, *step.wanted])
    if ran.returncode and step.instead:
        print(f"  no {' '.join(step.wanted)}: {' '.join(step.instead)} instead", flush=True)
        ran = run([*pip, *step.instead])
    if ran.returncode:
        raise SystemExit(f"{' '.join(step.wanted)}: {last_error(ran)}")


def build(
    name: str, root: Path = PEERS, run: Call = call, create: Callable[[Path], None] | None = None
) -> bool:
    """Build one environment where it does not exist yet; return whether it had to be built."""
    folder = root / name
    if finished(folder, name):
        return False
    shutil.rmtree(folder, ignore_errors=True)
    (create or venv.EnvBuilder(with_pip=True).create)(folder)
    for step in PLANS[name]:
        print(f"  {name}: {' '.join(step.wanted)}", flush=True)
        install(folder / "bin" / "python", step, run)
    (folder / MARKER).write_text(json.dumps(pins(name)) + "\n")
    return True


def versions(name: str, root: Path = PEERS, run: Call = call) -> str:
    """Return the installed versions of the packages that matter."""
    code = (
        "from importlib.metadata import version; print(*(n + ' ' + "
        f"version(n) for n in {SHOWN[name]!r}), sep=', ')"
    )
    ran = run([str(root / name / "bin" / "python"), "-c", code])
    if ran.returncode:
        raise SystemExit(f"{name}: {ran.stderr.strip().splitlines()[-1]}")
    return ran.stdout.strip()


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(PLANS)} (all)")
    names = parser.parse_args(argv).names or list(PLANS)
    for name in names:
        if name not in PLANS:
            parser.error(f"{name}: must be one of {', '.join(PLANS)}")
    for name in names:
        built = build(name)
        print(f"{name}: {'built' if built else 'there'}: {versions(name)}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])

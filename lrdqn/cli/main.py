"""``lrdqn COMMAND [KEY=VALUE ...]``: run the command with the remaining arguments."""

from __future__ import annotations

import difflib
import importlib
import os
import sys

import lrdqn

COMMANDS = {
    "train": "train a recommender on a live world; table and run folder",
    "tune": "search float hyper-parameters, a batch of trials in one program",
    "evaluate": "evaluate a saved policy in a world: lrdqn evaluate run=PATH",
    "calibrate": "compare the world with published statistics, or fit a population to a log",
    "report": "table and curve of a run, or a sweep in one table: lrdqn report run=PATH",
}


def usage() -> str:
    """Return the help text of ``lrdqn`` itself."""
    rows = "\n".join(f"  {name:<10} {what}" for name, what in COMMANDS.items())
    return (
        f"lrdqn {lrdqn.__version__} - live-streaming recommendation "
        "by deep reinforcement learning\n\n"
        f"usage: lrdqn COMMAND [KEY=VALUE ...]\n\ncommands:\n{rows}\n\n"
        "`lrdqn COMMAND --help` lists every choice and every key with its default and meaning;\n"
        "`lrdqn COMMAND --cfg job` prints the whole config;\n"
        "`lrdqn train -m agent=dqn,double_dqn` runs a sweep.\n"
    )


def stop_writing() -> None:
    """Discard buffered output without an error, once a reader such as ``head`` has closed the
    pipe."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def main() -> None:
    """Run the console script."""
    name, *rest = sys.argv[1:] or ["--help"]
    if name in ("-h", "--help", "help"):
        sys.stdout.write(usage())
        return
    if name == "--version":
        sys.stdout.write(f"lrdqn {lrdqn.__version__}\n")
        return
    if name not in COMMANDS:
        near = difflib.get_close_matches(name, COMMANDS, n=1)
        hint = f"did you mean {near[0]}?" if near else "commands are " + ", ".join(COMMANDS)
        sys.stderr.write(f"lrdqn: unknown command {name}; {hint}\n")
        raise SystemExit(2)
    sys.argv = [f"lrdqn {name}", *rest]
    try:
        importlib.import_module(f"lrdqn.cli.{name}").main()
    except KeyboardInterrupt:
        sys.stderr.write(f"lrdqn {name}: interrupted\n")
        raise SystemExit(130) from None
    except BrokenPipeError:
        stop_writing()

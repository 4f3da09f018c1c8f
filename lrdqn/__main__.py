"""``python -m lrdqn``: the same as the command ``lrdqn``."""

from lrdqn.cli.main import main

main()

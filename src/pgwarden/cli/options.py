"""Options and checks of values that several commands share."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TypeAlias

ENV_FILE = "file of PGWARDEN_ variables; the environment overrides it"

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def add_env_file(command: argparse.ArgumentParser) -> None:
    """Let --env-file stand after the command as well."""
    # Suppressed, or the default of the command would undo what stands before it.
    command.add_argument("--env-file", type=Path, metavar="FILE", default=argparse.SUPPRESS, help=ENV_FILE)


class Bounded:
    """A whole number within bounds, both inclusive; as the `type` of an argument."""

    def __init__(self, low: int, high: int) -> None:
        """Take the bounds."""
        self._low, self._high = low, high

    def __call__(self, text: str) -> int:
        """Return the number; argparse tells the user what is wrong."""
        if text.isascii() and text.isdecimal() and self._low <= int(text[:18]) <= self._high:
            return int(text)
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from {self._low} to {self._high}")

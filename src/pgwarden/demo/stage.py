"""What the audience sees, and the promise that it is true."""

from __future__ import annotations

import os
import textwrap
from typing import TextIO

WIDTH = 110
"""Columns that a shown line has at most."""


class DemoError(Exception):
    """Something did not behave as narrated."""


class Stage:
    """Prints the narration; coloured on a terminal, unless NO_COLOR is set. Each line is flushed."""

    def __init__(self, out: TextIO) -> None:
        """Print to a stream."""
        self._out = out
        self._colour = out.isatty() and not os.environ.get("NO_COLOR")
        self._scenes = 0
        self.refusals = 0

    def scene(self, title: str) -> None:
        """Begin a scene."""
        self._scenes += 1
        self._print("\n" + self._painted("1;36", f"{self._scenes}. {title}"))

    def say(self, text: str) -> None:
        """Tell something."""
        self._print(textwrap.fill(text, WIDTH, initial_indent="   ", subsequent_indent="   "))

    def call(self, tool: str, what: str = "") -> None:
        """Show what the client calls."""
        line = " ".join(f"> {tool} {what}".split())
        self._print("   " + self._painted("33", _shortened(line, WIDTH)))

    def show(self, text: str, lines: int = 12) -> None:
        """Show an answer: its first lines, its last one where some are left out, and how many those are."""
        shown = [line for line in text.splitlines() if line.strip()]
        if len(shown) > lines + 1:
            shown = [*shown[: lines - 1], f"... {len(shown) - lines} lines more ...", shown[-1]]
        for line in shown:
            self._print("     " + self._painted("2", _shortened(line, WIDTH)))

    def refused(self, what: str, code: str, message: str) -> None:
        """Show an attempt that was refused, and count it."""
        self.refusals += 1
        head = self._painted("32", "refused")
        self._print(f"   {head} {what} [{code}]\n" + textwrap.indent(textwrap.fill(message, WIDTH - 8), " " * 11))

    def _painted(self, colour: str, text: str) -> str:
        return f"\x1b[{colour}m{text}\x1b[0m" if self._colour else text

    def _print(self, text: str) -> None:
        print(text, file=self._out, flush=True)


def check(condition: object, what: str) -> None:
    """Stop the demo unless what it tells is true.

    Args:
        condition: Must be true.
        what: What was told, for the error.

    Raises:
        DemoError: It is not.
    """
    if not condition:
        raise DemoError(f"This is not so: {what}")


def _shortened(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 3] + "..."

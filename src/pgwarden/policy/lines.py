"""What errors about the policy file say beside the error: its line, and the nearest valid name."""

from __future__ import annotations

from collections.abc import Iterable

from pgwarden.errors import did_you_mean

Lines = dict[str, int]
"""The line of every key and list item, by its path: "tools.deny", "tables.0.match"."""

_LISTED = 60
"""Names that a hint lists at most."""


def where(lines: Lines, key: str) -> str:
    """Return the start of an error's message: the line of a path, or of the nearest part of it that has one.

    Empty where none has.
    """
    parts = key.split(".")
    line = next((lines[".".join(parts[:n])] for n in range(len(parts), 0, -1) if ".".join(parts[:n]) in lines), None)
    return f"governance line {line}: " if line else ""


def near_hint(name: str, known: Iterable[str]) -> str:
    """Return a hint that names the nearest of the known names, or all of them where they are not too many."""
    by_lower = {each.lower(): each for each in known}
    if near := did_you_mean(name, by_lower):
        return f"Did you mean {by_lower[near]}?"
    return f"One of: {', '.join(by_lower.values())}." if len(by_lower) <= _LISTED else ""

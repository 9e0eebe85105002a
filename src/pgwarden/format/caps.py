"""Budgets of a text, and what came of them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Caps:
    """Bytes of the whole text at most (the first row is always shown, cut if need be), characters of one value."""

    max_bytes: int
    max_cell: int


@dataclass(frozen=True, slots=True)
class Rendered:
    """A text with the number of rows it shows and of values that were cut short in it."""

    body: str
    shown: int
    cut: int = 0


def clip(value: str, max_cell: int) -> str:
    """Cut a long value and say how long it was."""
    return f"{value[:max_cell]}…[{len(value)} characters]"

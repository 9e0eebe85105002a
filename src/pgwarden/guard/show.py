"""SHOW, which sqlglot does not read: the name of a setting, or one of the four phrases that stand for one."""

from __future__ import annotations

from typing import Final

from pgwarden.guard.lexer import Kind, Token
from pgwarden.guard.parsed import Refused

_PHRASES: Final = (
    ["all"],
    ["time", "zone"],
    ["transaction", "isolation", "level"],
    ["session", "authorization"],
)


def check(tokens: list[Token]) -> None:
    """Refuse anything but SHOW of a setting."""
    rest = tokens[1:]
    words = [token.value for token in rest]
    names = all(token.kind in (Kind.WORD, Kind.QUOTED) for token in rest[::2])
    dots = all(token.kind is Kind.MARK and token.value == "." for token in rest[1::2])
    if words in _PHRASES or (len(rest) % 2 == 1 and names and dots):
        return
    raise Refused("not_understood", "SHOW takes the name of one setting.", "Write SHOW name or SHOW ALL.")

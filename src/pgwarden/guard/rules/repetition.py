"""Shapes that cost a parser exponential or cubic time: key words nested as calls, and runs of subscripts.

The depth of brackets is bounded where they are matched, and the parser's steps where it runs.
"""

from __future__ import annotations

from typing import Final

from pgwarden.guard.keywords import words
from pgwarden.guard.names import Names
from pgwarden.guard.parsed import Refused
from pgwarden.guard.stream import Stream

MAX_TYPE_CALLS: Final = 4
MAX_SUBSCRIPTS: Final = 8

_TYPES: Final = words("""
    bigint bit boolean char character dec decimal float int integer interval national nchar numeric real row
    smallint time timestamp varchar json array""")


def check(stream: Stream, _: Names) -> None:
    """Refuse type words nested as calls more than 4 deep, and more than 8 subscripts in a row."""
    depth = [0] * stream.size
    run = 0
    for index in range(stream.size):
        mark, opener = stream.marks[index], stream.opener[index]
        if mark in ("(", "["):
            typed = index > 0 and stream.tokens[index - 1].value in _TYPES
            depth[index] = (depth[opener] if opener >= 0 else 0) + typed
            subscript = mark == "[" and stream.marks[index - 1] == "]"
            run = run + 1 if subscript else 0
            if depth[index] > MAX_TYPE_CALLS or run >= MAX_SUBSCRIPTS:
                raise Refused("too_complex", "Types or subscripts are nested too deep.", "Simplify the expression.")

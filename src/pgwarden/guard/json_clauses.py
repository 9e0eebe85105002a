"""The clauses of JSON_TABLE, JSON_VALUE, JSON_QUERY and JSON_EXISTS, which sqlglot reads only in part.

A skeleton leaves them out, and keeps the arguments and the expressions of PASSING and DEFAULT. What stands in the
clauses is judged by the token rules all the same.
"""

from __future__ import annotations

from typing import Final

from pgwarden.guard.keywords import ENDS_TYPE, words
from pgwarden.guard.stream import Stream

_FUNCTIONS: Final = frozenset({"json_table", "json_value", "json_query", "json_exists"})
_WRAPPER: Final = words("with without conditional unconditional array wrapper")


def encloses(stream: Stream, index: int) -> bool:
    """Tell whether a token stands directly in the bracket of one of these functions."""
    opener = stream.opener[index]
    return opener > 0 and stream.words[opener - 1] in _FUNCTIONS


def skip(stream: Stream, index: int) -> int:
    """Return the index behind the clause, or the part of it, that starts here; the index itself where none does."""
    word, behind = stream.words[index], index + 1
    match word:
        case "passing" | "default":
            return behind
        case "as":
            return index + 2
        case "returning":
            return _behind_type(stream, behind)
        case "with" | "without":
            while stream.words[behind] in _WRAPPER:
                behind += 1
            return behind
        case "keep" | "omit":
            return index + 2
        case "on":
            return index + (3 if stream.words[behind] == "scalar" else 2)
        case "columns":
            return stream.partner[behind] + 1 if stream.marks[behind] == "(" else index
        case "null" | "true" | "false" | "unknown" | "error" if stream.words[behind] == "on":
            return behind
        case "empty" if stream.words[behind] in ("on", "array", "object"):
            return behind + (stream.words[behind] != "on")
        case "format":
            return index + 2
    return index


def _behind_type(stream: Stream, index: int) -> int:
    """Return the index behind a type's name, with its modifiers and array bounds."""
    behind = stream.chain_end(index) + 1
    while stream.is_name(behind) and stream.value(behind) in ENDS_TYPE:
        if stream.value(behind) in ("with", "without") and stream.words[behind + 1] != "time":
            break
        behind += 1
    while stream.marks[behind] in ("(", "["):
        behind = stream.partner[behind] + 1
    return behind

"""Which names with a parenthesis behind them are calls.

Every one is, unless the grammar leaves no other reading than an alias, a type or syntax. Syntax that leans on words
which can be names as well (OVER, FILTER, BY, ...) counts only in the one place where it can stand.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from pgwarden.guard import keywords
from pgwarden.guard.lexer import Kind
from pgwarden.guard.parsed import Name
from pgwarden.guard.stream import Stream

_ALWAYS_SYNTAX: Final = keywords.RESERVED | keywords.SYNTAX_CALLS - {"substring", "overlay"}
_JSON_AND_XML: Final = keywords.words("""
    xmltable xmlexists json_table json_value json_query json_exists json_object json_objectagg""")
_JOINS: Final = keywords.words("left right full outer inner cross natural")


def _closes_call(stream: Stream, index: int) -> bool:
    """Tell whether the token before ends a call, so that OVER or FILTER can follow; not that of DISTINCT ON (...)."""
    if stream.marks[index - 1] != ")" or not stream.is_operand(index - 1):
        return False
    opener = stream.partner[index - 1]
    return opener > 0 and stream.words[opener - 1] != "on"


def _follows(*words: str) -> Callable[[Stream, int], bool]:
    return lambda stream, index: index > 0 and stream.words[index - 1] in words


def _follows_operand(stream: Stream, index: int) -> bool:
    return stream.is_operand(index - 1) or (stream.words[index - 1] == "not" and stream.is_operand(index - 2))


def in_json_or_xml(stream: Stream, index: int) -> bool:
    opener = stream.opener[index]
    while opener > 0 and stream.words[opener - 1] == "columns":
        opener = stream.opener[opener]
    return opener > 0 and stream.words[opener - 1] in _JSON_AND_XML and stream.is_operand(index - 1)


def _counts_seconds(stream: Stream, index: int) -> bool:
    """Tell whether this is the field of an interval: `interval '1' second(3)`, `interval day to second(3)`."""
    before, first = stream.words[index - 1], stream.words[index - 2]
    if before == "to":
        return first in ("day", "hour", "minute")
    return before == "interval" or (first == "interval" and stream.is_kind(index - 1, Kind.STRING))


_SYNTAX_WHERE: Final[Mapping[str, Callable[[Stream, int], bool]]] = {
    "over": _closes_call,
    "filter": lambda stream, index: _closes_call(stream, index) and stream.words[index + 2] == "where",
    "by": _follows("group", "order", "partition"),
    "second": _counts_seconds,
    "sets": _follows("grouping"),
    "first": _follows("fetch"),
    "next": _follows("fetch"),
    "zone": _follows("time"),
    "materialized": lambda stream, index: stream.value(index - 1) == "not" and stream.words[index - 2] == "as",
    "varying": _follows("character", "char", "nchar", "bit"),
    "columns": in_json_or_xml,
    "passing": in_json_or_xml,
    "value": in_json_or_xml,
    "join": lambda stream, index: stream.is_operand(index - 1) or stream.words[index - 1] in _JOINS,
    "like": _follows_operand,
    "ilike": _follows_operand,
    "overlaps": lambda stream, index: stream.is_operand(index - 1),
    "escape": lambda stream, index: stream.is_operand(index - 1),
    "repeatable": lambda stream, index: stream.marks[index - 1] == ")",
    "operator": lambda stream, index: stream.value(index + 2) == "pg_catalog" and stream.marks[index + 5] == ")",
}


def find(stream: Stream, clause: list[str], types: Mapping[int, int], plain: frozenset[int]) -> dict[int, Name]:
    """Return the calls by the index of the name's last part.

    Args:
        stream: The statement.
        clause: The clause of each token.
        types: The types, as `types.find` returns them.
        plain: Where names stand that a list of columns may follow: those of CTEs in their WITH list, and of targets.
    """
    type_ends = frozenset(types.values())
    found: dict[int, Name] = {}
    for index in range(stream.size - 1):
        if stream.marks[index + 1] != "(" or not stream.is_name(index) or index in type_ends or index in plain:
            continue
        qualified = index > 0 and stream.marks[index - 1] == "."
        if qualified or not _is_syntax(stream, index, clause[index]):
            found[index] = Name(stream.value(index - 2) if qualified else "", stream.value(index))
    return found


def _is_syntax(stream: Stream, index: int, clause: str) -> bool:
    word = stream.words[index]
    if word in _ALWAYS_SYNTAX:
        return True
    if index and stream.words[index - 1] == "as":
        return True
    if word in ("rollup", "cube"):
        return clause == "group"
    if word in _SYNTAX_WHERE:
        return _SYNTAX_WHERE[word](stream, index)
    if index and stream.words[index - 1] == "tablesample":
        return stream.value(index) in ("bernoulli", "system")
    return clause == "from" and is_alias(stream, index)


def is_alias(stream: Stream, index: int) -> bool:
    """Tell whether this, in a FROM list, names an item that ends right before it: `t a(x)`, `(...) a(x)`."""
    if stream.words[index] and stream.words[index] not in keywords.UNRESERVED_SYNTAX:
        return False
    before = index - 1
    if stream.marks[before] == ")" or stream.is_name(before):
        return (stream.is_operand(before) and stream.words[before] not in keywords.RESERVED) or (
            stream.words[before] == "ordinality"
        )
    return False

"""Which names are common table expressions, and where in the statement they can be seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from pgwarden.guard.parsed import Refused
from pgwarden.guard.stream import Stream


@dataclass(frozen=True, slots=True)
class Cte:
    """A common table expression.

    Attributes:
        name: Its name.
        index: Where the name stands.
        seen_from, seen_to: The tokens strictly between can see it.
        tail, behind: Its SEARCH and CYCLE clauses are the tokens from `tail` to before `behind`.
    """

    name: str
    index: int
    seen_from: int
    seen_to: int
    tail: int
    behind: int


_NONE: Mapping[int, int] = MappingProxyType({})


def find(stream: Stream, more: Mapping[int, int] = _NONE) -> list[Cte]:
    """Return the CTEs of a statement.

    Args:
        stream: The statement.
        more: WITH lists at its start and behind brackets are found; the others, which INSERT can have: index of WITH
            to the index behind what can see them.

    Raises:
        Refused: A WITH list is not of the usual form.
    """
    found: list[Cte] = []
    for index in range(stream.size):
        if stream.words[index] == "with" and (index == 0 or stream.marks[index - 1] == "("):
            found += read_list(stream, index)
    for index, end in more.items():
        found += read_list(stream, index, end)
    return found


def read_list(stream: Stream, start: int, end: int = -1) -> list[Cte]:
    """Return the CTEs of the WITH list that starts at an index.

    Args:
        stream: The statement.
        start: Where WITH stands.
        end: The index behind what can see them; by default the end of the bracket, or of the statement.

    Raises:
        Refused: It is not of the usual form.
    """
    opener = stream.opener[start]
    scope_end = end if end >= 0 else stream.size if opener < 0 else stream.partner[opener]
    recursive = stream.value(start + 1) == "recursive" and stream.is_name(start + 2)
    found: list[Cte] = []
    index = start + (2 if recursive else 1)
    while True:
        name_at = index
        index = _body(stream, name_at)
        close = stream.partner[index]
        behind = _skip_search_and_cycle(stream, close + 1)
        seen_from = start if recursive else close
        found.append(Cte(stream.value(name_at), name_at, seen_from, scope_end, close + 1, behind))
        index = behind
        if stream.marks[index] != ",":
            return found
        index += 1


def _body(stream: Stream, name_at: int) -> int:
    """Return the index of the bracket that opens the query of the CTE named at an index."""
    index = name_at + 1
    if stream.is_name(name_at) and stream.marks[index] == "(":
        index = stream.partner[index] + 1
    if stream.is_name(name_at) and stream.value(index) == "as":
        index += 1
        if stream.value(index) == "not":
            index += 1
        if stream.value(index) == "materialized":
            index += 1
        if stream.marks[index] == "(":
            return index
    raise Refused("not_understood", "A WITH list is not understood.", "Write WITH name AS (SELECT ...).")


def _skip_search_and_cycle(stream: Stream, index: int) -> int:
    if stream.value(index) == "search":
        index = _after(stream, index, "set")
    if stream.value(index) == "cycle":
        index = _after(stream, index, "using")
    return index


def _after(stream: Stream, index: int, word: str) -> int:
    """Return the index behind the name that follows a key word."""
    while index < stream.size:
        if stream.words[index] == word:
            return index + 2
        index += 1
    raise Refused("not_understood", "A SEARCH or CYCLE clause is not understood.")

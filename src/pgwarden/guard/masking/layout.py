"""Where each token stands: in which query, in which of its clauses, and whether inside of an expression's brackets.

As in `guard.clauses` no grammar is needed: the words that begin clauses are reserved, and per pair of brackets one
state is enough. What is not placed has an empty clause, in which a masked column is never accepted.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from pgwarden.guard.keywords import words
from pgwarden.guard.stream import Stream

_QUERIES: Final = words("select with values table insert update delete merge")
_CHANGES: Final = words("insert update delete merge")
_SET_OPERATIONS: Final = words("union intersect except")
_CLAUSES: Final = {
    "select": "select",
    "values": "values",
    "where": "where",
    "group": "group",
    "having": "having",
    "order": "order",
    "window": "window",
    "limit": "limit",
    "offset": "limit",
    "fetch": "limit",
    "for": "limit",
    "returning": "returning",
    "union": "",
    "intersect": "",
    "except": "",
}


@dataclass(slots=True)
class _Frame:
    """An open bracket: which query it is of, whether clauses change in it, and the clause it is in."""

    home: int
    tracks: bool
    clause: str
    verb: str = ""


class Layout:
    """The places of a statement's tokens.

    Attributes:
        stream: The statement.
        home: For each token the index of the bracket around its query, -1 for the outermost one.
        clause: For each token the clause of that query, such as "select", "from", "on" or "set".
        nested: For each token whether brackets of an expression are between it and its query.
    """

    def __init__(self, stream: Stream) -> None:
        """Place the tokens of a statement."""
        self.stream = stream
        self.home: list[int] = []
        self.clause: list[str] = []
        self.nested: list[bool] = []
        self._distinct: dict[int, bool] = {}
        frames = [_Frame(-1, True, "")]
        for index in range(stream.size):
            mark = stream.marks[index]
            if mark in (")", "]"):
                frames.pop()
            frame = frames[-1]
            if stream.words[index] and frame.tracks:
                _advance(stream, index, frame)
            elif mark == "," and frame.tracks and frame.clause == "on":
                frame.clause = "from"
            self._place(frame)
            if mark in ("(", "["):
                frames.append(self._open(index, frame))
            elif mark == ")" and frame.clause == "using":
                frame.clause = "from"

    def _place(self, frame: _Frame) -> None:
        self.home.append(frame.home)
        self.clause.append(frame.clause)
        self.nested.append(not frame.tracks)

    def _open(self, index: int, frame: _Frame) -> _Frame:
        stream, first = self.stream, index + 1
        while stream.marks[first] == "(":
            first += 1
        if stream.marks[index] == "(" and stream.words[first] in _QUERIES and _is_query(stream, index, first):
            return _Frame(index, True, "")
        if frame.tracks and frame.clause == "from" and _expects_relation(stream, index):
            return _Frame(frame.home, True, "from", frame.verb)
        after_distinct_on = stream.words[index - 1] == "on" and stream.words[index - 2] == "distinct"
        return _Frame(frame.home, False, "distinct" if after_distinct_on else frame.clause)

    def end(self, home: int) -> int:
        """Return the index behind the query in a bracket."""
        return self.stream.size if home < 0 else self.stream.partner[home]

    def top(self, home: int) -> Iterator[int]:
        """Yield the tokens of a query that are in no brackets of an expression, and of no query inside of it."""
        return (i for i in range(home + 1, self.end(home)) if self.home[i] == home and not self.nested[i])

    def items(self, start: int) -> list[tuple[int, int]]:
        """Return the items of the list behind a SELECT or RETURNING: first token and the index behind the last."""
        stream, home, clause = self.stream, self.home[start], self.clause[start]
        index, end = start + 1, self.end(home)
        if stream.words[index] in ("all", "distinct"):
            index += 1
            if stream.words[index] == "on" and stream.marks[index + 1] == "(":
                index = stream.partner[index + 1] + 1
        found, first = [], index
        while index < end:
            if self.clause[index] != clause or stream.words[index] == "select":
                break
            if stream.marks[index] == ",":
                found.append((first, index))
                first = index + 1
            index = stream.partner[index] + 1 if stream.marks[index] in ("(", "[") else index + 1
        return [*found, (first, index)]

    @cached_property
    def _items_by_start(self) -> dict[int, tuple[int, int]]:
        return {item[0]: item for first in self.lists() for item in self.items(first)}

    @cached_property
    def _dropping(self) -> frozenset[int]:
        """The queries with a set operation that drops duplicates."""
        places = (i for i in range(self.stream.size) if not self.nested[i] and _drops(self.stream, i))
        return frozenset(self.home[i] for i in places)

    def item_at(self, start: int) -> tuple[int, int] | None:
        """Return the item of a SELECT or RETURNING list that starts here."""
        return self._items_by_start.get(start)

    def lists(self) -> Iterator[int]:
        """Yield the SELECT and RETURNING words that begin a list."""
        for index in range(self.stream.size):
            if self.stream.words[index] in ("select", "returning") and not self.nested[index]:
                yield index

    def is_distinct(self, start: int) -> bool:
        """Tell whether the SELECT here drops duplicates: DISTINCT, or a set operation without ALL around it."""
        if start not in self._distinct:
            self._distinct[start] = self._is_distinct(start)
        return self._distinct[start]

    def _is_distinct(self, start: int) -> bool:
        stream, home = self.stream, self.home[start]
        if stream.words[start + 1] == "distinct" or home in self._dropping:
            return True
        if home < 0:
            return False
        before = home - 1
        while before >= 0 and stream.marks[before] == "(":
            before -= 1
        after = stream.partner[home] + 1
        while stream.marks[after] == ")":
            after += 1
        return stream.words[before] in (*_SET_OPERATIONS, "distinct") or _drops(stream, after)


def _drops(stream: Stream, index: int) -> bool:
    return index < stream.size and stream.words[index] in _SET_OPERATIONS and stream.words[index + 1] != "all"


def _is_query(stream: Stream, opener: int, first: int) -> bool:
    """Tell whether the bracket holds a query: words that change rows can be names as well, unless this is a CTE."""
    if stream.words[first] not in _CHANGES:
        return True
    return stream.value(opener - 1) in ("as", "materialized")


def _expects_relation(stream: Stream, index: int) -> bool:
    return stream.words[index - 1] in ("from", "join", "lateral", "using") or stream.marks[index - 1] in (",", "(")


def _advance(stream: Stream, index: int, frame: _Frame) -> None:
    word, before = stream.words[index], stream.words[index - 1] if index else ""
    if frame.clause == "returning":
        return  # The last clause of a change; INSERT, UPDATE and SET are names in it.
    if word in _CHANGES:
        if _begins_change(frame):
            frame.verb, frame.clause = frame.verb or word, word
    elif word == "from":
        if before != "distinct" or stream.words[index - 2] not in ("is", "not"):
            frame.clause = "from"
    elif word in ("join", "cross", "natural"):
        frame.clause = "from" if frame.clause == "on" else frame.clause
    elif word == "on":
        _on(stream, index, frame, before)
    elif word == "using":
        _using(stream, index, frame)
    elif word == "do" and frame.verb == "insert":
        frame.clause = "do"
    elif word == "when" and frame.verb == "merge":
        frame.clause = "when"
    elif word == "set" and frame.clause == "update":
        frame.clause = "set"
    elif word in _CLAUSES and not (word == "group" and before == "within"):
        frame.clause = _CLAUSES[word]


def _begins_change(frame: _Frame) -> bool:
    """Tell whether INSERT, UPDATE, DELETE or MERGE begins something here, and is no name."""
    if frame.clause == "":
        return not frame.verb
    return (frame.verb, frame.clause) in (("insert", "do"), ("merge", "when"))


def _on(stream: Stream, index: int, frame: _Frame, before: str) -> None:
    if frame.verb == "insert" and stream.value(index + 1) == "conflict":
        frame.clause = "conflict"
    elif before != "distinct":
        frame.clause = "on"


def _using(stream: Stream, index: int, frame: _Frame) -> None:
    if frame.clause not in ("from", "merge", "delete"):
        return
    relations = frame.verb in ("delete", "merge") and _opens_relation(stream, index + 1)
    frame.clause = "using" if stream.marks[index + 1] == "(" and not relations else "from"


def _opens_relation(stream: Stream, opener: int) -> bool:
    """Tell whether `USING (` goes on with a query or a join: a list of columns has names and commas only."""
    return any(
        (not stream.is_name(i) and stream.marks[i] != ",") or bool(stream.words[i])
        for i in range(opener + 1, stream.partner[opener])
    )

"""Where each token stands: in which clause, and which dotted names are items of a FROM list.

Every word that opens or ends a FROM list is reserved and cannot be a name there, so this needs no grammar: per pair of
brackets one state is enough. Calls with syntax of their own (extract(x FROM y)) are told by the missing SELECT.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from pgwarden.guard import keywords
from pgwarden.guard.parsed import Name
from pgwarden.guard.stream import Stream

_ENDS_FROM: Final = keywords.words("where having window order limit offset fetch for union intersect except values")
_KEEPS_EXPECTING: Final = frozenset({"lateral", "only"})
_NO_RELATION: Final = keywords.RESERVED | keywords.NAMES_FUNCTION


@dataclass(slots=True)
class _Level:
    clause: str = ""
    selects: bool = False
    expecting: bool = False


@dataclass(slots=True)
class Clauses:
    """The clause of every token ("from", "group" or "" for others) and the relations named, by index of first part."""

    clause: list[str] = field(default_factory=list)
    relations: dict[int, Name] = field(default_factory=dict)


_NO_STARTS: Final[Mapping[int, str]] = MappingProxyType({})
_NO_TARGETS: Final[Mapping[int, Name]] = MappingProxyType({})


def find(stream: Stream, starts: Mapping[int, str] = _NO_STARTS, targets: Mapping[int, Name] = _NO_TARGETS) -> Clauses:
    """Return the clauses and the relations of a statement; CTEs are among the relations.

    Args:
        stream: The statement.
        starts: Clauses of statements that change rows, by the index of their first word; see `dml.parts.Marks`.
        targets: The relations that those change, by the index of the name's first part.
    """
    found = Clauses()
    levels = [_Level()]
    for index in range(stream.size):
        level = levels[-1]
        found.clause.append(level.clause)
        mark = stream.marks[index]
        if mark in ("(", "["):
            inherits = level.expecting and mark == "("
            levels.append(_Level("from" if inherits else "", False, inherits))
        elif mark in (")", "]"):
            levels.pop()
            levels[-1].expecting = False
        elif mark == ",":
            level.expecting = level.clause == "from"
        elif index in starts:
            level.clause, level.selects = starts[index], False
            level.expecting = level.clause == "from"
        elif index in targets:
            level.expecting = False
            found.relations[index] = targets[index]
        elif level.expecting and _is_relation(stream, index):
            level.expecting = False
            if name := _relation(stream, index):
                found.relations[index] = name
        elif stream.words[index]:
            _advance(stream, index, level)
        elif not mark:
            level.expecting = False
    return found


def _advance(stream: Stream, index: int, level: _Level) -> None:
    word, before = stream.words[index], stream.words[index - 1] if index else ""
    if word == "select":
        level.clause, level.selects, level.expecting = "", True, False
    elif word == "table":
        level.expecting = True
    elif word == "from":
        compares = before == "distinct" and index >= 2 and stream.words[index - 2] in ("is", "not")
        if (level.selects or level.clause == "from") and not compares:
            level.clause, level.expecting = "from", True
    elif word == "join":
        level.expecting = level.clause == "from"
    elif word == "group" and before != "within":
        level.clause, level.expecting = "group", False
    elif word in _ENDS_FROM or (word == "with" and level.expecting):
        level.clause, level.expecting = "", False
    elif word not in _KEEPS_EXPECTING:
        level.expecting = False


def _is_relation(stream: Stream, index: int) -> bool:
    rows_from = stream.words[index] == "rows" and stream.words[index + 1] == "from"
    return stream.is_name(index) and stream.words[index] not in _NO_RELATION and not rows_from


def _relation(stream: Stream, index: int) -> Name | None:
    end = stream.chain_end(index)
    if stream.marks[end + 1] == "(":
        return None
    return Name(stream.value(end - 2) if end > index else "", stream.value(end))

"""What a statement that changes rows consists of, by the indices of its tokens."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

from pgwarden.guard import keywords
from pgwarden.guard.parsed import Name, Refused
from pgwarden.guard.stream import Stream

Span = tuple[int, int]
"""From the first token to the one behind the last; NOWHERE for what is not there."""

NOWHERE: Final[Span] = (0, 0)
_NO_NAME: Final = keywords.RESERVED | keywords.NAMES_FUNCTION


@dataclass(frozen=True, slots=True)
class Table:
    """The relation that a part changes.

    Attributes:
        index: Where the first part of its name stands.
        name: Its name as written and folded.
        called: What the statement calls it: its alias, or its name.
        span: Its tokens: ONLY, the name, `*`, the alias.
    """

    index: int
    name: Name
    called: str
    span: Span


@dataclass(frozen=True, slots=True)
class Action:
    """One WHEN of a MERGE.

    Attributes:
        verb: "insert", "update", "delete" or "nothing".
        joined: Whether it is for rows of the target that the join condition holds for.
        condition: What stands behind AND.
    """

    verb: str
    joined: bool
    condition: Span


@dataclass(frozen=True, slots=True)
class Part:
    """One INSERT, UPDATE, DELETE or MERGE.

    Attributes:
        verb: Its verb, lower case.
        span: All of its tokens, without a WITH list before it.
        table: What it changes.
        source: The rows it takes: the query or VALUES of INSERT, what stands behind FROM or USING else.
        condition: What stands behind WHERE, and behind ON in MERGE; not the conditions of ON CONFLICT.
        arbiter: Whether ON CONFLICT names columns or a constraint.
        updates: Whether it says ON CONFLICT DO UPDATE.
        returning: Whether it returns rows.
        actions: Those of MERGE.
    """

    verb: str
    span: Span
    table: Table
    source: Span = NOWHERE
    condition: Span = NOWHERE
    arbiter: bool = False
    updates: bool = False
    returning: bool = False
    actions: tuple[Action, ...] = ()


@dataclass(slots=True)
class Marks:
    """What the words of a statement mean where they stand; filled in while its parts are read.

    Attributes:
        syntax: Words that are syntax here, whatever they are elsewhere.
        clauses: Where a clause starts: "from" for one that lists relations, else "".
        plain: Names that a bracket follows and that are no calls.
        returning: RETURNING that is a clause of its own, not that of a JSON function.
        dropped: What a skeleton leaves out: index of the first token to the index behind the last.
        withs: WITH lists inside of INSERT: index of WITH to the index behind what can see them.
    """

    syntax: set[int] = field(default_factory=set)
    clauses: dict[int, str] = field(default_factory=dict)
    plain: set[int] = field(default_factory=set)
    returning: set[int] = field(default_factory=set)
    dropped: dict[int, int] = field(default_factory=dict)
    withs: dict[int, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Layout:
    """The parts of a statement, with the meaning of its words.

    Attributes:
        parts: Everything that changes rows: the main statement first, if it does, then those of its WITH list.
        main: Where the main statement starts.
        marks: See there.
    """

    parts: tuple[Part, ...]
    main: int
    marks: Marks

    @property
    def targets(self) -> Mapping[int, Name]:
        """The relations that are changed, by the index of their first part."""
        return {part.table.index: part.table.name for part in self.parts}

    @property
    def changes(self) -> tuple[str, ...]:
        """What another parser's tree must have, sorted: its classes, and two that are no classes of their own."""
        found = [part.verb for part in self.parts]
        found += [action.verb for part in self.parts for action in part.actions if action.verb != "nothing"]
        found += ["conflict" for part in self.parts if part.updates]
        return tuple(sorted(found))


def level(stream: Stream, start: int, end: int) -> Iterator[int]:
    """Yield the indices of a span that no bracket in it encloses, opening brackets among them."""
    index = start
    while index < end:
        yield index
        index = stream.partner[index] + 1 if stream.marks[index] in ("(", "[") else index + 1


def outside_case(stream: Stream, start: int, end: int) -> Iterator[int]:
    """Yield what `level` yields, without what stands between CASE and its END, and without these two."""
    depth = 0
    for index in level(stream, start, end):
        word = stream.words[index]
        depth += word == "case"
        if not depth:
            yield index
        depth -= word == "end" and depth > 0


def clauses(stream: Stream, start: int, end: int, words: tuple[str, ...]) -> dict[str, Span]:
    """Return the clauses of a part by the words that open them, which all are reserved.

    Args:
        stream: The statement.
        start: Behind what precedes the first of them.
        end: Behind the part.
        words: The words in the only order that they may have.

    Raises:
        Refused: One of them comes twice, or in another order.
    """
    opened: list[int] = []
    for index in outside_case(stream, start, end):
        word = stream.words[index]
        if word not in words or (word == "from" and stream.words[index - 1] == "distinct"):
            continue
        place = words.index(word)
        if opened and place == words.index(stream.words[opened[-1]]) and word == "using":
            continue  # that of a join
        if opened and place <= words.index(stream.words[opened[-1]]):
            raise unclear(word.upper())
        opened.append(index)
    return {stream.words[at]: (at + 1, to) for at, to in pairwise((*opened, end))}


def read_table(stream: Stream, start: int, *, before: str = "", bare_alias: bool = True) -> Table:
    """Read `[ONLY] name [*] [[AS] alias]`.

    Args:
        stream: The statement.
        start: Where it starts.
        before: A word that can be no alias here, since it opens what follows.
        bare_alias: Whether the alias may stand without AS.

    Raises:
        Refused: It is not of this form.
    """
    index = start + (stream.words[start] == "only")
    bracket = index if index > start and stream.marks[index] == "(" else -1
    first = index + (bracket >= 0)
    last = stream.chain_end(first)
    if not stream.is_name(first) or stream.words[first] in _NO_NAME or last - first > 2:
        raise Refused("not_understood", "The table is not understood.", "Write schema.table, or table.")
    name = Name(stream.value(last - 2) if last > first else "", stream.value(last))
    index = last + 1
    if bracket >= 0:
        if stream.partner[bracket] != index:
            raise unclear("ONLY")
        index += 1
    index += stream.marks[index] == "*"
    called = name.name
    if stream.words[index] == "as":
        called, index = stream.value(index + 1), index + 2
    elif bare_alias and _is_alias(stream, index, before):
        called, index = stream.value(index), index + 1
    return Table(first, name, called, (start, index))


def _is_alias(stream: Stream, index: int, before: str) -> bool:
    word = stream.words[index]
    return stream.is_name(index) and word not in _NO_NAME and not (before and word == before)


def read_returning(stream: Stream, found: Mapping[str, Span], marks: Marks) -> bool:
    """Mark a RETURNING clause, if there is one, and tell whether there is.

    Raises:
        Refused: Its WITH list is not of the form `WITH (OLD AS name, NEW AS name)`.
    """
    if "returning" not in found:
        return False
    start, _ = found["returning"]
    marks.returning.add(start - 1)
    marks.clauses[start - 1] = ""
    if stream.words[start] == "with" and stream.marks[start + 1] == "(":
        closer = stream.partner[start + 1]
        for index in range(start + 2, closer, 4):
            named = stream.value(index) in ("old", "new") and stream.words[index + 1] == "as"
            if not named or not stream.is_name(index + 2) or stream.marks[index + 3] not in (",", ")"):
                raise unclear("RETURNING")
        marks.dropped[start] = closer + 1
    return True


def unclear(word: str) -> Refused:
    """Return the refusal of a statement whose clause of this name is not of a known form."""
    message = f"The {word} of the statement is not understood."
    return Refused("not_understood", message, f"Check the syntax of {word}, or write it more plainly.")

"""INSERT, with ON CONFLICT."""

from __future__ import annotations

from pgwarden.guard.dml.parts import Marks, Part, Span, level, read_returning, read_table, unclear
from pgwarden.guard.lexer import Kind
from pgwarden.guard.stream import Stream

_QUERIES = frozenset({"select", "values", "table", "with"})


def read_insert(stream: Stream, span: Span, marks: Marks) -> Part:
    """Read `INSERT INTO table [(columns)] [OVERRIDING ... VALUE] source [ON CONFLICT ...] [RETURNING ...]`.

    Raises:
        Refused: It is not of this form.
    """
    at, end = span
    if stream.words[at + 1] != "into":
        raise unclear("INSERT")
    table = read_table(stream, at + 2, bare_alias=False)
    marks.syntax |= {at, at + 1}
    marks.clauses[at] = ""
    start = _behind_columns(stream, table.span[1], marks)
    if not _starts_source(stream, start):
        raise unclear("INSERT")
    stop, found = _tail(stream, start, end)
    source = (start, stop)
    if stream.words[start] == "with":
        marks.withs[start] = stop
    arbiter = updates = False
    if "conflict" in found:
        arbiter, updates = _read_conflict(stream, found["conflict"], marks)
    return Part(
        verb="insert",
        span=span,
        table=table,
        source=source,
        arbiter=arbiter,
        updates=updates,
        returning=read_returning(stream, found, marks),
    )


def rows(stream: Stream, source: Span) -> int | None:
    """Return how many rows VALUES or DEFAULT VALUES gives; None for another query."""
    start, end = source
    if stream.words[start] == "default":
        return 1
    if stream.words[start] != "values":
        return None
    marks = [stream.marks[index] for index in level(stream, start + 1, end)]
    plain = all(mark == ("(", ",")[place % 2] for place, mark in enumerate(marks))
    return (len(marks) + 1) // 2 if plain and len(marks) % 2 else None


def opens_query(stream: Stream, bracket: int) -> bool:
    """Tell whether a bracket encloses a query, not names: `(values)` can be a column."""
    word = stream.words[bracket + 1]
    if word == "values":
        return stream.marks[bracket + 2] == "("
    return word in _QUERIES or stream.marks[bracket + 1] == "("


def behind_overriding(stream: Stream, index: int, marks: Marks) -> int:
    """Return the index behind `OVERRIDING {SYSTEM | USER} VALUE`, or the index itself where there is none."""
    if stream.value(index) != "overriding" or not stream.is_kind(index, Kind.WORD):
        return index
    if stream.value(index + 1) not in ("system", "user") or stream.value(index + 2) != "value":
        raise unclear("OVERRIDING")
    marks.dropped[index] = index + 3
    return index + 3


def _behind_columns(stream: Stream, index: int, marks: Marks) -> int:
    if stream.marks[index] == "(":
        marks.plain.add(index - 1)
        index = index if opens_query(stream, index) else stream.partner[index] + 1
    index = behind_overriding(stream, index, marks)
    if stream.words[index] == "default":
        marks.syntax |= {index, index + 1}
    return index


def _starts_source(stream: Stream, index: int) -> bool:
    if stream.words[index] == "default":
        return stream.words[index + 1] == "values"
    return stream.words[index] in _QUERIES or stream.marks[index] == "("


def _tail(stream: Stream, start: int, end: int) -> tuple[int, dict[str, Span]]:
    """Return where the source ends, and the spans of ON CONFLICT (from ON) and RETURNING (behind it).

    DO and RETURNING are reserved. A join can have an ON before a column that is called conflict, but no DO behind it.
    """
    does = [index for index in level(stream, start, end) if stream.words[index] == "do"]
    returns = [index for index in level(stream, start, end) if stream.words[index] == "returning"]
    if len(does) > 1 or len(returns) > 1 or (does and returns and does[0] > returns[0]):
        raise unclear("ON CONFLICT")
    found = {"returning": (returns[0] + 1, end)} if returns else {}
    stop = returns[0] if returns else end
    if does:
        on = _conflict(stream, start, does[0])
        found["conflict"] = (on, stop)
        stop = on
    return stop, found


def _conflict(stream: Stream, start: int, do: int) -> int:
    """Return where the ON CONFLICT starts that a DO belongs to."""
    if stream.words[do - 2] == "constraint":
        do -= 3
        if stream.words[do] != "on":
            raise unclear("ON CONFLICT")
    found = [index for index in level(stream, start, do) if stream.words[index] == "on"]
    if not found or stream.value(found[-1] + 1) != "conflict" or not stream.is_kind(found[-1] + 1, Kind.WORD):
        raise unclear("ON CONFLICT")
    return found[-1]


def _read_conflict(stream: Stream, span: Span, marks: Marks) -> tuple[bool, bool]:
    """Return whether it names an arbiter, and whether it updates."""
    on, end = span
    do = next(index for index in level(stream, on, end) if stream.words[index] == "do")
    marks.clauses[on] = ""
    marks.syntax |= {on, on + 1, do, do + 1}
    index = on + 2
    if stream.words[index] == "on":
        marks.syntax |= {index, index + 1}
        index += 3
    elif stream.marks[index] == "(":
        marks.plain.add(on + 1)
        index = stream.partner[index] + 1
        index = do if stream.words[index] == "where" else index
    if index != do:
        raise unclear("ON CONFLICT")
    arbiter = do > on + 2
    if stream.value(do + 1) == "nothing" and do + 2 == end:
        return arbiter, False
    if stream.words[do + 1] != "update" or stream.words[do + 2] != "set":
        raise unclear("ON CONFLICT")
    marks.syntax.add(do + 2)
    marks.plain.add(do + 2)
    return arbiter, True

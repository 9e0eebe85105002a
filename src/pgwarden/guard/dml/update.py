"""UPDATE and DELETE."""

from __future__ import annotations

from pgwarden.guard.dml.parts import NOWHERE, Marks, Part, Span, Table, clauses, read_returning, read_table, unclear
from pgwarden.guard.parsed import Refused
from pgwarden.guard.stream import Stream


def read_update(stream: Stream, span: Span, marks: Marks) -> Part:
    """Read `UPDATE table SET ... [FROM ...] [WHERE ...] [RETURNING ...]`.

    Raises:
        Refused: It is not of this form, or is about a cursor.
    """
    at, end = span
    table = read_table(stream, at + 1, before="set")
    opens = table.span[1]
    if stream.words[opens] != "set":
        raise unclear("UPDATE")
    marks.syntax |= {at, opens}
    marks.plain.add(opens)
    return _part(stream, span, table, clauses(stream, opens + 1, end, ("from", "where", "returning")), marks)


def read_delete(stream: Stream, span: Span, marks: Marks) -> Part:
    """Read `DELETE FROM table [USING ...] [WHERE ...] [RETURNING ...]`.

    Raises:
        Refused: It is not of this form, or is about a cursor.
    """
    at, end = span
    if stream.words[at + 1] != "from":
        raise unclear("DELETE")
    table = read_table(stream, at + 2)
    marks.syntax |= {at, at + 1}
    found = clauses(stream, table.span[1], end, ("using", "where", "returning"))
    first = min((start - 1 for start, _ in found.values()), default=end)
    if first != table.span[1]:
        raise unclear("DELETE")
    return _part(stream, span, table, found, marks)


def _part(stream: Stream, span: Span, table: Table, found: dict[str, Span], marks: Marks) -> Part:
    source = found.get("from", found.get("using", NOWHERE))
    marks.clauses[span[0]] = ""
    if source != NOWHERE:
        marks.clauses[source[0] - 1] = "from"
    condition = found.get("where", NOWHERE)
    if condition != NOWHERE:
        marks.clauses[condition[0] - 1] = ""
        if stream.value(condition[0]) == "current" and stream.value(condition[0] + 1) == "of":
            raise Refused("not_understood", "There is no cursor to be at the row of.", "Name rows by their key.")
    return Part(
        verb=stream.words[span[0]],
        span=span,
        table=table,
        source=source,
        condition=condition,
        returning=read_returning(stream, found, marks),
    )

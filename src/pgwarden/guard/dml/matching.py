"""The read that counts the rows which an UPDATE or DELETE would change."""

from __future__ import annotations

from typing import Final

from pgwarden.guard import canonical
from pgwarden.guard.dml.parts import NOWHERE, Layout, Part, Span
from pgwarden.guard.lexer import Kind, Token
from pgwarden.guard.stream import Stream

_MOST_UNUSED: Final = 100


def count(stream: Stream, layout: Layout) -> str:
    """Return a query for the number of rows of the target, or nothing where there is none.

    It has the statement's own WITH list, FROM or USING, and condition. Of a target row that several rows of FROM or
    USING join, one counts: EXISTS does that, also where the target is a view and has no row identity.
    Parameters keep their numbers; those that are in no condition are named in a HAVING that is always true, since
    PostgreSQL wants to know the type of each.
    """
    part = layout.parts[0]
    if len(layout.parts) > 1 or part.verb not in ("update", "delete") or part.span[0] != layout.main:
        return ""
    used = _used(stream, (0, layout.main), part.table.span, part.source, part.condition)
    unused = [number for number in range(1, max(_numbers(stream.tokens), default=0) + 1) if number not in used]
    if len(unused) > _MOST_UNUSED:
        return ""
    having = " AND ".join(f"(${number}::text IS NULL OR true)" for number in unused)
    pieces = [
        _text(stream, (0, layout.main)),
        "SELECT count(*) FROM",
        _text(stream, part.table.span),
        _where(stream, part),
        f"HAVING {having}" if having else "",
    ]
    return " ".join(filter(None, pieces))


def _where(stream: Stream, part: Part) -> str:
    condition = f"WHERE {_text(stream, part.condition)}" if part.condition != NOWHERE else ""
    if part.source == NOWHERE:
        return condition
    return " ".join(filter(None, ("WHERE EXISTS (SELECT FROM", _text(stream, part.source), condition))) + ")"


def _text(stream: Stream, span: Span) -> str:
    return canonical.render(stream.tokens[slice(*span)])


def _used(stream: Stream, *spans: Span) -> set[int]:
    return {number for span in spans for number in _numbers(stream.tokens[slice(*span)])}


def _numbers(tokens: list[Token]) -> list[int]:
    return [int(token.text[1:]) for token in tokens if token.kind is Kind.PARAMETER]

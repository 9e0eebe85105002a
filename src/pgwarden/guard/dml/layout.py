"""Where in a statement rows are changed.

PostgreSQL lets a statement that changes rows stand in two places: as the main statement, and as a member of its WITH
list. Whatever else looks like one is refused by the token rules.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from pgwarden.guard import ctes
from pgwarden.guard.dml.insert import read_insert
from pgwarden.guard.dml.merge import read_merge
from pgwarden.guard.dml.parts import Layout, Marks, Part, Span
from pgwarden.guard.dml.update import read_delete, read_update
from pgwarden.guard.stream import Stream

_READERS: Final[Mapping[str, Callable[[Stream, Span, Marks], Part]]] = {
    "insert": read_insert,
    "update": read_update,
    "delete": read_delete,
    "merge": read_merge,
}


def find(stream: Stream) -> Layout | None:
    """Return the parts of a statement that change rows, or None for a query without any.

    Raises:
        Refused: One of them is not of a known form.
    """
    marks = Marks()
    main, members = _behind_with(stream, 0)
    spans = [(main, stream.size), *members]
    parts = []
    for start, end in spans:
        at = start if start == main else _behind_with(stream, start)[0]
        if reader := _READERS.get(stream.words[at]):
            parts.append(reader(stream, (at, end), marks))
    return Layout(tuple(parts), main, marks) if parts else None


def _behind_with(stream: Stream, start: int) -> tuple[int, list[Span]]:
    """Return where a statement starts behind its WITH list, and what stands in the brackets of that."""
    if stream.words[start] != "with":
        return start, []
    tables = ctes.read_list(stream, start)
    closers = [table.tail - 1 for table in tables]
    return tables[-1].behind, [(stream.partner[closer] + 1, closer) for closer in closers]

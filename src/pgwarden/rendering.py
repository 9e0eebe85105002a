"""Results as the text that a caller gets: the body, fenced where the database wrote it, and a truthful trailer."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any

from pgwarden.errors import ArgumentError
from pgwarden.format import Caps, dumps, render_rows
from pgwarden.format.fence import closing, fence, needs_fence, opening
from pgwarden.results import Ack, Report, Rows

_TAG_BYTES = 3
"""Enough that a value written before the call cannot guess the tag of its result."""


@dataclass(frozen=True, slots=True)
class Trailer:
    """The truth about a table: how many rows are shown, of how many, why it ends and how it goes on."""

    shown: int
    more: str | None
    cursor: str | None
    rows: Rows
    cut: int

    def text(self) -> str:
        """Return it for reading, in brackets."""
        parts = [f"{self.shown} row{'' if self.shown == 1 else 's'}"]
        if self.rows.total is not None and self.more:
            parts[0] += f" of {'about ' if self.rows.total_is_estimate else ''}{self.rows.total:,}"
        if self.more:
            parts.append(f"more exist ({'byte' if self.more == 'bytes' else 'row'} cap)")
        if self.cursor:
            parts.append(f"cursor={self.cursor}")
        if self.cut:
            parts.append(f"{self.cut} value{'' if self.cut == 1 else 's'} cut short")
        return f"({'; '.join((*parts, *self.rows.notes))})"

    def data(self) -> dict[str, Any]:
        """Return it for JSON."""
        facts = {
            "row_count": self.shown,
            "truncated": self.more,
            "cursor": self.cursor,
            "cut_values": self.cut or None,
            "affected": self.rows.affected,
            "notes": [*self.rows.said, *self.rows.notes] or None,
        }
        if self.rows.total is not None:
            facts["estimated_total" if self.rows.total_is_estimate else "total"] = self.rows.total
        return {name: value for name, value in facts.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Table:
    """A rendered table: its body, how many rows it shows, which cap ended it, and the values cut short."""

    body: str
    shown: int
    more: str | None
    cut: int


def render_table(rows: Rows, form: str, caps: Caps) -> Table:
    """Render a table under the caps; what does not fit counts as a cap met."""
    rendered = render_rows(rows, form, caps)
    more = rows.truncated or ("bytes" if rendered.shown < len(rows.rows) else None)
    return Table(rendered.body, rendered.shown, more, rendered.cut)


def table_blocks(table: Table, rows: Rows, form: str, cursor: str | None) -> tuple[str, ...]:
    """Return the blocks of a table.

    JSON is one block, and needs no fence: a value stands in quotes that it cannot leave. CSV is a block of its own, the
    last but one, so that it can be taken out as it is.
    """
    trailer = Trailer(table.shown, table.more, cursor, rows, table.cut)
    if form == "json":
        return (f"{{{table.body},{dumps(trailer.data())[1:]}",)
    end = "\n".join((*_quoted(rows.said), trailer.text()))
    if not needs_fence(rows):
        return (table.body, end) if form == "csv" else (f"{table.body}\n{end}",)
    tag = secrets.token_hex(_TAG_BYTES)
    if form == "csv":
        return (opening(tag), table.body, f"{closing(tag)}\n{end}")
    return (f"{fence(table.body, tag)}\n{end}",)


def render_document(result: Report | Ack, form: str, max_bytes: int) -> str:
    """Return a document as text of at most `max_bytes` bytes, beside its fence.

    Raises:
        ArgumentError: It is longer as JSON, of which a part is of no use.
    """
    notes = result.notes if isinstance(result, Report) else ()
    if form == "json":
        text = dumps({**result.data, **({"notes": list(notes)} if notes else {})})
        if len(text.encode()) > max_bytes:
            raise ArgumentError(
                f"The result has more than {max_bytes:,} bytes.", code="result_too_large", hint="Ask for less at once."
            )
        return text
    trusted = not isinstance(result, Report) or not result.untrusted
    body = _cut(result.text, max_bytes)
    if not trusted:
        body = fence(body, secrets.token_hex(_TAG_BYTES))
    said = result.said if isinstance(result, Ack) else ()
    return "\n".join((body, *_quoted(said), *map(_note, notes)))


def _quoted(said: tuple[str, ...]) -> tuple[str, ...]:
    """Return words of the database's in a fence of their own; nothing where there are none."""
    return (fence("\n".join(said), secrets.token_hex(_TAG_BYTES)),) if said else ()


def _note(note: str) -> str:
    return f"({note})"


def _cut(text: str, max_bytes: int) -> str:
    if len(text.encode()) <= max_bytes:
        return text
    kept = text.encode()[:max_bytes].decode(errors="ignore").rpartition("\n")[0]
    return f"{kept}\n(cut after {max_bytes:,} bytes: ask for less at once)"

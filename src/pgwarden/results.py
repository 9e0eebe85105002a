"""What tools return: never text, never MCP types.

A value of the database is PostgreSQL's own text output of it (None is NULL), so that numerics, big integers, timestamps
with their zone, arrays, ranges and bytea stay exactly what the server said. How it is shown is `format`'s business.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

Cell = str | None


@dataclass(frozen=True, slots=True)
class Later:
    """A value that an earlier statement of the same transaction will have returned.

    Attributes:
        step: Which statement, from 0.
        row: Which of its rows, from 0.
        column: Which column.
        text: As the caller wrote it.
        nullable: Whether it may be NULL.
    """

    step: int
    row: int
    column: str
    text: str
    nullable: bool = True


Bindable = Cell | Later
"""A value of a parameter, as PostgreSQL's text, or where that will come from."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a result. `type` is PostgreSQL's name of the type, as format_type() prints it."""

    name: str
    type: str = "text"


@dataclass(slots=True)
class Rows:
    """A table.

    `truncated` says which cap ended it ("rows" or "bytes"; None: the result is complete). `next_page` maps the number
    of rows that were shown to what the tool wants to find in `ctx.page` when the caller asks for the next page (None:
    it cannot be continued); the path of a call keeps that and hands out a short cursor. `total` is an exact or
    (`total_is_estimate`) estimated count of all rows, where it is known for free. `affected` is the number of rows that
    a change affected. `said` is what the server had to say, in words that users of the database may have chosen.
    """

    columns: tuple[Column, ...]
    rows: list[tuple[Cell, ...]]
    truncated: Literal["rows", "bytes"] | None = None
    next_page: Callable[[int], Any] | None = None
    total: int | None = None
    total_is_estimate: bool = False
    notes: tuple[str, ...] = ()
    affected: int | None = None
    said: tuple[str, ...] = ()
    change: str = ""


@dataclass(frozen=True, slots=True)
class Image:
    """A picture: its bytes, and their MIME type."""

    data: bytes
    mime_type: str = "image/png"


@dataclass(slots=True)
class Report:
    """A document: `data` for JSON, `text` (Markdown) for reading. Each stands alone and says the same.

    `untrusted` is False where nothing in it was written by users of the database. `affected` as in Ack. `images` are
    shown beside the text, and say nothing that is not in it.
    """

    text: str
    data: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    untrusted: bool = True
    affected: int | None = None
    images: tuple[Image, ...] = ()
    change: str = ""


@dataclass(frozen=True, slots=True)
class FileLink:
    """A file that the caller may open: its URI, its name, what it is, and its size in bytes."""

    uri: str
    name: str
    mime_type: str
    size: int
    description: str = ""


@dataclass(slots=True)
class Ack:
    """Something was done; `affected` is the number of rows that it changed, where it changes rows.

    `said` as in Rows. `links` are files that it made; `rows` is the number of rows in them. `note` is for the audit: no
    values.
    """

    text: str
    data: dict[str, Any] = field(default_factory=dict)
    affected: int | None = None
    said: tuple[str, ...] = ()
    change: str = ""
    links: tuple[FileLink, ...] = ()
    rows: int | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Touched:
    """A table whose rows were changed, by the statement itself or through triggers, rules and cascades."""

    schema: str
    name: str
    inserted: int
    updated: int
    deleted: int

    @property
    def total(self) -> int:
        """All of its rows that were changed; one that was changed twice counts twice."""
        return self.inserted + self.updated + self.deleted


@dataclass(slots=True)
class Written:
    """What a change did.

    `tag` is the server's command tag ("UPDATE 3"), `affected` the number of rows in it (None: the command has none),
    `rows` what RETURNING gave (None: nothing), `rolled_back` whether it was a dry run, `notices` what the server had to
    say meanwhile (some of it, where it was much), `touched` every table whose rows it changed, as far as the server
    counts them (TRUNCATE and what runs outside a transaction are not counted). `change` is the id by which it can be
    undone (empty: it cannot), `kept_not` why it cannot although that was asked for.
    """

    tag: str
    affected: int | None = None
    rows: Rows | None = None
    rolled_back: bool = False
    notices: tuple[str, ...] = ()
    touched: tuple[Touched, ...] = ()
    change: str = ""
    kept_not: str = ""


@dataclass(slots=True)
class Plan:
    """What a call would do, for the one who has to say yes: `text` for a person, `data` the same as JSON."""

    text: str
    data: dict[str, Any] = field(default_factory=dict)


Result = Rows | Report | Ack

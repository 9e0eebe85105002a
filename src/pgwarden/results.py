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
    (`total_is_estimate`) estimated count of all rows, where it is known for free.
    """

    columns: tuple[Column, ...]
    rows: list[tuple[Cell, ...]]
    truncated: Literal["rows", "bytes"] | None = None
    next_page: Callable[[int], Any] | None = None
    total: int | None = None
    total_is_estimate: bool = False
    notes: tuple[str, ...] = ()


@dataclass(slots=True)
class Report:
    """A document: `data` for JSON, `text` (Markdown) for reading. Each stands alone and says the same."""

    text: str
    data: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(slots=True)
class Ack:
    """Something was done."""

    text: str
    data: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Written:
    """What a change did.

    `tag` is the server's command tag ("UPDATE 3"), `affected` the number of rows in it (None: the command has none),
    `rows` what RETURNING gave (None: nothing), `rolled_back` whether it was a dry run.
    """

    tag: str
    affected: int | None = None
    rows: Rows | None = None
    rolled_back: bool = False


@dataclass(slots=True)
class Plan:
    """What a call would do, for the one who has to say yes: `text` for a person, `data` the same as JSON."""

    text: str
    data: dict[str, Any] = field(default_factory=dict)


Result = Rows | Report | Ack

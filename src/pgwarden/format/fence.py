"""A fence around text that comes out of the database, so that a value cannot pose as ours, or as an instruction.

The tag is random for each result: no value can close it. A result that cannot hold free text has none.
"""

from __future__ import annotations

import re
from functools import lru_cache

from pgwarden.results import Rows

_NO_TEXT = frozenset(
    {
        *("smallint", "integer", "bigint", "numeric", "real", "double precision", "money", "boolean"),
        *("date", "time without time zone", "time with time zone", "interval"),
        *("timestamp without time zone", "timestamp with time zone"),
        *("uuid", "bytea", "oid", "xid", "xid8", "cid", "tid", "pg_lsn", "inet", "cidr", "macaddr", "macaddr8"),
    }
)
"""Types whose output has no room for words."""
_PLAIN_NAME = re.compile(r"\??[A-Za-z_][A-Za-z0-9_]{0,62}\??")


def needs_fence(rows: Rows) -> bool:
    """Tell whether a table can hold free text: in a column that is no number, time or id, or in a column's name."""
    return any(not _is_plain(column.name) for column in rows.columns) or (
        bool(rows.rows) and any(_has_text(column.type) for column in rows.columns)
    )


@lru_cache(maxsize=1024)
def _is_plain(name: str) -> bool:
    return _PLAIN_NAME.fullmatch(name) is not None


@lru_cache(maxsize=256)
def _has_text(type_: str) -> bool:
    return type_.partition("(")[0].removesuffix("[]").strip() not in _NO_TEXT


def fence(body: str, tag: str) -> str:
    """Return a text between the opening and the closing tag, each on a line of its own."""
    return f"{opening(tag)}\n{body}\n{closing(tag)}"


def opening(tag: str) -> str:
    """Return the opening tag."""
    return f"<data-{tag}>"


def closing(tag: str) -> str:
    """Return the closing tag."""
    return f"</data-{tag}>"

"""Columnar JSON: names and types once, then rows as arrays.

Values keep what JSON can carry exactly: booleans, integers up to 2^53, finite floats as PostgreSQL printed them, json
and jsonb as they are. Everything else (numeric, bigger integers, timestamps, arrays, ...) is PostgreSQL's text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from pgwarden.format.caps import Caps, Rendered, clip
from pgwarden.results import Rows

_SAFE = 2**53
_BREAK = re.compile(r"[\r\n]")
_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
_quote = json.encoder.encode_basestring


def dumps(data: Any) -> str:
    """Serialise in the shortest form."""
    return _ENCODER.encode(data)


def render_json(rows: Rows, caps: Caps) -> Rendered:
    """Render a table's `"columns":…,"rows":…` members, without the braces around: the caller adds the trailer's."""
    columns = dumps([{"name": column.name, "type": column.type} for column in rows.columns])
    encoders = [_ENCODERS.get(column.type, _text) for column in rows.columns]
    head = f'"columns":{columns},"rows":['
    size = len(head.encode()) + 2
    parts: list[str] = []
    cut = 0
    for row in rows.rows:
        cells = []
        cut_here = 0
        for encode, cell in zip(encoders, row, strict=True):
            if cell is None:
                cells.append("null")
            elif len(cell) > caps.max_cell:
                cut_here += 1
                cells.append(_quote(clip(cell, caps.max_cell)))
            else:
                cells.append(encode(cell))
        part = f"[{','.join(cells)}]"
        size += len(part.encode()) + 1
        if size > caps.max_bytes and parts:
            break
        parts.append(part)
        cut += cut_here
    return Rendered(f"{head}{','.join(parts)}]", len(parts), cut)


def _text(cell: str) -> str:
    return _quote(cell)


def _integer(cell: str) -> str:
    return cell if -_SAFE <= int(cell) <= _SAFE else _quote(cell)


def _float(cell: str) -> str:
    return _quote(cell) if cell in ("NaN", "Infinity", "-Infinity") else cell


def _boolean(cell: str) -> str:
    return "true" if cell == "t" else "false"


def _raw(cell: str) -> str:
    # json keeps the writer's lines; JSON strings cannot hold a bare break, so what is around one is white space only.
    return "".join(line.strip(" \t") for line in _BREAK.split(cell)) if _BREAK.search(cell) else cell


def _identity(cell: str) -> str:
    return cell


_ENCODERS: dict[str, Callable[[str], str]] = {
    "smallint": _identity,
    "integer": _identity,
    "oid": _identity,
    "bigint": _integer,
    "real": _float,
    "double precision": _float,
    "boolean": _boolean,
    "json": _raw,
    "jsonb": _identity,
}

"""CSV as RFC 4180 has it. NULL is an empty field, an empty text is `""`, as COPY writes them."""

from __future__ import annotations

import re

from pgwarden.format.caps import Caps, Rendered, clip
from pgwarden.results import Cell, Rows

_SPECIAL = re.compile(r'[",\r\n]|^\s|\s$|^\\\.$')


def render_csv(rows: Rows, caps: Caps) -> Rendered:
    """Render a table as CSV with a header line."""
    lines = [",".join(_cell(column.name, caps.max_cell) for column in rows.columns)]
    size = len(lines[0].encode()) + 1
    cut = 0
    for count, row in enumerate(rows.rows):
        line = ",".join([_cell(cell, caps.max_cell) for cell in row])
        size += len(line.encode()) + 1
        if size > caps.max_bytes and count:
            return Rendered("\n".join(lines), count, cut)
        lines.append(line)
        cut += sum(1 for cell in row if cell is not None and len(cell) > caps.max_cell)
    return Rendered("\n".join(lines), len(rows.rows), cut)


def _cell(cell: Cell, max_cell: int) -> str:
    if cell is None:
        return ""
    text = cell if len(cell) <= max_cell else clip(cell, max_cell)
    return f'"{text.replace(chr(34), chr(34) * 2)}"' if not text or _SPECIAL.search(text) else text

"""A pipe table in its shortest form.

NULL is `NULL`; a text that spells NULL is quoted. Line breaks, tabs, pipes and backslashes are written `\\n`, `\\t`,
`\\|` and `\\\\`, other control characters `\\xNN`, so that a value cannot pose as another cell or row.
"""

from __future__ import annotations

from pgwarden.format.caps import Caps, Rendered, clip
from pgwarden.results import Cell, Rows

_ESCAPES = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160))} | {
    ord(char): escape
    for char, escape in {
        "\\": "\\\\",
        "|": "\\|",
        "\n": "\\n",
        "\r": "\\r",
        "\t": "\\t",
        "\u2028": "\\u2028",
        "\u2029": "\\u2029",
    }.items()
}


def render_markdown(rows: Rows, caps: Caps) -> Rendered:
    """Render a table as Markdown."""
    width = len(rows.columns)
    lines = ["|".join(_cell(column.name, caps.max_cell) for column in rows.columns), "|".join("-" * width)]
    if not width:
        return Rendered("(no columns)", len(rows.rows))
    size = sum(len(line.encode()) + 1 for line in lines)
    cut = 0
    for count, row in enumerate(rows.rows):
        line, cut_here = _line(row, width, caps.max_cell)
        size += (len(line) if line.isascii() else len(line.encode())) + 1
        if size > caps.max_bytes and count:
            return Rendered("\n".join(lines), count, cut)
        lines.append(line)
        cut += cut_here
    return Rendered("\n".join(lines), len(rows.rows), cut)


def _line(row: tuple[Cell, ...], width: int, max_cell: int) -> tuple[str, int]:
    # Most rows need no escape at all: one join and a few C-speed scans tell.
    line = "|".join([cell if cell is not None else "NULL" for cell in row])
    plain = line.isprintable() and "\\" not in line and line.count("|") == width - 1
    if plain and len(line) <= max_cell and "NULL" not in row:
        return line, 0
    cut = sum(1 for cell in row if cell is not None and len(cell) > max_cell)
    return "|".join([_cell(cell, max_cell) for cell in row]), cut


def _cell(cell: Cell, max_cell: int) -> str:
    if cell is None:
        return "NULL"
    if cell == "NULL":
        return '"NULL"'
    text = cell if len(cell) <= max_cell else clip(cell, max_cell)
    return text.translate(_ESCAPES)

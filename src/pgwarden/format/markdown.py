"""A pipe table in its shortest form.

NULL is `NULL`; a text that spells NULL is quoted. Line breaks, tabs, pipes and backslashes are written `\\n`, `\\t`,
`\\|` and `\\\\`, other control characters `\\xNN`, so that a value cannot pose as another cell or row.
"""

from __future__ import annotations

from collections.abc import Sequence

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
_ASCII = b"\n" + bytes(range(32, 127))


def render_markdown(rows: Rows, caps: Caps) -> Rendered:
    """Render a table as Markdown."""
    width = len(rows.columns)
    lines = ["|".join(_cell(column.name, caps.max_cell) for column in rows.columns), "|".join("-" * width)]
    if not width:
        return Rendered("(no columns)", len(rows.rows))
    head = "\n".join(lines)
    if (body := _plain(rows.rows, width, caps.max_cell)) is not None:
        text = f"{head}\n{body}"
        if len(text.encode()) <= caps.max_bytes:
            return Rendered(text, len(rows.rows))
    size = len(head.encode()) + 1
    cut = 0
    for count, row in enumerate(rows.rows):
        line, cut_here = _line(row, caps.max_cell)
        size += len(line.encode()) + 1
        if size > caps.max_bytes and count:
            return Rendered("\n".join(lines), count, cut)
        lines.append(line)
        cut += cut_here
    return Rendered("\n".join(lines), len(rows.rows), cut)


def _plain(rows: Sequence[tuple[Cell, ...]], width: int, max_cell: int) -> str | None:
    """Return the lines of rows that need no escape and no cut; None where one does.

    Most tables are such. A few scans of the whole text, at the speed of C, tell: any character that has to be escaped
    makes a count differ.
    """
    if not rows:
        return None
    lines = ["|".join(["NULL" if cell is None else cell for cell in row]) for row in rows]
    text = "\n".join(lines)
    plain = (
        "\\" not in text
        and text.count("|") == (width - 1) * len(rows)
        and text.count("\n") == len(rows) - 1
        and _printable(text)
        and len(max(lines, key=len)) <= max_cell
        and ("NULL" not in text or text.count("NULL") == sum(row.count(None) for row in rows))
    )
    return text if plain else None


def _printable(text: str) -> bool:
    """Whether there is nothing but line breaks and characters that can be printed."""
    # Deleting bytes is several times quicker than looking at characters.
    return not text.encode().translate(None, _ASCII) if text.isascii() else text.replace("\n", "").isprintable()


def _line(row: tuple[Cell, ...], max_cell: int) -> tuple[str, int]:
    cut = sum(1 for cell in row if cell is not None and len(cell) > max_cell)
    return "|".join([_cell(cell, max_cell) for cell in row]), cut


def _cell(cell: Cell, max_cell: int) -> str:
    if cell is None:
        return "NULL"
    if cell == "NULL":
        return '"NULL"'
    text = cell if len(cell) <= max_cell else clip(cell, max_cell)
    return text.translate(_ESCAPES)

"""Results as text, under a byte budget. Pure.

Every renderer shows whole rows only and says how many it showed; what does not fit is reported, never dropped silently.
"""

from __future__ import annotations

from dataclasses import replace

from pgwarden.format.caps import Caps, Rendered
from pgwarden.format.csv import render_csv
from pgwarden.format.json import dumps, render_json
from pgwarden.format.markdown import render_markdown
from pgwarden.results import Rows

__all__ = ["Caps", "Rendered", "dumps", "render_rows"]

_BYTES_A_CHARACTER = 4
_RENDERERS = {"markdown": render_markdown, "json": render_json, "csv": render_csv}


def render_rows(rows: Rows, form: str, caps: Caps) -> Rendered:
    """Render a table.

    Args:
        rows: The table.
        form: "markdown", "json" or "csv".
        caps: Budgets of the text.
    """
    rendered = _RENDERERS[form](rows, caps)
    if rendered.shown == 1 and len(rendered.body.encode()) > caps.max_bytes:
        # The first row is shown, however wide it is, but its values can be cut shorter.
        width = max(len(rows.columns), 1)
        narrow = Caps(caps.max_bytes, max(min(caps.max_cell, caps.max_bytes // (_BYTES_A_CHARACTER * width)), 1))
        rendered = _RENDERERS[form](replace(rows, rows=rows.rows[:1]), narrow)
    return rendered

"""Results as text, under a byte budget. Pure.

Every renderer shows whole rows only and says how many it showed; what does not fit is reported, never dropped silently.
"""

from __future__ import annotations

from pgwarden.format.caps import Caps, Rendered
from pgwarden.format.csv import render_csv
from pgwarden.format.json import dumps, render_json
from pgwarden.format.markdown import render_markdown
from pgwarden.results import Rows

__all__ = ["Caps", "Rendered", "dumps", "render_rows"]

_RENDERERS = {"markdown": render_markdown, "json": render_json, "csv": render_csv}


def render_rows(rows: Rows, form: str, caps: Caps) -> Rendered:
    """Render a table.

    Args:
        rows: The table.
        form: "markdown", "json" or "csv".
        caps: Budgets of the text.
    """
    return _RENDERERS[form](rows, caps)

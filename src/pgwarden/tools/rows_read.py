"""Reading rows of one table without SQL, and what was changed of them: the category rows_read."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from pgwarden.catalogue import Tier, tool
from pgwarden.context import Context
from pgwarden.results import Rows
from pgwarden.tools import _rows_history
from pgwarden.tools._rows_read import read_rows

__all__ = ["list_changes", "read_rows"]


@tool(tier=Tier.READ, scope="database:read", paged=50)
async def list_changes(
    ctx: Context,
    table: Annotated[str, Field(description="Only of this one.")] = "",
    change_id: Annotated[str, Field(description="Show its values, before and after.")] = "",
) -> Rows:
    """List changes that the row tools made and undo_change can put back, the newest first."""
    if change_id:
        return await _rows_history.values(ctx, change_id)
    return await _rows_history.listed(ctx, table)

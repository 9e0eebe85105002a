"""What is kept of the rows that a row tool changes, so that they can be put back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pgwarden.context import Context
from pgwarden.results import Bindable
from pgwarden.tools._rows_table import Table

if TYPE_CHECKING:
    from pgwarden.db.capture import Capture, Operation

_KEPT_KINDS = frozenset({"r", "p"})


def capture(
    ctx: Context,
    table: Table,
    tool: str,
    operation: Operation,
    *,
    returning: Sequence[str],
    lock: str = "",
    lock_params: Sequence[Bindable] = (),
    undoes: tuple[str, ...] = (),
) -> Capture | str | None:
    """Return what is to be kept of a change; a text that says why nothing can be; None where nothing is to be.

    Args:
        ctx: The call.
        table: What is changed.
        tool: What it is changed with.
        operation: What is done.
        returning: What the statement returns itself.
        lock: Reads the rows that will be changed; empty where they are returned as they were.
        lock_params: Values of its parameters.
        undoes: Ids of changes that it puts back.
    """
    if ctx.db.recorder is None:
        return None
    from pgwarden.db.capture import Capture

    if table.kind not in _KEPT_KINDS:
        return f"{table} is no table"
    if table.identity is None:
        return f"{table} has no key of NOT NULL columns"
    if table.rules:
        # They may do something else, and not every one lets rows be returned.
        return f"{table} has rules"
    if table.secured and operation == "INSERT" and not returning:
        # To return a row takes the right to see it.
        return f"{table} has row-level security"
    kept = [column for column in table.columns.values() if not column.generated]
    if unread := next((column.name for column in kept if not column.readable), None):
        return f"the role may not read {unread}"
    return Capture(
        tool=tool,
        operation=operation,
        table=table.ref,
        oid=table.oid,
        key=table.identity.columns,
        columns=tuple(column.name for column in kept),
        types=tuple(column.type for column in kept),
        returning=bool(returning),
        lock=lock,
        lock_params=tuple(lock_params),
        undoes=undoes,
    )


def columns(table: Table) -> list[str]:
    """Return the columns that are kept of a table's rows."""
    return [column.name for column in table.columns.values() if not column.generated]

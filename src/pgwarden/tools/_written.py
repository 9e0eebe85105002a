"""What a change did, as a result: the rows that it returned or the command's tag, and what the database had to say."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from pgwarden.context import Composed, Context
from pgwarden.results import Ack, Rows, Touched, Written
from pgwarden.tools import _sql

DRY_RUN_NOTE = "dry run: rolled back, nothing was changed"


def answer(written: Written, said: tuple[str, ...], notes: tuple[str, ...]) -> Rows | Ack:
    """Return what was done.

    Args:
        written: The change.
        said: As `said` returns it.
        notes: What there is to say beside the command's tag, in words of ours.
    """
    if written.rows is not None:
        rows = written.rows
        rows.notes = (written.tag, *rows.notes, *notes)
        rows.affected, rows.said, rows.change = written.affected, said, written.change
        return rows
    data: dict[str, Any] = {"command": written.tag, "affected": written.affected, "rolled_back": written.rolled_back}
    data["notes"] = [*said, *notes] or None
    known = {name: value for name, value in data.items() if value is not None}
    return Ack("\n".join((written.tag, *notes)), known, written.affected, said, change=written.change)


def kept(made: Composed, written: Written) -> tuple[str, ...]:
    """Return by which id a change can be undone, or why it cannot; nothing where that was not asked for.

    Args:
        made: The statement.
        written: What it did.
    """
    if written.change:
        return (f"change {written.change}",)
    why = made.capture if isinstance(made.capture, str) else written.kept_not
    return (f"cannot be undone: {why}",) if why and written.affected else ()


def said(ctx: Context, sql: str, written: Written) -> tuple[str, ...]:
    """Return what is to be said in words of the database's: notices, and names of tables that were changed too.

    Args:
        ctx: The call, whose statement was the change.
        sql: What the caller wrote, or what was composed.
        written: The change.
    """
    assert ctx.verdict is not None
    said = [notice for notice in written.notices if not _sql.names_hidden(ctx, notice, sql)]
    if len(said) < len(written.notices):
        said.append("the server said more, about what is not shown")
    changed = {(use.relation.schema, use.relation.name) for use in ctx.verdict.uses if use.operation != "SELECT"}
    others = [each for each in written.touched if (each.schema, each.name) not in changed]
    if others:
        said.append(f"rows changed in other tables: {', '.join(_touched(ctx, others))}")
    return tuple(said)


def _touched(ctx: Context, tables: Iterable[Touched]) -> Iterator[str]:
    """Yield how many rows of each table were changed; those of hidden ones together."""
    hidden = 0
    for each in tables:
        if (each.schema, each.name) in ctx.hidden:
            hidden += each.total
            continue
        counts = (("inserted", each.inserted), ("updated", each.updated), ("deleted", each.deleted))
        yield f"{each.schema}.{each.name} ({', '.join(f'{number:,} {verb}' for verb, number in counts if number)})"
    if hidden:
        yield f"tables that are not shown ({hidden:,})"

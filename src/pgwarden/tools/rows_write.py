"""Changing rows of one table without SQL: tools of the category rows_write.

Each composes one statement, which is judged, agreed to and recorded like any other before the tool runs it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from pgwarden.catalogue import SqlUse, Tier, tool
from pgwarden.context import Composed, Context
from pgwarden.errors import ArgumentError, NotFoundError
from pgwarden.results import Ack, Rows
from pgwarden.tools import _rows_change, _rows_filter, _rows_run, _rows_table
from pgwarden.tools._rows_change import ARCHIVED_AT

if TYPE_CHECKING:
    from pgwarden.db.compose import Slot

SCOPE = "database:write"

NewRows = Annotated[list[dict[str, Any]], Field(min_length=1, description="{column: value}; left out: the default.")]
Version = Annotated[str, Field(description="Change the one row only if it still has this version: its xmin.")]


async def compose_insert(
    ctx: Context, table: str, rows: list[dict[str, Any]], columns: list[str] | None = None, dry_run: bool = False
) -> Composed:
    """Return the INSERT of a call of insert_rows.

    Raises:
        ArgumentError: The rows do not fit the table.
    """
    target = await _rows_table.load(ctx, table)
    names, slots = _rows_change.inserted(target, rows, ctx.limits.max_affected_rows)
    draft = _rows_run.draft()
    text = draft.insert(target.ref, names, slots, _rows_run.returned(target, columns))
    return _rows_run.composed(draft, text, target)


@tool(tier=Tier.CONFIRM, scope=SCOPE, sql=SqlUse.WRITE, plan=_rows_run.plan, compose=compose_insert)
async def insert_rows(
    ctx: Context,
    table: _rows_run.TableName,
    rows: NewRows,
    columns: _rows_run.Columns = None,
    dry_run: _rows_run.DryRun = False,
) -> Rows | Ack:
    """Insert rows, all or none; returns them as stored."""
    return _rows_run.answer(ctx, await _rows_run.change(ctx, dry_run=dry_run))


async def compose_upsert(
    ctx: Context,
    table: str,
    rows: list[dict[str, Any]],
    key: str = "",
    columns: list[str] | None = None,
    dry_run: bool = False,
) -> Composed:
    """Return the INSERT ... ON CONFLICT of a call of upsert_rows.

    Raises:
        ArgumentError: The rows do not fit the table, or have no such key.
    """
    target = await _rows_table.load(ctx, table)
    target.check_can("UPDATE")
    names, slots = _rows_change.inserted(target, rows, ctx.limits.max_affected_rows)
    if any(len(row) < len(names) for row in rows):
        # What one row leaves out would be reset where it meets another: only what is given is set.
        raise ArgumentError("The rows give different columns.", hint="Give the same in each, or make several calls.")
    met = target.key(key, immediate=True).columns
    for name in met:
        if any(name not in row for row in rows):
            raise ArgumentError(f"A row does not give {name}, which is of the key.", hint="Give the key of each row.")
    draft = _rows_run.draft()
    replaced = [name for name in names if name not in met]
    returning = _rows_run.returned(target, columns)
    text = draft.insert(target.ref, names, slots, returning, conflict=met, replaced=replaced)
    return _rows_run.composed(draft, text, target)


@tool(tier=Tier.CONFIRM, scope=SCOPE, sql=SqlUse.WRITE, plan=_rows_run.plan, compose=compose_upsert)
async def upsert_rows(
    ctx: Context,
    table: _rows_run.TableName,
    rows: NewRows,
    key: Annotated[str, Field(description="Name of a unique constraint; default the primary key.")] = "",
    columns: _rows_run.Columns = None,
    dry_run: _rows_run.DryRun = False,
) -> Rows | Ack:
    """Insert rows; where one with the same key exists, set the given columns of it."""
    return _rows_run.answer(ctx, await _rows_run.change(ctx, dry_run=dry_run))


async def compose_update(
    ctx: Context,
    table: str,
    filter: dict[str, Any],
    values: dict[str, Any],
    expected_version: str = "",
    version_column: str = "",
    columns: list[str] | None = None,
    dry_run: bool = False,
) -> Composed:
    """Return the UPDATE of a call of update_rows.

    Raises:
        ArgumentError: The arguments do not fit the table, or the filter keeps no rows out.
    """
    target = await _rows_table.load(ctx, table)
    slots = _rows_change.updated(target, values)
    condition = _rows_filter.check_real(_rows_filter.parse(target, filter))
    draft = _rows_run.draft()
    where = _rows_filter.compile_into(draft, condition)
    if expected_version:
        version = _rows_change.version_column(target, version_column)
        _rows_change.check_one(target, condition)
        where = draft.every([where, draft.test(version, "=", _rows_change.version(target, version, expected_version))])
        if version != _rows_table.XMIN and _rows_change.counts(target, version):
            slots.setdefault(version, "next")
    elif version_column:
        raise ArgumentError("version_column is for expected_version, which is not given.")
    # Values of the condition came first, so that it can be read again by the same numbers.
    text = draft.update(target.ref, slots, where, _rows_run.returned(target, columns))
    return _rows_run.composed(draft, text, target)


@tool(tier=Tier.CONFIRM, scope=SCOPE, sql=SqlUse.WRITE, plan=_rows_run.plan, compose=compose_update)
async def update_rows(
    ctx: Context,
    table: _rows_run.TableName,
    filter: _rows_filter.RequiredFilter,
    values: Annotated[dict[str, Any], Field(min_length=1, description="{column: new value}")],
    expected_version: Version = "",
    version_column: Annotated[str, Field(description="Has the version, in place of xmin; counted up.")] = "",
    columns: _rows_run.Columns = None,
    dry_run: _rows_run.DryRun = False,
) -> Rows | Ack:
    """Set columns of the rows that match a filter; returns them as stored."""
    written = await _rows_run.change(ctx, dry_run=dry_run)
    if expected_version and not written.affected:
        raise await _rows_change.conflict(ctx, filter, version_column)
    return _rows_run.answer(ctx, written)


async def compose_archive(
    ctx: Context,
    table: str,
    filter: dict[str, Any],
    columns: list[str] | None = None,
    dry_run: bool = False,
) -> Composed:
    """Return the UPDATE of a call of archive_rows.

    Raises:
        ArgumentError: as compose_update; or the table cannot be archived.
    """
    return await _archived(ctx, table, filter, columns, archive=True)


@tool(tier=Tier.CONFIRM, scope=SCOPE, sql=SqlUse.WRITE, plan=_rows_run.plan, compose=compose_archive)
async def archive_rows(
    ctx: Context,
    table: _rows_run.TableName,
    filter: _rows_filter.RequiredFilter,
    columns: _rows_run.Columns = None,
    dry_run: _rows_run.DryRun = False,
) -> Rows | Ack:
    """Set archived_at of the rows that match and are not archived; restore_rows undoes it."""
    return _rows_run.answer(ctx, await _rows_run.change(ctx, dry_run=dry_run))


async def compose_restore(
    ctx: Context,
    table: str,
    filter: dict[str, Any],
    columns: list[str] | None = None,
    dry_run: bool = False,
) -> Composed:
    """Return the UPDATE of a call of restore_rows.

    Raises:
        ArgumentError: as compose_archive.
    """
    return await _archived(ctx, table, filter, columns, archive=False)


@tool(tier=Tier.CONFIRM, scope=SCOPE, sql=SqlUse.WRITE, plan=_rows_run.plan, compose=compose_restore)
async def restore_rows(
    ctx: Context,
    table: _rows_run.TableName,
    filter: _rows_filter.RequiredFilter,
    columns: _rows_run.Columns = None,
    dry_run: _rows_run.DryRun = False,
) -> Rows | Ack:
    """Clear archived_at of the archived rows that match."""
    return _rows_run.answer(ctx, await _rows_run.change(ctx, dry_run=dry_run))


async def compose_delete(
    ctx: Context,
    table: str,
    filter: dict[str, Any],
    columns: list[str] | None = None,
    dry_run: bool = False,
) -> Composed:
    """Return the DELETE of a call of delete_rows.

    Raises:
        ArgumentError: The filter does not fit the table, or keeps no rows out.
    """
    target = await _rows_table.load(ctx, table)
    target.check_can("DELETE")
    condition = _rows_filter.check_real(_rows_filter.parse(target, filter))
    draft = _rows_run.draft()
    where = _rows_filter.compile_into(draft, condition)
    text = draft.delete(target.ref, where, _rows_run.returned(target, columns or []))
    return _rows_run.composed(draft, text, target)


@tool(tier=Tier.TYPED, scope=SCOPE, sql=SqlUse.WRITE, plan=_rows_run.plan, compose=compose_delete)
async def delete_rows(
    ctx: Context,
    table: _rows_run.TableName,
    filter: _rows_filter.RequiredFilter,
    columns: Annotated[list[str] | None, Field(description="To return of the deleted rows.")] = None,
    dry_run: _rows_run.DryRun = False,
) -> Rows | Ack:
    """Delete the rows that match a filter, for good; archive_rows keeps them."""
    return _rows_run.answer(ctx, await _rows_run.change(ctx, dry_run=dry_run))


async def _archived(
    ctx: Context, table: str, given: dict[str, Any], columns: list[str] | None, *, archive: bool
) -> Composed:
    target = await _rows_table.load(ctx, table)
    target.check_can("UPDATE")
    if ARCHIVED_AT not in target.columns:
        raise NotFoundError(
            f"{target} has no column {ARCHIVED_AT}.",
            code="not_archivable",
            hint=f"It needs {ARCHIVED_AT} timestamptz, NULL in rows that are not archived.",
        )
    condition = _rows_filter.check_real(_rows_filter.parse(target, given))
    draft = _rows_run.draft()
    where = draft.every([_rows_filter.compile_into(draft, condition), draft.null(ARCHIVED_AT, holds=archive)])
    slots: dict[str, Slot] = {ARCHIVED_AT: "now" if archive else "null"}
    text = draft.update(target.ref, slots, where, _rows_run.returned(target, columns))
    return _rows_run.composed(draft, text, target)

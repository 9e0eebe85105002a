"""Changing rows of one table without SQL: tools of the category rows_write.

Each composes one statement, which is judged, agreed to and recorded like any other before the tool runs it.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from pgwarden.catalogue import SqlUse, Tier, tool
from pgwarden.context import Composed, Context
from pgwarden.errors import ArgumentError, NotFoundError
from pgwarden.results import Ack, Report, Rows
from pgwarden.tools import (
    _rows_capture,
    _rows_change,
    _rows_filter,
    _rows_read,
    _rows_run,
    _rows_steps,
    _rows_table,
    _rows_transaction,
    _rows_undo,
)
from pgwarden.tools._rows_change import ARCHIVED_AT

if TYPE_CHECKING:
    from pgwarden.db.compose import Draft, Fragment, Slot

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
    returning = _rows_run.returned(target, columns)
    text = draft.insert(target.ref, names, slots, returning)
    kept = _rows_capture.capture(ctx, target, "insert_rows", "INSERT", returning=returning)
    return _rows_run.composed(draft, text, target, kept)


@tool(tier=Tier.CONFIRM, scope=SCOPE, sql=SqlUse.WRITE, plan=_rows_run.plan, compose=compose_insert)
async def insert_rows(
    ctx: Context,
    table: _rows_run.TableName,
    rows: NewRows,
    columns: _rows_run.Columns = None,
    dry_run: _rows_run.DryRun = False,
) -> Rows | Ack:
    """Insert rows, all or none; returns them as stored."""
    return await _rows_run.changed(ctx, dry_run=dry_run)


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
    own = _rows_run.draft()
    # Where nothing is set, rows that are met are not changed, and not returned.
    there = _rows_change.met(own, names, slots, met) if replaced else None
    lock = own.lock(target.ref, _rows_capture.columns(target), there) if there else ""
    kept = _rows_capture.capture(
        ctx,
        target,
        "upsert_rows",
        "UPSERT" if replaced else "INSERT",
        returning=returning,
        lock=lock,
        lock_params=own.values,
    )
    return _rows_run.composed(draft, text, target, kept)


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
    return await _rows_run.changed(ctx, dry_run=dry_run)


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
        raise ArgumentError(
            "version_column is for expected_version, which is not given.",
            hint="Give the version that was read as expected_version, or leave version_column out.",
        )
    return _updated(ctx, target, "update_rows", draft, slots, where, columns)


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


async def compose_archived(
    ctx: Context,
    table: str,
    filter: dict[str, Any],
    columns: list[str] | None = None,
    dry_run: bool = False,
    *,
    archive: bool,
) -> Composed:
    """Return the UPDATE of a call of archive_rows, or of restore_rows.

    Raises:
        ArgumentError: as compose_update; or the table cannot be archived.
    """
    target = await _rows_table.load(ctx, table)
    target.check_can("UPDATE")
    if ARCHIVED_AT not in target.columns:
        raise NotFoundError(
            f"{target} has no column {ARCHIVED_AT}.",
            code="not_archivable",
            hint=f"It needs {ARCHIVED_AT} timestamptz, NULL in rows that are not archived.",
        )
    condition = _rows_filter.check_real(_rows_filter.parse(target, filter))
    draft = _rows_run.draft()
    where = draft.every([_rows_filter.compile_into(draft, condition), draft.null(ARCHIVED_AT, holds=archive)])
    slots: dict[str, Slot] = {ARCHIVED_AT: "now" if archive else "null"}
    tool = "archive_rows" if archive else "restore_rows"
    return _updated(ctx, target, tool, draft, slots, where, columns)


def _updated(
    ctx: Context,
    target: _rows_table.Table,
    tool: str,
    draft: Draft,
    slots: dict[str, Slot],
    where: Fragment,
    columns: list[str] | None,
) -> Composed:
    """Return a finished UPDATE; the draft has nothing but the values of its condition yet."""
    lock, params = draft.lock(target.ref, _rows_capture.columns(target), where), tuple(draft.values)
    returning = _rows_run.returned(target, columns)
    text = draft.update(target.ref, slots, where, returning)
    kept = _rows_capture.capture(ctx, target, tool, "UPDATE", returning=returning, lock=lock, lock_params=params)
    return _rows_run.composed(draft, text, target, kept)


_ARCHIVES, _RESTORES = partial(compose_archived, archive=True), partial(compose_archived, archive=False)


@tool(tier=Tier.CONFIRM, scope=SCOPE, sql=SqlUse.WRITE, plan=_rows_run.plan, compose=_ARCHIVES)
async def archive_rows(
    ctx: Context,
    table: _rows_run.TableName,
    filter: _rows_filter.RequiredFilter,
    columns: _rows_run.Columns = None,
    dry_run: _rows_run.DryRun = False,
) -> Rows | Ack:
    """Set archived_at of the rows that match and are not archived; restore_rows undoes it."""
    return await _rows_run.changed(ctx, dry_run=dry_run)


@tool(tier=Tier.CONFIRM, scope=SCOPE, sql=SqlUse.WRITE, plan=_rows_run.plan, compose=_RESTORES)
async def restore_rows(
    ctx: Context,
    table: _rows_run.TableName,
    filter: _rows_filter.RequiredFilter,
    columns: _rows_run.Columns = None,
    dry_run: _rows_run.DryRun = False,
) -> Rows | Ack:
    """Clear archived_at of the archived rows that match."""
    return await _rows_run.changed(ctx, dry_run=dry_run)


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
    returning = _rows_run.returned(target, columns or [])
    text = draft.delete(target.ref, where, returning)
    kept = _rows_capture.capture(ctx, target, "delete_rows", "DELETE", returning=returning)
    return _rows_run.composed(draft, text, target, kept)


@tool(tier=Tier.TYPED, scope=SCOPE, sql=SqlUse.WRITE, plan=_rows_run.plan, compose=compose_delete)
async def delete_rows(
    ctx: Context,
    table: _rows_run.TableName,
    filter: _rows_filter.RequiredFilter,
    columns: Annotated[list[str] | None, Field(description="To return of the deleted rows.")] = None,
    dry_run: _rows_run.DryRun = False,
) -> Rows | Ack:
    """Delete the rows that match a filter, for good; archive_rows keeps them."""
    return await _rows_run.changed(ctx, dry_run=dry_run)


async def compose_transaction(ctx: Context, steps: list[dict[str, Any]], dry_run: bool = False) -> list[Composed]:
    """Return the statements of a call of run_transaction.

    Raises:
        ArgumentError: A step is not valid.
    """
    return await _rows_steps.compose(ctx, steps, _STEPS)


@tool(
    tier=Tier.CONFIRM,
    scope=SCOPE,
    sql=SqlUse.WRITE,
    plan=_rows_transaction.plan,
    compose=compose_transaction,
    several=True,
)
async def run_transaction(
    ctx: Context,
    steps: Annotated[
        list[dict[str, Any]],
        Field(
            min_length=1,
            max_length=_rows_steps.MOST_STEPS,
            description='{"tool": "insert_rows", its arguments..., "as": name, "expect_rows": n}; tools: read_rows and '
            'those that change rows. A value may be {"$ref": "name.rows[0].column"} of an earlier step.',
        ),
    ],
    dry_run: _rows_run.DryRun = False,
) -> Report:
    """Run steps in one serializable transaction, all or nothing; deletes need the tables' names in confirm_name."""
    return await _rows_transaction.run(ctx, dry_run=dry_run)


async def compose_undo(ctx: Context, change_id: str, dry_run: bool = False) -> list[Composed]:
    """Return the statements of a call of undo_change.

    Raises:
        ArgumentError: There is no such change, or it cannot be put back.
    """
    return await _rows_undo.compose(ctx, change_id)


@tool(tier=Tier.CONFIRM, scope=SCOPE, sql=SqlUse.WRITE, plan=_rows_undo.plan, compose=compose_undo, several=True)
async def undo_change(
    ctx: Context,
    change_id: Annotated[str, Field(description="Of list_changes; of a transaction: all of it, or one with .n.")],
    dry_run: _rows_run.DryRun = False,
) -> Report:
    """Put rows back as they were before a change; refused where they changed since."""
    return await _rows_undo.run(ctx, dry_run=dry_run)


_STEPS = {
    spec.name: spec
    for spec in (
        *(insert_rows, upsert_rows, update_rows, archive_rows, restore_rows, delete_rows),
        _rows_read.read_rows,
    )
}

"""Changing with the caller's own SQL: the tool of the category sql_write.

The statement was judged, and a yes given to it, before the tool runs: `ctx.verdict.canonical` is what is sent, never
the argument `sql`. `timeout_s` is declared here and arrives, bounded, as `ctx.timeout_s`.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from pgwarden.catalogue import SqlUse, Tier, tool
from pgwarden.context import Context
from pgwarden.errors import ArgumentError, QueryError
from pgwarden.results import Ack, Plan, Rows, Written
from pgwarden.tools import _impact, _sql, _written

SCOPE = "database:write"
COMMITTED_NOTE = "ran outside a transaction: it cannot be rolled back"


async def plan(
    ctx: Context, sql: str, params: list[Any] | None = None, dry_run: bool = False, timeout_s: float | None = None
) -> Plan:
    """Return what execute_sql would do with the same arguments, without doing it.

    Raises:
        ArgumentError: The parameters do not fit, or there can be no dry run.
        DatabaseError: PostgreSQL would refuse the statement, or cannot be asked.
    """
    found = await _impact.plan(ctx, sql, params)
    if dry_run:
        _check_dry_run(ctx, found)
    return found


@tool(tier=Tier.CONFIRM, scope=SCOPE, sql=SqlUse.WRITE, plan=plan)
async def execute_sql(
    ctx: Context,
    sql: str,
    params: _sql.Params = None,
    dry_run: Annotated[bool, Field(description="Run, report, roll back.")] = False,
    timeout_s: Annotated[float | None, Field(gt=0)] = None,
) -> Rows | Ack:
    """Run one SQL statement; it may change data or schema.

    A change needs a yes: call without, show the person the plan in the refusal, ask, then send what it says.
    """
    verdict = ctx.verdict
    if verdict is None:
        raise _sql.no_statement()
    values = _sql.bound(params, verdict.parameters)
    change = verdict.change
    if change is None:
        return await _sql.read(ctx, sql, values, primary=True)
    if dry_run and (change.unsafe or not change.in_transaction):
        _check_dry_run(ctx, await _impact.plan(ctx, sql, params))
    try:
        written = await ctx.db.write(
            verdict.canonical,
            values,
            limit=ctx.max_rows,
            max_bytes=ctx.max_bytes,
            timeout_s=ctx.timeout_s,
            # What fills a new table takes no row away.
            max_affected=None if change.object_class == "schema" else ctx.limits.max_affected_rows,
            dry_run=dry_run,
            in_transaction=change.in_transaction,
            masking=verdict.masking,
            scope=change.scope,
        )
    except QueryError as exc:
        raise await _sql.for_caller(ctx, exc, sql) from None
    if written.rows is not None:
        written.rows = _sql.shown(ctx, written.rows, sql)
    return _written.answer(written, _written.said(ctx, sql, written), _notes(ctx, written))


def _check_dry_run(ctx: Context, found: Plan) -> None:
    """Refuse a dry run of what rolling back does not undo.

    Raises:
        ArgumentError: The statement is such; `details` has the plan in place of a dry run.
    """
    change = ctx.verdict.change if ctx.verdict else None
    if change is None or (change.in_transaction and not change.unsafe):
        return
    reason = "has effects that rolling back does not undo" if change.unsafe else "cannot run in a transaction"
    raise ArgumentError(
        f"{change.command} {reason}, so there is no dry run of it.",
        code="no_dry_run",
        hint="The plan in `details` says what it would do.",
        details={"plan": found.data},
    )


def _notes(ctx: Context, written: Written) -> tuple[str, ...]:
    """Return what there is to say beside the command's tag, in words of ours."""
    assert ctx.verdict is not None
    assert ctx.verdict.change is not None
    notes = []
    if written.rolled_back:
        notes.append(_written.DRY_RUN_NOTE)
    if not ctx.verdict.change.in_transaction:
        notes.append(COMMITTED_NOTE)
    return tuple(notes)

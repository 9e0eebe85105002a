"""Running what a row tool composed: as a change, with its plan, and with violated constraints explained."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from pgwarden.context import Composed, Context
from pgwarden.errors import InternalError, NotFoundError, QueryError
from pgwarden.results import Ack, Plan, Rows, Written
from pgwarden.tools import _impact, _sql, _written
from pgwarden.tools._rows_table import Table

if TYPE_CHECKING:
    from pgwarden.db.capture import Capture
    from pgwarden.db.compose import Draft

TableName = Annotated[str, Field(description="schema.table")]
Columns = Annotated[list[str] | None, Field(description="To return; default all, [] none.")]
DryRun = Annotated[bool, Field(description="Run, report, roll back.")]


def draft() -> Draft:
    """Return an empty draft; what it is made with is imported when a call first needs it."""
    from pgwarden.db.compose import Draft

    return Draft()


def composed(made: Draft, text: str, table: Table, capture: Capture | str | None = None) -> Composed:
    """Return a finished statement of a table, and what is to be kept of the rows that it changes."""
    return Composed(text, tuple(made.values), table, capture=capture)


def statement(ctx: Context) -> Composed:
    """Return the call's statement, which was judged.

    Raises:
        InternalError: There is none.
    """
    if ctx.composed is None or ctx.verdict is None:
        raise InternalError
    return ctx.composed


async def plan(ctx: Context, **_: Any) -> Plan:
    """Return what the call's statement would do, without doing it.

    Raises:
        DatabaseError: PostgreSQL would refuse the statement, or cannot be asked.
    """
    made = statement(ctx)
    try:
        return await _impact.plan(ctx, made.sql, made.params)
    except QueryError as exc:
        raise await explained(ctx, exc) from None


async def read(ctx: Context, *, primary: bool = False) -> Rows:
    """Run the call's statement as a read; `primary`: never on a replica.

    Raises:
        DatabaseError: as Database.read.
    """
    made = statement(ctx)
    try:
        return await _sql.read(ctx, made.sql, made.params, primary=primary)
    except QueryError as exc:
        raise _unlocated(exc) from None


async def change(ctx: Context, *, dry_run: bool) -> Written:
    """Run the call's statement as a change.

    Raises:
        DatabaseError: as Database.write; a violated constraint is explained.
    """
    made, verdict = statement(ctx), ctx.verdict
    assert verdict is not None
    try:
        written = await ctx.db.write(
            verdict.canonical,
            made.params,
            limit=ctx.max_rows,
            max_bytes=ctx.max_bytes,
            timeout_s=ctx.timeout_s,
            max_affected=ctx.limits.max_affected_rows,
            dry_run=dry_run,
            masking=verdict.masking,
            scope=verdict.change.scope if verdict.change else "database:write",
            capture=made.capture if not isinstance(made.capture, str) else None,
        )
    except QueryError as exc:
        raise await explained(ctx, exc) from None
    if written.rows is not None:
        written.rows = _sql.shown(ctx, written.rows, made.sql)
    return written


async def changed(ctx: Context, *, dry_run: bool) -> Rows | Ack:
    """Run the call's statement as a change, and return what was done.

    Raises:
        DatabaseError: as `change`.
    """
    return answer(ctx, await change(ctx, dry_run=dry_run))


def answer(ctx: Context, written: Written) -> Rows | Ack:
    """Return what was done: the stored rows, or else the command's tag."""
    notes = (_written.DRY_RUN_NOTE,) if written.rolled_back else _written.kept(statement(ctx), written)
    return _written.answer(written, _written.said(ctx, statement(ctx).sql, written), notes)


async def explained(ctx: Context, exc: QueryError) -> QueryError:
    """Return an error of the server's with the constraint that was violated: its definition and its columns.

    Args:
        ctx: The call.
        exc: What PostgreSQL said of the composed statement.
    """
    made = statement(ctx)
    exc = _unlocated(await _sql.for_caller(ctx, exc, made.sql))
    names = {name: exc.details.get(name) for name in ("schema", "table", "constraint")}
    if not all(names.values()) or exc.error_code not in _ADVICE:
        return exc
    found = await ctx.db.json("rows_constraint", names)
    if not found:
        return exc
    exc.details |= {name: value for name, value in found.items() if value}
    where = f"{names['schema']}.{names['table']}"
    exc.hint = f"{names['constraint']} of {where}: {found['definition']}. {_advice(exc, made.about)}".rstrip()
    return exc


_ADVICE = {
    "unique_violation": "A row with these values exists: change that one, or use upsert_rows.",
    "foreign_key_violation": "",
    "check_violation": "Give values that it holds for.",
    "exclusion_violation": "A row that conflicts exists.",
    "not_null_violation": "",
}


def _advice(exc: QueryError, table: Any) -> str:
    if exc.error_code != "foreign_key_violation" or not isinstance(table, Table):
        return _ADVICE[exc.error_code]
    own = exc.details.get("columns", ())
    if (exc.details["schema"], exc.details["table"]) == table.ref and "is still referenced" not in str(exc.details):
        return f"Give {', '.join(own)} of a row that exists."
    return "Rows there still refer to these: change or delete them first."


def _unlocated(exc: QueryError) -> QueryError:
    """Return an error without the place in a text that the caller did not write."""
    exc.details.pop("position", None)
    return exc


def returned(table: Table, columns: list[str] | None) -> list[str]:
    """Return the columns to return: those that are named, or all that the role may read.

    Raises:
        NotFoundError: One does not exist.
    """
    if columns is None:
        return table.readable
    try:
        return table.check_columns(columns)
    except NotFoundError as exc:
        exc.message = f"columns: {exc.message}"
        raise

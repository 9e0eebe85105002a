"""The caller's own SQL: its parameters, the planner's expectation, and PostgreSQL's errors in the caller's terms.

What is sent is what the guard wrote, `ctx.verdict.canonical` or `plannable`, never the argument `sql`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any

from pydantic import Field

from pgwarden.context import Context
from pgwarden.errors import ArgumentError, QueryError
from pgwarden.results import Rows
from pgwarden.tools import _names

_WORD = re.compile(r"[\w$]+")
_DOTTED = re.compile(r'"?[\w$]+"?\.')
_PLAN_WORDS = frozenset(
    _WORD.findall("""
    Aggregate Append Cond Filter Function Group Hash Index Join Key Limit Merge Name Node Output Plan Plans Relation
    Result Rows Scan Schema Seq Settings Sort Subplan Type Width actual cost loops on rows time using width""")
)
"""Words of plans: a hidden table that bears one is not worth refusing every plan."""
_PLANNED = frozenset({"INSERT", "UPDATE", "DELETE", "MERGE"})

Params = Annotated[list[Any] | None, Field(description="Values of $1, $2, ...")]


def no_statement() -> ArgumentError:
    """Return the error of a call without a statement."""
    return ArgumentError("sql is empty.", hint="Give one statement.")


def bound(params: Sequence[Any] | None, expected: int) -> tuple[str | None, ...]:
    """Return the values to send.

    Raises:
        ArgumentError: There are more or fewer than the statement has placeholders.
    """
    values = tuple(params or ())
    if len(values) != expected:
        raise ArgumentError(
            f"The statement has {expected} parameters and {len(values)} values were given.",
            hint="params is a list with one value for each of $1, $2, ...",
        )
    return tuple(_literal(value) for value in values)


async def read(ctx: Context, sql: str, values: Sequence[object], *, offset: int = 0, primary: bool = False) -> Rows:
    """Run the call's statement as a read, under the call's caps.

    Args:
        ctx: The call.
        sql: What the caller wrote.
        values: As `bound` makes them.
        offset: Rows to skip, where the statement can be wrapped.
        primary: Never ask a replica.

    Raises:
        DatabaseError: as Database.read, in the caller's terms; or it is a plan that names what is hidden.
    """
    verdict = ctx.verdict
    if verdict is None:
        raise no_statement()
    try:
        rows = await ctx.db.read(
            verdict.canonical,
            values,
            wrap=verdict.form == "select",
            limit=ctx.max_rows,
            offset=offset,
            max_bytes=ctx.max_bytes,
            timeout_s=ctx.timeout_s,
            primary=primary,
            masking=verdict.masking,
        )
    except QueryError as exc:
        raise await for_caller(ctx, exc, sql) from None
    return shown(ctx, rows, sql)


def has_plan(ctx: Context) -> bool:
    """Tell whether PostgreSQL can plan the call's statement: a query, or a change of rows by one."""
    verdict = ctx.verdict
    if verdict is None or verdict.change is None:
        return verdict is not None and verdict.readable and verdict.form == "select"
    return verdict.change.object_class == "rows" and not _PLANNED.isdisjoint(verdict.kinds)


async def estimate(
    ctx: Context, sql: str, values: Sequence[str | None] | None, timeout_s: float | None = None
) -> tuple[int, float]:
    """Return how many rows the planner expects the call's statement to return or change, and its cost.

    Args:
        ctx: The call, with a statement that has a plan.
        sql: What the caller wrote.
        values: As `bound` makes them; None: planned for any.
        timeout_s: Seconds; None: the call's.

    Raises:
        DatabaseError: as Database.estimate, in the caller's terms.
    """
    verdict = ctx.verdict
    if verdict is None:
        raise no_statement()
    text, masking = verdict.plannable or verdict.canonical, verdict.masking
    try:
        rows, cost = await ctx.db.estimate(text, values, masking=masking, timeout_s=timeout_s or ctx.timeout_s)
    except QueryError as exc:
        raise await for_caller(ctx, exc, sql) from None
    return round(rows), cost


async def for_caller(ctx: Context, exc: QueryError, sql: str, before: int = 0) -> QueryError:
    """Return an error of the server's in the caller's terms: positions in their text, tables that they may have meant.

    Args:
        ctx: The call.
        exc: What PostgreSQL said of the canonical text.
        sql: What the caller wrote.
        before: Characters of ours before the canonical text.
    """
    if names_hidden(ctx, " ".join((exc.message, exc.hint or "", *map(str, exc.details.values()))), sql):
        # Foreign keys, triggers and views reach what the caller does not know of.
        details = {"sqlstate": exc.details["sqlstate"]} if "sqlstate" in exc.details else {}
        return QueryError("PostgreSQL refused it because of something that is not shown.", details=details)
    canonical = ctx.verdict.canonical if ctx.verdict else ""
    if "position" in exc.details:
        position = exc.details.pop("position") - before
        # Where comments were removed before it, it would point at something else.
        known = min(position, len(canonical))
        if sql[:known] == canonical[:known]:
            exc.details["position"] = position
    if exc.error_code == "undefined_table" and ctx.verdict is not None:
        named = [*ctx.verdict.relations, *(str(use.relation) for use in ctx.verdict.uses)]
        near = await _names.near_missing(ctx, list(dict.fromkeys(named)))
        if near:
            exc.hint = _names.did_you_mean_tables(near)
            exc.details["near"] = near
    return exc


def names_hidden(ctx: Context, text: str, sql: str) -> bool:
    """Tell whether a text of the server's has the name of something that is absent for the caller.

    Args:
        ctx: The call.
        text: What the server said.
        sql: What the caller wrote: a word of theirs tells them nothing.
    """
    said, known = _words(text), _words(sql)
    if any(name and said >= (words := _words(name)) and not known >= words for _, name in ctx.hidden):
        return True
    # The name of a schema may be any word; before a dot, or called a schema, it means the schema.
    schemas = {schema for schema, name in ctx.hidden if not name and said >= _words(schema)}
    return any(_says_schema(text, schema) for schema in schemas if not known >= _words(schema))


def shown(ctx: Context, rows: Rows, sql: str) -> Rows:
    """Return rows of the caller's statement without what PostgreSQL itself told of hidden things in them.

    Args:
        ctx: The call.
        rows: Of a read, or of RETURNING.
        sql: What the caller wrote.

    Raises:
        QueryError: They are a plan that names what is hidden.
    """
    if not ctx.hidden:
        return rows
    rows.columns = tuple(
        replace(column, type="not shown") if names_hidden(ctx, column.type, sql) else column for column in rows.columns
    )
    if ctx.verdict is not None and ctx.verdict.form == "explain":
        check_plan(ctx, "\n".join(filter(None, (row[0] for row in rows.rows))), sql)
    return rows


def check_plan(ctx: Context, text: str, sql: str) -> None:
    """Refuse to show a plan that names what is absent for the caller: row security reads what the statement does not.

    Args:
        ctx: The call.
        text: The plan.
        sql: What the caller wrote.

    Raises:
        QueryError: It does.
    """
    if ctx.hidden and names_hidden(
        ctx, " ".join(_words(text) - _PLAN_WORDS) + " " + " ".join(_DOTTED.findall(text)), sql
    ):
        raise QueryError("The plan names something that is not shown.", code="plan_not_shown")


def _says_schema(text: str, schema: str) -> bool:
    quoted = re.escape(schema)
    return re.search(rf'(?<![\w$]){quoted}"?\.|schema "{quoted}"', text) is not None


def _words(text: str) -> set[str]:
    return set(_WORD.findall(text))


def _literal(value: Any) -> str | None:
    """Return a value as a text whose type PostgreSQL infers from where `$n` stands, as for a quoted literal.

    A number has no type of its own then: bound as a small integer it would overflow in `$1 * $2`, and bound as a double
    precision it would be compared inexactly with a numeric column.
    """
    if value is None:
        return None
    if isinstance(value, list) and not any(isinstance(item, dict) for item in value):
        return _array(value)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _array(values: list[Any]) -> str:
    return "{" + ",".join(_array(item) if isinstance(item, list) else _element(item) for item in values) + "}"


def _element(value: Any) -> str:
    if not isinstance(value, str):
        return "NULL" if value is None else json.dumps(value)
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'

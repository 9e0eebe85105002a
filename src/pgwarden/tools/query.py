"""Reading with the caller's own SQL: tools of the category sql_query.

The statement was judged before the tool runs: `ctx.verdict.canonical` is what is sent, never the argument `sql`.
Likewise `timeout_s` is declared here and arrives, bounded, as `ctx.timeout_s`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import Field

from pgwarden.catalogue import SqlUse, Tier, tool
from pgwarden.context import Context
from pgwarden.errors import ArgumentError, QueryError
from pgwarden.results import Report, Rows
from pgwarden.tools import _names, _plan

SCOPE = "database:read"
PLAN_BYTES = 8_000_000
"""A plan is read whole or not at all: half of its JSON is of no use."""
PAGES_NOTE = "each page is a read of its own: ORDER BY unique columns keeps pages stable"
GENERIC_NOTE = "a generic plan, for any values of the parameters; give params for the plan of theirs"

Params = Annotated[list[Any] | None, Field(description="Values of $1, $2, ...")]


@tool(tier=Tier.READ, scope=SCOPE, sql=SqlUse.READ, paged=1000)
async def run_query(
    ctx: Context,
    sql: Annotated[str, Field(description="Omit with `cursor`.")] = "",
    params: Params = None,
    timeout_s: Annotated[float | None, Field(gt=0)] = None,
) -> Rows:
    """Run one read-only SQL statement. `cursor` continues a truncated result."""
    verdict = ctx.verdict
    if verdict is None:
        raise _no_statement()
    wrap = verdict.form == "select"
    offset = ctx.page["offset"] if ctx.page else 0
    values = _bound(params, verdict.parameters)
    caps: dict[str, Any] = {"limit": ctx.max_rows, "max_bytes": ctx.max_bytes, "timeout_s": ctx.timeout_s}
    try:
        rows = await ctx.db.read(verdict.canonical, values, wrap=wrap, offset=offset, **caps)
    except QueryError as exc:
        raise await _for_caller(ctx, exc, sql) from None
    if wrap:
        rows.next_page = lambda shown: {"offset": offset + shown}
    if wrap and rows.truncated:
        rows.notes = rows.notes if offset else (*rows.notes, PAGES_NOTE)
    elif not rows.truncated:
        rows.total = offset + len(rows.rows)
    return rows


@tool(tier=Tier.READ, scope=SCOPE, sql=SqlUse.READ)
async def explain_query(
    ctx: Context, sql: str, params: Params = None, analyze: bool = False, buffers: bool = False
) -> Report:
    """Show the plan of a query, with warnings. `analyze` runs it, rolled back. `$n` without params: generic plan."""
    plan = await _explain(ctx, sql, params, analyze=analyze, buffers=buffers)
    generic = params is None and ctx.verdict is not None and ctx.verdict.parameters > 0
    warnings = _plan.warnings(plan)
    text = _plan.as_tree(plan, buffers=buffers)
    if warnings:
        text += "\n\nWarnings:\n" + "\n".join(f"- {warning}" for warning in warnings)
    data = {"plan": plan, "warnings": warnings} if warnings else {"plan": plan}
    return Report(text, data, (GENERIC_NOTE,) if generic else ())


@tool(tier=Tier.READ, scope=SCOPE, sql=SqlUse.JUDGE)
async def validate_query(ctx: Context, sql: str) -> Report:
    """Say whether a statement may run and what it reads, with estimated cost and rows, without running it."""
    verdict = ctx.verdict
    if verdict is None:
        raise _no_statement()
    data = verdict.as_dict()
    if verdict.readable and verdict.form == "select":
        data |= await _estimate(ctx, sql)
    return Report("\n".join(_verdict_lines(data)), data)


async def _explain(ctx: Context, sql: str, params: list[Any] | None, *, analyze: bool, buffers: bool) -> dict[str, Any]:
    """Return the plan of the call's statement, as the first element of EXPLAIN's JSON.

    Raises:
        ArgumentError: The statement has no plan, or its parameters do not fit.
    """
    verdict = ctx.verdict
    if verdict is None:
        raise _no_statement()
    if verdict.form != "select":
        hint = "Give the query itself; explain_query adds the EXPLAIN."
        raise ArgumentError(f"{verdict.form.upper()} has no plan.", hint=hint)
    generic = verdict.parameters > 0 and params is None
    if generic and analyze:
        raise ArgumentError("analyze runs the query: its parameters need values.", hint="Give params.")
    # BUFFERS is said either way: since 18 ANALYZE turns it on.
    explain = f"EXPLAIN (FORMAT JSON, SETTINGS, BUFFERS {str(buffers).lower()}, ANALYZE {str(analyze).lower()}) "
    nulls = ", ".join(["NULL"] * verdict.parameters)
    try:
        rows = await ctx.db.read(
            explain + (f"EXECUTE judged({nulls})" if generic else verdict.canonical),
            () if generic else _bound(params, verdict.parameters),
            prepare=verdict.canonical if generic else "",
            wrap=False,
            limit=1,
            max_bytes=PLAN_BYTES,
            timeout_s=ctx.timeout_s,
        )
    except QueryError as exc:
        raise await _for_caller(ctx, exc, sql, before=0 if generic else len(explain)) from None
    if not rows.rows or len(rows.rows[0][0] or "") > PLAN_BYTES:
        raise QueryError(f"The plan is larger than {PLAN_BYTES:,} bytes.", code="plan_too_large")
    return _without_ours(json.loads(rows.rows[0][0] or "[{}]")[0], generic=generic)


def _without_ours(plan: dict[str, Any], *, generic: bool) -> dict[str, Any]:
    """Return a plan without the setting that made it generic, which is not the server's, nor an empty list of them."""
    settings = plan.pop("Settings", {})
    if generic:
        settings.pop("plan_cache_mode", None)
    return {**plan, "Settings": settings} if settings else plan


async def _for_caller(ctx: Context, exc: QueryError, sql: str, before: int = 0) -> QueryError:
    """Return an error of the server's in the caller's terms: positions in their text, tables that they may have meant.

    Args:
        ctx: The call.
        exc: What PostgreSQL said of the canonical text.
        sql: What the caller wrote.
        before: Characters of ours before the canonical text.
    """
    canonical = ctx.verdict.canonical if ctx.verdict else ""
    if "position" in exc.details:
        position = exc.details.pop("position") - before
        # Where comments were removed before it, it would point at something else.
        known = min(position, len(canonical))
        if sql[:known] == canonical[:known]:
            exc.details["position"] = position
    if exc.error_code == "undefined_table" and ctx.verdict is not None:
        near = await _names.near_missing(ctx, ctx.verdict.relations)
        if near:
            exc.hint = _names.did_you_mean_tables(near)
            exc.details["near"] = near
    return exc


async def _estimate(ctx: Context, sql: str) -> dict[str, Any]:
    """Return the planner's cost and rows, or why it has none."""
    try:
        plan = (await _explain(ctx, sql, None, analyze=False, buffers=False))["Plan"]
    except QueryError as exc:
        return {"planner_error": exc.message, **({"planner_hint": exc.hint} if exc.hint else {})}
    return {"estimated_cost": plan["Total Cost"], "estimated_rows": plan["Plan Rows"]}


def _no_statement() -> ArgumentError:
    return ArgumentError("sql is empty.", hint="Give one statement.")


def _bound(params: Sequence[Any] | None, expected: int) -> tuple[str | None, ...]:
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


def _verdict_lines(data: dict[str, Any]) -> list[str]:
    lines = ["Allowed as a read." if data["allowed"] else f"Not allowed ({data['code']}): {data['message']}"]
    if data.get("hint"):
        lines.append(f"Hint: {data['hint']}")
    lines += [f"{name}: {', '.join(data[name])}" for name in ("kinds", "relations", "functions") if data[name]]
    if "planner_error" in data:
        lines.append(f"PostgreSQL cannot plan it: {data['planner_error']}")
    if "planner_hint" in data:
        lines.append(f"Hint: {data['planner_hint']}")
    if "estimated_cost" in data:
        lines.append(f"Estimated cost {data['estimated_cost']:,.2f}, about {data['estimated_rows']:,} rows")
    return lines

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
from pgwarden.tools import _plan

SCOPE = "database:read"
PLAN_BYTES = 8_000_000
"""A plan is read whole or not at all: half of its JSON is of no use."""
PAGES_NOTE = "each page is a read of its own: ORDER BY unique columns keeps pages stable"

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
    rows = await ctx.db.read(
        verdict.canonical,
        _bound(params, verdict.parameters),
        wrap=wrap,
        limit=ctx.max_rows,
        offset=offset,
        max_bytes=ctx.max_bytes,
        timeout_s=ctx.timeout_s,
    )
    if wrap:
        rows.next_page = lambda shown: {"offset": offset + shown}
    if wrap and rows.truncated:
        rows.notes = (*rows.notes, PAGES_NOTE)
    elif not rows.truncated:
        rows.total = offset + len(rows.rows)
    return rows


@tool(tier=Tier.READ, scope=SCOPE, sql=SqlUse.READ)
async def explain_query(
    ctx: Context, sql: str, params: Params = None, analyze: bool = False, buffers: bool = False
) -> Report:
    """Show the plan of a query, with warnings. `analyze` runs it, rolled back. `$n` without params: generic plan."""
    plan = await _explain(ctx, params, analyze=analyze, buffers=buffers)
    warnings = _plan.warnings(plan)
    text = _plan.as_tree(plan, buffers=buffers)
    if warnings:
        text += "\n\nWarnings:\n" + "\n".join(f"- {warning}" for warning in warnings)
    return Report(text, {"plan": plan, "warnings": warnings} if warnings else {"plan": plan})


@tool(tier=Tier.READ, scope=SCOPE, sql=SqlUse.JUDGE)
async def validate_query(ctx: Context, sql: str) -> Report:
    """Say whether a statement may run and what it reads, with estimated cost and rows, without running it."""
    verdict = ctx.verdict
    if verdict is None:
        raise _no_statement()
    data = verdict.as_dict()
    if verdict.readable and verdict.form == "select":
        data |= await _estimate(ctx)
    return Report("\n".join(_verdict_lines(data)), data)


async def _explain(ctx: Context, params: list[Any] | None, *, analyze: bool, buffers: bool) -> dict[str, Any]:
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
    options = f"FORMAT JSON, SETTINGS, BUFFERS {str(buffers).lower()}, ANALYZE {str(analyze).lower()}"
    nulls = ", ".join(["NULL"] * verdict.parameters)
    rows = await ctx.db.read(
        f"EXPLAIN ({options}) {f'EXECUTE judged({nulls})' if generic else verdict.canonical}",
        () if generic else _bound(params, verdict.parameters),
        prepare=verdict.canonical if generic else "",
        wrap=False,
        limit=1,
        max_bytes=PLAN_BYTES,
        timeout_s=ctx.timeout_s,
    )
    if not rows.rows or len(rows.rows[0][0] or "") > PLAN_BYTES:
        raise QueryError(f"The plan is larger than {PLAN_BYTES:,} bytes.", code="plan_too_large")
    plan: dict[str, Any] = json.loads(rows.rows[0][0] or "[{}]")[0]
    return plan


async def _estimate(ctx: Context) -> dict[str, Any]:
    """Return the planner's cost and rows, or why it has none."""
    try:
        plan = (await _explain(ctx, None, analyze=False, buffers=False))["Plan"]
    except QueryError as exc:
        return {"planner_error": exc.message}
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
    if "estimated_cost" in data:
        lines.append(f"Estimated cost {data['estimated_cost']:,.2f}, about {data['estimated_rows']:,} rows")
    return lines

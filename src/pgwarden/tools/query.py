"""Reading with the caller's own SQL: tools of the category sql_query.

The statement was judged before the tool runs: `ctx.verdict.canonical` is what is sent, never the argument `sql`.
Likewise `timeout_s` is declared here and arrives, bounded, as `ctx.timeout_s`.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Annotated, Any

from pydantic import Field

from pgwarden.catalogue import SqlUse, Tier, tool
from pgwarden.context import Context
from pgwarden.errors import ArgumentError, QueryError
from pgwarden.results import Report, Rows
from pgwarden.tools import _plan, _sql

SCOPE = "database:read"
PLAN_BYTES = 8_000_000
"""A plan is read whole or not at all: half of its JSON is of no use."""
PAGES_NOTE = "each page is a read of its own: ORDER BY unique columns keeps pages stable"
GENERIC_NOTE = "a generic plan, for any values of the parameters; give params for the plan of theirs"


@tool(tier=Tier.READ, scope=SCOPE, sql=SqlUse.READ, paged=1000)
async def run_query(
    ctx: Context,
    sql: Annotated[str, Field(description="Omit with `cursor`.")] = "",
    params: _sql.Params = None,
    timeout_s: Annotated[float | None, Field(gt=0)] = None,
) -> Rows:
    """Run one read-only SQL statement."""
    verdict = ctx.verdict
    if verdict is None:
        raise _sql.no_statement()
    wrap = verdict.form == "select"
    offset = ctx.page["offset"] if ctx.page else 0
    values = _sql.bound(params, verdict.parameters)
    rows = await _sql.read(ctx, sql, values, offset=offset)
    if wrap:
        rows.next_page = lambda shown: {"offset": offset + shown}
    if wrap and rows.truncated:
        rows.notes = rows.notes if offset else (*rows.notes, PAGES_NOTE)
    elif not rows.truncated:
        rows.total = offset + len(rows.rows)
    return rows


@tool(tier=Tier.READ, scope=SCOPE, sql=SqlUse.READ)
async def explain_query(
    ctx: Context, sql: str, params: _sql.Params = None, analyze: bool = False, buffers: bool = False
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
    """Say, running nothing, whether a statement may run, what it needs and touches, with estimated cost and rows."""
    verdict = ctx.verdict
    if verdict is None:
        raise _sql.no_statement()
    data = _judgement(ctx)
    if data["allowed"] and _sql.has_plan(ctx):
        data |= await _estimate(ctx, sql)
    return Report("\n".join(_lines(data)), data)


async def _explain(ctx: Context, sql: str, params: list[Any] | None, *, analyze: bool, buffers: bool) -> dict[str, Any]:
    """Return the plan of the call's statement, as the first element of EXPLAIN's JSON.

    Raises:
        ArgumentError: The statement has no plan, or its parameters do not fit.
    """
    verdict = ctx.verdict
    if verdict is None:
        raise _sql.no_statement()
    if verdict.form != "select":
        hint = "Give the query itself; explain_query adds the EXPLAIN."
        raise ArgumentError(f"{verdict.form.upper()} has no plan.", hint=hint)
    generic = verdict.parameters > 0 and params is None
    if generic and analyze:
        raise ArgumentError("analyze runs the query: its parameters need values.", hint="Give params.")
    statement = verdict.plannable or verdict.canonical
    # BUFFERS is said either way: since 18 ANALYZE turns it on.
    explain = f"EXPLAIN (FORMAT JSON, SETTINGS, BUFFERS {str(buffers).lower()}, ANALYZE {str(analyze).lower()}) "
    nulls = ", ".join(["NULL"] * verdict.parameters)
    try:
        rows = await ctx.db.read(
            explain + (f"EXECUTE judged({nulls})" if generic else statement),
            () if generic else _sql.bound(params, verdict.parameters),
            prepare=statement if generic else "",
            wrap=False,
            limit=1,
            max_bytes=PLAN_BYTES,
            timeout_s=ctx.timeout_s,
            # What is planned needs none of the parameters that masks bind.
            masking=replace(verdict.masking, parameters=()) if verdict.masking else None,
        )
    except QueryError as exc:
        raise await _sql.for_caller(ctx, exc, sql, before=0 if generic else len(explain)) from None
    _sql.check_plan(ctx, "".join(row[0] or "" for row in rows.rows), sql)
    if not rows.rows or len(rows.rows[0][0] or "") > PLAN_BYTES:
        raise QueryError(f"The plan is larger than {PLAN_BYTES:,} bytes.", code="plan_too_large")
    return _without_ours(json.loads(rows.rows[0][0] or "[{}]")[0], generic=generic)


def _without_ours(plan: dict[str, Any], *, generic: bool) -> dict[str, Any]:
    """Return a plan without the setting that made it generic, which is not the server's, nor an empty list of them."""
    settings = plan.pop("Settings", {})
    if generic:
        settings.pop("plan_cache_mode", None)
    return {**plan, "Settings": settings} if settings else plan


def _judgement(ctx: Context) -> dict[str, Any]:
    """Return what the guard and then the policy say of the statement: both have to let it pass."""
    verdict, decision = ctx.verdict, ctx.decision
    if verdict is None:
        raise _sql.no_statement()
    data = verdict.as_dict()
    if not verdict.accepted:
        return data
    data["allowed"] = decision is None or decision.allowed
    data["tier"], data["command"] = verdict.tier, verdict.command
    if verdict.change is not None:
        change = verdict.change
        data["targets"] = [f"{target.kind} {target.name}" for target in change.targets]
        data["class"] = change.object_class
        data |= {"confirm_name": change.typed_name} if change.typed_name else {}
        data |= {"why": change.why} if change.why else {}
    if decision is not None:
        data["rule"] = decision.rule
    if decision is not None and not decision.allowed:
        data |= {"code": "not_allowed", "message": f"the policy refuses it by {decision.rule}."}
        data |= {"hint": decision.hint} if decision.hint else {}
    return data


async def _estimate(ctx: Context, sql: str) -> dict[str, Any]:
    """Return the planner's cost and rows, or why it has none."""
    verdict = ctx.verdict
    if verdict is None:
        raise _sql.no_statement()
    try:
        rows, cost = await _sql.estimate(ctx, sql, None if verdict.parameters else ())
    except QueryError as exc:
        return {"planner_error": exc.message, **({"planner_hint": exc.hint} if exc.hint else {})}
    return {"estimated_cost": cost, "estimated_rows": rows}


def _lines(data: dict[str, Any]) -> list[str]:
    lines = [_answer(data)]
    if data.get("hint"):
        lines.append(f"Hint: {data['hint']}")
    if data.get("why"):
        lines.append(data["why"])
    names = ("kinds", "targets", "relations", "functions")
    lines += [f"{name}: {', '.join(data[name])}" for name in names if data.get(name)]
    if "planner_error" in data:
        lines.append(f"PostgreSQL cannot plan it: {data['planner_error']}")
    if "planner_hint" in data:
        lines.append(f"Hint: {data['planner_hint']}")
    if "estimated_cost" in data:
        lines.append(f"Estimated cost {data['estimated_cost']:,.2f}, about {data['estimated_rows']:,} rows")
    return lines


def _answer(data: dict[str, Any]) -> str:
    if not data["allowed"]:
        return f"Not allowed ({data['code']}): {data['message']}"
    by = f" by {data['rule']}" if "rule" in data else ""
    if data["tier"] == "read":
        return f"Allowed as a read{by}."
    need = f"confirm_name={data['confirm_name']}" if data["tier"] == "typed" else "confirm=true"
    return f"Allowed{by}: {data['command']} needs a person's yes (tier {data['tier']}, {need})."

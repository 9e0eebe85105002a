"""The steps of a transaction: calls of row tools, checked and composed first, then run as one."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field, ValidationError

from pgwarden.context import Composed, Context, Part
from pgwarden.errors import ArgumentError, DatabaseError, InternalError, QueryError, WardenError, did_you_mean
from pgwarden.results import Plan, Report, Written
from pgwarden.tools import _impact, _rows_change, _rows_reference, _rows_run, _sql
from pgwarden.tools._rows_reference import Source

if TYPE_CHECKING:
    from pgwarden.catalogue import ToolSpec
    from pgwarden.db.statements import Returned, Statements

MOST_STEPS = 50
MOST_SHOWN = 20
"""Rows of one step that are shown."""
PLAN_S = 5.0
"""Seconds that the plan of all steps may take."""
_MOST_OF_ONE_S = 1.0
_READ = "read_rows"
TOOLS = (_READ, "insert_rows", "upsert_rows", "update_rows", "archive_rows", "restore_rows", "delete_rows")
_MEMBERS = ("tool", "arguments", "as", "expect_rows")
_OF_VALUES = frozenset({"rows", "values", "filter", "key"})
"""Arguments whose values may be references."""
_OF_CALLS = frozenset(
    {"confirm", "confirm_name", "dry_run", "format", "max_rows", "cursor", "timeout_s", "transaction_id"}
)
"""Arguments that a call has, and a step has not."""
_NAME = re.compile(r"[A-Za-z_]\w{0,62}")

Steps = Annotated[
    list[dict[str, Any]],
    Field(
        min_length=1,
        max_length=MOST_STEPS,
        description='[{"tool": "insert_rows", "arguments": {...}, "as": "order", "expect_rows": 1}]; a value may be '
        '{"$ref": "order.id"} or "order[1].id": what that step returned.',
    ),
]


@dataclass(frozen=True, slots=True)
class Step:
    """A step as its statement has it in `Composed.about`.

    Attributes:
        about: What its statement is about.
        tool: Its tool.
        name: As the caller called it; empty where they did not.
        arguments: Of the tool, references found.
        expected: How many rows it has to affect, or return; None: any number.
    """

    about: _rows_run.About
    tool: str
    name: str
    arguments: Mapping[str, Any]
    expected: int | None


class _ConflictError(Exception):
    """A step did not find the version that it expects."""


async def compose(ctx: Context, steps: list[dict[str, Any]]) -> list[Composed]:
    """Return the statements of steps.

    Raises:
        ArgumentError: A step is not valid; says which.
        PolicyError: Its tool is none of the caller's.
    """
    sources: list[Source] = []
    made: list[Composed] = []
    for number, given in enumerate(steps):
        try:
            made.append(await _compose(ctx, number, given, sources))
        except WardenError as exc:
            raise _located(exc, number) from None
    return made


async def plan(ctx: Context) -> Plan:
    """Return what the steps would do, each as if it were the first.

    Raises:
        DatabaseError: PostgreSQL would refuse one, or cannot be asked.
    """
    ends = time.monotonic() + PLAN_S
    texts, data = ["all or nothing, in this order; rows are counted as they are before the first step"], []
    for number, part in enumerate(ctx.parts):
        inner, step = _inside(ctx, part), _step(part)
        budget = min(_MOST_OF_ONE_S, max(ends - time.monotonic(), 0.0))
        known = not _rows_reference.late(part.composed.params)
        try:
            found = await _impact.plan(inner, part.composed.sql, part.composed.params, known=known, budget_s=budget)
        except QueryError as exc:
            raise _located(await _rows_run.explained(inner, exc), number) from None
        texts.append(f"{number}. {_title(step)}: {found.text}")
        data.append({"step": number, "tool": step.tool, **found.data})
    return Plan("\n".join(texts), {"steps": data})


async def run(ctx: Context, *, dry_run: bool) -> Report:
    """Run the steps in one transaction.

    Raises:
        ArgumentError: A reference has no value, or a step affects another number of rows than expected.
        QueryError: A step fails; says which, and that nothing was changed.
        DatabaseError: as Database.transact.
    """
    work = _Work(ctx)
    try:
        written = await ctx.db.transact(
            work, timeout_s=ctx.timeout_s, max_affected=ctx.limits.max_affected_rows, dry_run=dry_run
        )
    except _ConflictError:
        part = ctx.parts[work.at]
        raise _located(await _conflict(_inside(ctx, part), _step(part).arguments), work.at) from None
    except QueryError as exc:
        # What fails behind the last step is no step: a constraint that was deferred, the commit.
        if work.at == len(ctx.parts):
            raise
        raise _located(await _rows_run.explained(_inside(ctx, ctx.parts[work.at]), exc), work.at) from None
    except ArgumentError as exc:
        raise _located(exc, work.at) from None
    return _report(ctx, written, runs=work.runs, dry_run=dry_run)


class _Work:
    """Runs the steps, from the first one each time that it is called; `at` is the step that it has come to."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self.at = 0
        self.runs = 0

    async def __call__(self, statements: Statements) -> None:
        self.at, self.runs = 0, self.runs + 1
        results: list[Returned] = []
        for part in self._ctx.parts:
            results.append(await _run(self._ctx, statements, part, results))
            self.at += 1


async def _compose(ctx: Context, number: int, given: Mapping[str, Any], sources: list[Source]) -> Composed:
    spec, arguments, name, expected = _read(ctx, given, sources)
    linked = {
        each: _rows_reference.linked(value, sources) if each in _OF_VALUES else value
        for each, value in arguments.items()
    }
    values = {each: value for each, value in _validated(spec, linked).items() if each not in _OF_CALLS}
    assert spec.compose is not None
    composed = await spec.compose(replace(ctx, page=None), **values)
    if not isinstance(composed, Composed) or not isinstance(composed.about, _rows_run.About):
        raise InternalError
    about = composed.about
    masked = await ctx.db.masked_columns(*about.table.ref)
    returns = tuple(each for each in about.returns if each in about.table.columns)
    sources.append(Source(number, name, about.table, returns, masked))
    return replace(composed, about=Step(about, spec.name, name, values, expected), spec=spec)


def _read(
    ctx: Context, given: Mapping[str, Any], sources: Sequence[Source]
) -> tuple[ToolSpec, Mapping[str, Any], str, int | None]:
    """Return the members of a step.

    Raises:
        ArgumentError: One is missing, unknown or of the wrong type.
        PolicyError: The tool is none of the caller's.
    """
    for member in given:
        if member not in _MEMBERS:
            near = did_you_mean(member, _MEMBERS)
            hint = f"Did you mean {near}?" if near else f"A step has: {', '.join(_MEMBERS)}."
            raise ArgumentError(f"A step has no {member[:64]!r}.", hint=hint)
    tool, arguments, name, expected = (given.get(member) for member in _MEMBERS)
    if tool not in TOOLS or ctx.find is None:
        near = did_you_mean(tool, TOOLS) if isinstance(tool, str) else None
        hint = f"Did you mean {near}?" if near else f"Steps are: {', '.join(TOOLS)}."
        raise ArgumentError(f"tool is {str(tool)[:64]!r}, which is no step.", hint=hint)
    if not isinstance(arguments, dict):
        raise ArgumentError("arguments is missing.", hint=f"It has the arguments of {tool}.")
    if name is not None and (not isinstance(name, str) or not _NAME.fullmatch(name)):
        raise ArgumentError("as is no name.", hint="Letters, digits and _, 63 at most.")
    if name and name in {source.name for source in sources}:
        raise ArgumentError(f"Two steps are called {name}.")
    if expected is not None and (not isinstance(expected, int) or isinstance(expected, bool) or expected < 0):
        raise ArgumentError("expect_rows is no number of rows.")
    return ctx.find(tool), arguments, name or "", expected


def _validated(spec: ToolSpec, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of a step, defaults filled in.

    Raises:
        ArgumentError: One is unknown, missing or of the wrong type.
    """
    known = [name for name in spec.argument_names if name not in _OF_CALLS]
    for name in given:
        if name not in known:
            near = did_you_mean(name, known)
            hint = f"Did you mean {near}?" if near else f"As a step it takes: {', '.join(known)}."
            raise ArgumentError(f"{spec.name} has no argument {name[:64]!r} as a step.", hint=hint)
    try:
        return spec.validate(given)
    except ValidationError as exc:
        error = exc.errors(include_url=False, include_input=False)[0]
        name = ".".join(str(part) for part in error["loc"])[:128]
        raise ArgumentError(f"{spec.name}: {name}: {error['msg']}.", hint=f"It takes: {', '.join(known)}.") from None


async def _run(ctx: Context, statements: Statements, part: Part, results: Sequence[Returned]) -> Returned:
    """Run one step.

    Raises:
        ArgumentError: A reference has no value, or it affects another number of rows than expected.
        QueryError: The server refused it.
        _ConflictError: No row has the expected version.
    """
    step, verdict = _step(part), part.verdict
    run = statements.read if verdict.change is None else statements.write
    returned = await run(
        verdict.canonical,
        _rows_reference.resolved(part.composed.params, results),
        limit=ctx.limits.max_rows,
        max_bytes=ctx.max_bytes,
        timeout_s=ctx.timeout_s,
        masking=verdict.masking,
    )
    count = len(returned.rows) if verdict.change is None else returned.affected
    if step.arguments.get("expected_version") and not count:
        raise _ConflictError
    if step.expected is not None and count != step.expected:
        raise ArgumentError(
            f"{step.tool} on {step.about.table} met {count:,} rows, and {step.expected:,} are expected.",
            code="unexpected_rows",
            hint="Nothing was changed. Look at the rows, and decide again.",
            details={"rows": count, "expected": step.expected},
        )
    return returned


async def _conflict(ctx: Context, given: Mapping[str, Any]) -> WardenError:
    """Return why a step found no row of the version that it expects; with the row as it is, where that can be read."""
    try:
        return await _rows_change.conflict(ctx, dict(given["filter"]), given["version_column"])
    except (ArgumentError, DatabaseError):
        # The row is one that only the transaction knew.
        return QueryError("No row has the expected version; nothing was changed.", code="version_conflict")


def _report(ctx: Context, written: Sequence[Written], *, runs: int, dry_run: bool) -> Report:
    lines: list[str] = []
    data: list[dict[str, Any]] = []
    for number, (part, done) in enumerate(zip(ctx.parts, written, strict=True)):
        inner, step = _inside(ctx, part), _step(part)
        head = f"{number}. {_title(step)}: {done.tag}"
        facts: dict[str, Any] = {"step": number, "tool": step.tool, "command": done.tag}
        facts |= {"as": step.name} if step.name else {}
        lines.append(head)
        if done.rows is not None and done.rows.columns:
            rows = _sql.shown(inner, done.rows, part.composed.sql)
            width = len(rows.columns) - step.about.tail
            names = [column.name for column in rows.columns[:width]]
            kept = [row[:width] for row in rows.rows[:MOST_SHOWN]]
            lines += _table(names, kept, len(rows.rows), ctx.limits.max_cell_chars)
            facts |= {"columns": names, "rows": kept}
            facts |= {"rows_not_shown": len(rows.rows) - len(kept)} if len(rows.rows) > len(kept) else {}
        if said := _rows_run.said(inner, done):
            lines += said
            facts["notes"] = list(said)
        data.append(facts)
    notes = [_rows_run.DRY_RUN_NOTE] if dry_run else []
    if runs > 1:
        notes.append(f"run {runs} times: other transactions were in the way")
    affected = sum(done.affected or 0 for part, done in zip(ctx.parts, written, strict=True) if part.verdict.change)
    return Report(
        "\n".join(lines),
        {"steps": data, "affected": affected, "rolled_back": dry_run},
        tuple(notes),
        affected=affected,
    )


def _table(names: Sequence[str], rows: Sequence[Sequence[str | None]], total: int, most: int) -> list[str]:
    """Return the lines of a step's rows; what has line breaks or bars is quoted as JSON."""
    if not rows:
        return []
    lines = ["|".join(_cell(name, most) for name in names)]
    lines += ["|".join(_cell(cell, most) for cell in row) for row in rows]
    return [*lines, f"({total - len(rows):,} more rows are not shown)"] if total > len(rows) else lines


def _cell(value: str | None, most: int) -> str:
    if value is None:
        return "NULL"
    text = value if len(value) <= most else f"{value[:most]}…"
    plain = text.isprintable() and "|" not in text and text != "NULL" and not text.startswith('"')
    return text if plain else _rows_run.quoted(text)


def _step(part: Part) -> Step:
    if not isinstance(part.composed.about, Step):
        raise InternalError
    return part.composed.about


def _inside(ctx: Context, part: Part) -> Context:
    """Return the context of one step, as a call of its tool would have it."""
    composed = replace(part.composed, about=_step(part).about)
    return replace(ctx, composed=composed, verdict=part.verdict, decision=part.decision, parts=())


def _title(step: Step) -> str:
    return f"{step.tool} as {step.name}" if step.name else step.tool


def _located(exc: WardenError, number: int) -> WardenError:
    """Return an error of a step with the step's number, once."""
    if "step" not in exc.details:
        exc.message, exc.details = f"steps[{number}]: {exc.message}", {**exc.details, "step": number}
    return exc

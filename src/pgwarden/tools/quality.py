"""What is in the columns of a table: the tool of the category quality."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from pgwarden.catalogue import SqlUse, Tier, tool
from pgwarden.context import Composed, Context
from pgwarden.errors import InternalError, NotFoundError, StatementTimeoutError
from pgwarden.results import Image, Report
from pgwarden.tools import _names, _profile_sample, _profile_text, _rows_run, _rows_table
from pgwarden.tools._profile_stats import CORRELATED, ESTIMATOR, Stats, stable

if TYPE_CHECKING:
    from pgwarden.db.profile import Kind, Sampling

SCOPE = "database:read"
NO_IMAGE = "no picture: the extra is missing; pip install 'pgwarden[plot]'"
_PAIRED = 10
"""Rows from which on a correlation says something."""
_NAMED = 10
"""Columns without statistics that are named."""


@dataclass(frozen=True, slots=True)
class _Task:
    """What is profiled, and how."""

    table: _rows_table.Table
    columns: tuple[_rows_table.Column, ...]
    kinds: tuple[Kind, ...]
    sampling: Sampling
    total: float | None
    order: dict[str, float]
    sample: int
    top: int
    notes: tuple[str, ...]
    masked: tuple[str, ...]

    def composed(self) -> Composed:
        from pgwarden.db import profile

        columns = [(column.name, kind) for column, kind in zip(self.columns, self.kinds, strict=True)]
        text, values = profile.statement(self.table.ref, columns, self.sampling, self.top)
        return Composed(text, values, self)


async def compose(
    ctx: Context, table: str, columns: list[str] | None = None, sample: int = 10_000, top: int = 5, image: bool = False
) -> Composed:
    """Return the one statement of a profile.

    Raises:
        ArgumentError: The arguments do not fit the table.
        NotFoundError: There is no such table or column.
    """
    target = await _rows_table.load(ctx, table)
    hidden = await _profile_sample.masked(ctx, target)
    used, left = _profile_sample.chosen(target, columns, hidden or frozenset())
    facts = await ctx.db.json("profile_facts", {"oid": await _names.resolve(ctx, table)})
    if not facts:
        raise NotFoundError(f"There is no table {table!r} any more.")
    asked = set(columns) if columns is not None else set(target.columns)
    masked = tuple(sorted(asked & (hidden or frozenset())))
    unreadable = [name for name in target.columns if name in asked and not target.columns[name].readable]
    notes = (
        *_listed("masked, without statistics", masked),
        *_listed("not readable by the role", unreadable),
        *_listed("left out, name them in columns", left),
    )
    return _Task(
        target,
        tuple(used),
        tuple(map(_profile_sample.kind, used)),
        _profile_sample.sampling(facts, target, sample, shielded=hidden is not None),
        facts["rows"] if target.kind in ("r", "p", "m") else None,
        facts["order"] or {},
        sample,
        top,
        notes,
        masked,
    ).composed()


@tool(tier=Tier.READ, scope=SCOPE, sql=SqlUse.READ, compose=compose)
async def profile_table(
    ctx: Context,
    table: _rows_run.TableName,
    columns: Annotated[list[str] | None, Field(description="Default: all readable, 40 at most.")] = None,
    sample: Annotated[int, Field(ge=100, le=1_000_000, description="Rows.")] = 10_000,
    top: Annotated[int, Field(ge=1, le=20, description="Most frequent values (JSON).")] = 5,
    image: Annotated[bool, Field(description="Also a picture of the histograms.")] = False,
) -> Report:
    """Profile a table's columns in one pass over a sample: nulls, distinct, range, histogram, top values, verdicts."""
    task: _Task = _rows_run.statement(ctx).about
    found = await _found(ctx, task)
    if task.sampling.method and _rows(found) < _profile_sample.FLOOR:
        # Statistics promised more rows than there are, or other ones: take the first instead.
        task = replace(task, sampling=replace(task.sampling, method="", limit=task.sample))
        if ctx.reading is None:
            raise InternalError
        found = await _found(await ctx.reading(task.composed()), task)
    return _report(task, found, image=image)


_Found = dict[int, dict[str, Any]]


async def _found(ctx: Context, task: _Task) -> _Found:
    """Return the parts of each column by its place.

    Raises:
        DatabaseError: as _rows_run.read; says what to ask for where time was up.
    """
    # However small a page of rows may be, this is one value.
    try:
        rows = await _rows_run.read(replace(ctx, max_rows=1))
    except StatementTimeoutError as exc:
        exc.hint = f"Take a smaller sample than {task.sample:,}, or fewer columns than {len(task.columns)}."
        raise
    parts: _Found = defaultdict(dict)
    for at, part, value in json.loads(rows.rows[0][0] or "[]"):
        parts[at][part] = value
    return parts


def _rows(found: _Found) -> int:
    return int(found[0]["base"]["rows"])


def _report(task: _Task, found: _Found, *, image: bool) -> Report:
    rows = _rows(found)
    whole = not task.sampling.method and rows < task.sampling.limit
    columns = [
        Stats(column.name, column.type, kind, found[at], whole, task.total, task.order.get(column.name))
        for at, (column, kind) in enumerate(zip(task.columns, task.kinds, strict=True))
    ]
    how = _profile_sample.described(task.sampling, rows, task.total, whole=whole)
    lines = [f"{task.table}: {how}", _profile_text.table(columns)]
    pairs = _correlations(task, found)
    if pairs:
        lines.append("Correlated: " + ", ".join(f"{a} and {b} ({r:+.2f})" for a, b, r in pairs))
    data: dict[str, Any] = {
        "table": str(task.table),
        "sample": {"rows": rows, "whole": whole, "method": task.sampling.method or "first rows", "how": how},
        "columns": [_profile_text.data(each) for each in columns],
        "correlations": [{"columns": [a, b], "r": r} for a, b, r in pairs],
        "masked": list(task.masked),
    }
    if task.sampling.method:
        data["sample"]["percent"] = task.sampling.percent
    if task.total is not None:
        data["estimated_rows"] = round(task.total)
    notes = list(task.notes)
    if not whole and task.total is not None:
        notes.append(f"distinct: {ESTIMATOR}, from this sample and the table's estimated rows")
    images, missing = _pictures(task, columns) if image else ((), ())
    return Report("\n".join(lines), data, (*notes, *missing), images=images)


def _correlations(task: _Task, found: _Found) -> list[tuple[str, str, float]]:
    from pgwarden.db.profile import pairs

    if _rows(found) < _PAIRED:
        return []
    chosen = zip(pairs(task.kinds), found.get(-1, {}).get("correlations") or (), strict=False)
    strong = [(a, b, r) for (a, b), r in chosen if isinstance(r, int | float) and abs(r) >= CORRELATED]
    return [(task.columns[a].name, task.columns[b].name, stable(r)) for a, b, r in strong]


def _pictures(task: _Task, columns: list[Stats]) -> tuple[tuple[Image, ...], tuple[str, ...]]:
    """Return a picture of the columns that have a histogram; or why there is none."""
    drawn = [each for each in columns if each.histogram]
    if not drawn:
        return (), ("no picture: no column has a histogram",)
    from pgwarden.format import plot

    charts = [plot.Chart(each.name, *each.span, tuple(each.histogram)) for each in drawn]
    try:
        return (Image(plot.png(str(task.table), charts)),), ()
    except ImportError:
        return (), (NO_IMAGE,)


def _listed(what: str, names: list[str] | tuple[str, ...]) -> tuple[str, ...]:
    if not names:
        return ()
    more = ", ..." if len(names) > _NAMED else ""
    return (f"{len(names):,} {what}: {', '.join(names[:_NAMED])}{more}",)

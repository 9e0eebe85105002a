"""What a transaction did, step by step, under the budget of a result."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from pgwarden.context import Context
from pgwarden.format import Caps, dumps, render_rows
from pgwarden.results import Report, Rows, Written
from pgwarden.tools import _rows_steps, _sql, _written

_OF_STEP = 256
"""Bytes of a step beside its rows."""
_OF_ALL = 512
_WHOLE = frozenset({"smallint", "integer", "bigint"})
_SAFE = 2**53
_NUMBER = re.compile(r"-?\d{1,19}", re.ASCII)


def report(ctx: Context, written: Sequence[Written], *, retries: int, dry_run: bool) -> Report:
    """Return what was done.

    Args:
        ctx: The call.
        written: What each step did.
        retries: How often all of it was run again.
        dry_run: Whether it was rolled back.
    """
    left = max(ctx.limits.max_result_bytes - _OF_ALL - _OF_STEP * len(written), 0)
    texts: list[str] = []
    steps: list[dict[str, Any]] = []
    affected = 0
    for part, each in zip(ctx.parts, written, strict=True):
        step = _rows_steps.step(part)
        affected += 0 if step.reads else each.affected or 0
        own = _rows_steps.context(ctx, part)
        said = () if step.reads else _written.said(own, part.composed.sql, each)
        facts: dict[str, Any] = {"step": step.source.number, "as": step.source.name or None, "tool": step.tool}
        facts |= {"table": str(step.table), "rows_found" if step.reads else "affected": each.affected}
        text = f"{step} {step.tool} {step.table}: {each.tag}"
        body, data = _shown(own, step, each.rows, left)
        body = "\n".join(filter(None, (body, *said)))
        facts |= {**data, "notes": [*said] or None}
        facts |= {"change": each.change} if each.change else {}
        left = max(left - max(len(body.encode()), len(dumps(data).encode())), 0)
        texts.append(f"{text}\n{body}" if body else text)
        steps.append({name: value for name, value in facts.items() if value is not None})
    notes = [_written.DRY_RUN_NOTE] if dry_run else []
    if retries:
        notes.append(f"run again {retries} time{'' if retries == 1 else 's'}: another transaction was in the way")
    data = {"affected": affected, "rolled_back": dry_run, "retries": retries, "steps": steps}
    if len(dumps(data).encode()) > ctx.limits.max_result_bytes - _OF_ALL:
        # What was done must not be lost for want of room.
        data["steps"] = f"{len(steps)} steps, not shown: the result would be too large"
    texts.append(f"{affected:,} row{'' if affected == 1 else 's'} changed")
    change = next((each.change.partition(".")[0] for each in written if each.change), "")
    notes += [f"change {change}"] if change else []
    return Report("\n".join(texts), data, tuple(notes), affected=affected, change=change)


def _shown(ctx: Context, step: _rows_steps.Step, rows: Rows | None, left: int) -> tuple[str, dict[str, Any]]:
    """Return the rows of a step as text and as data, as many as there is room for."""
    if rows is None or not rows.columns:
        return "", {}
    if step.reads and step.about.tail:
        rows.columns = rows.columns[: -step.about.tail]
        rows.rows = [row[: -step.about.tail] for row in rows.rows]
    assert ctx.composed is not None
    rows = _sql.shown(ctx, rows, ctx.composed.sql)
    most = ctx.limits.max_cell_chars
    rendered = render_rows(rows, "markdown", Caps(left, most))
    shown = rows.rows[: rendered.shown]
    columns = [column.name for column in rows.columns]
    data: dict[str, Any] = {"columns": columns, "rows": [_values(rows, row, most) for row in shown]}
    while shown and max(len(rendered.body.encode()), len(dumps(data).encode())) > left:
        shown = shown[: len(shown) // 2]
        rendered = render_rows(Rows(rows.columns, shown), "markdown", Caps(left, most))
        data["rows"] = data["rows"][: len(shown)]
    more = rows.truncated or ("bytes" if len(shown) < len(rows.rows) else None)
    if more is None:
        return rendered.body, data
    cut = f"({len(shown)} rows shown; more exist: {'byte' if more == 'bytes' else 'row'} cap)"
    return (f"{rendered.body}\n{cut}" if shown else cut), data | {"truncated": more}


def _values(rows: Rows, row: Sequence[str | None], most: int) -> list[Any]:
    """Return a row for JSON: numbers and booleans where JSON has them exactly, PostgreSQL's text for the rest."""
    return [_value(column.type, cell, most) for column, cell in zip(rows.columns, row, strict=True)]


def _value(type_: str, cell: str | None, most: int) -> Any:
    if cell is None:
        return None
    if type_ == "boolean" and cell in ("t", "f"):
        return cell == "t"
    # What is masked is no number.
    if type_ in _WHOLE and _NUMBER.fullmatch(cell) and abs(int(cell)) <= _SAFE:
        return int(cell)
    return cell if len(cell) <= most else f"{cell[:most]}…[{len(cell)} characters]"

"""Results as files: the tool of the category export.

As in run_query what is sent is `ctx.verdict.canonical`, never the argument `sql`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Sequence
from typing import Annotated, Literal

from pydantic import Field

from pgwarden.catalogue import SqlUse, Tier, tool
from pgwarden.context import Context
from pgwarden.errors import ArgumentError, InternalError, QueryError
from pgwarden.exports import MIME, Encoder, ExportFile, encoder
from pgwarden.results import Ack, Column, FileLink, Rows
from pgwarden.tools import _sql

SCOPE = "database:read"
COLUMNS_SHOWN = 100
"""Columns of a file that the answer names."""

Format = Literal["csv", "json", "ndjson", "parquet"]


@tool(tier=Tier.READ, scope=SCOPE, sql=SqlUse.READ, changes=True, bulk=True)
async def export_query(
    ctx: Context,
    sql: str,
    params: _sql.Params = None,
    format: Format = "csv",
    path: Annotated[str, Field(description="Under the export directory; default: a new name.")] = "",
    overwrite: bool = False,
    max_rows: Annotated[int | None, Field(ge=1, description="More are an error; default: all.")] = None,
    timeout_s: Annotated[float | None, Field(gt=0)] = None,
) -> Ack:
    """Write all rows of one read-only query to a local file. For results too large to read here."""
    verdict, exports = ctx.verdict, ctx.exports
    if verdict is None:
        raise _sql.no_statement()
    if exports is None:
        raise InternalError("There is no export directory.")
    if verdict.form != "select":
        raise ArgumentError(f"The rows of {verdict.form.upper()} cannot be exported.", hint="Use run_query.")
    values = _sql.bound(params, verdict.parameters)
    place = exports.place(path, format)
    started = time.perf_counter()
    await asyncio.to_thread(exports.clean)
    file = exports.open(place, overwrite=overwrite)
    try:
        # pyarrow takes a while to import.
        rows = await asyncio.to_thread(encoder, format, file)
        columns, count = await _write(ctx, sql, values, rows, file, max_rows)
        file.publish()
    finally:
        file.discard()
    columns = _sql.shown(ctx, Rows(columns, []), sql).columns
    counted = f"{count:,} row{'' if count == 1 else 's'}"
    size, took = file.size, (time.perf_counter() - started) * 1000
    text = f"Wrote {counted} to {exports.absolute(place)} ({format}, {size:,} bytes, {took:,.0f} ms)."
    link = FileLink(exports.uri(place), place.steps[-1], MIME[format], size, counted)
    return Ack(text, said=_said(columns), links=(link,), rows=count, note=f"{place}, {size} bytes")


def _said(columns: Sequence[Column]) -> tuple[str, ...]:
    """Return the columns for reading, in names that users of the database may have chosen."""
    named = [f"{column.name} {column.type}" for column in columns[:COLUMNS_SHOWN]]
    more = [f"and {len(columns) - COLUMNS_SHOWN} more"] if len(columns) > COLUMNS_SHOWN else []
    return (f"columns: {', '.join((*named, *more)) or 'none'}",)


async def _write(
    ctx: Context, sql: str, values: Iterable[str | None], rows: Encoder, file: ExportFile, max_rows: int | None
) -> tuple[tuple[Column, ...], int]:
    """Write the rows of the call's statement, and force them to disk. Returns their columns and number."""
    assert ctx.verdict is not None

    async def progress(count: int) -> None:
        await ctx.progress(count, f"{count:,} rows, {file.size:,} bytes")

    try:
        columns, count = await ctx.db.export(
            ctx.verdict.canonical,
            tuple(values),
            sink=rows,
            timeout_s=ctx.timeout_s,
            max_rows=max_rows,
            masking=ctx.verdict.masking,
            progress=progress,
        )
    except QueryError as exc:
        raise await _sql.for_caller(ctx, exc, sql) from None
    await asyncio.to_thread(rows.end)
    await asyncio.to_thread(file.sync)
    return columns, count

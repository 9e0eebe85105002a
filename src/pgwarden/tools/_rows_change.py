"""New values of rows, checked against the table, and the versions that they are expected to have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pgwarden.context import Context
from pgwarden.errors import ArgumentError, GuardError, InternalError, PolicyError, QueryError
from pgwarden.results import Cell, Rows
from pgwarden.tools import _rows_filter, _rows_run, _rows_values
from pgwarden.tools._rows_table import XMIN, Column, Table

if TYPE_CHECKING:
    from pgwarden.db.compose import Draft, Fragment, Slot

ARCHIVED_AT = "archived_at"
MOST_SHOWN = 3
"""Rows that a conflict shows."""
_STATEMENT_TOKENS = 19_900
"""The guard reads 20,000: two for each value and each name, and two for each row."""
_BYTES_A_CHARACTER = 4
_XID_DIGITS = 10
_COUNTERS = frozenset({"int2", "int4", "int8"})


def inserted(table: Table, rows: Sequence[Mapping[str, Any]], most: int) -> tuple[list[str], list[list[Slot]]]:
    """Return the columns that new rows give, and what each row gives for each of them.

    Args:
        table: Where they go.
        rows: As given.
        most: Rows at most.

    Raises:
        ArgumentError: A row does not fit the table; `details` has its index from 0.
    """
    table.check_can("INSERT")
    if len(rows) > most:
        raise ArgumentError(f"{len(rows):,} rows are given, and {most:,} are allowed.", hint="Give fewer at a time.")
    names = list(dict.fromkeys(name for row in rows for name in row))
    for name in names:
        _check_given(table, table.column(name))
    room = (_STATEMENT_TOKENS - 2 * (len(names) + len(table.columns))) // (2 * len(names) + 2)
    if len(rows) > room:
        message = f"{len(rows):,} rows of {len(names)} columns are more than one statement can have."
        raise ArgumentError(message, hint=f"Give at most {room:,} at a time.")
    out: list[list[Slot]] = []
    for index, row in enumerate(rows):
        try:
            _check_complete(table, row)
            out.append([_slot(table, table.column(name), row) for name in names])
        except ArgumentError as exc:
            if len(rows) > 1:
                exc.message, exc.details = f"rows[{index}]: {exc.message}", {**exc.details, "row": index}
            raise
    if not names and len(rows) > 1:
        raise ArgumentError("Several rows give no column.", hint="One row of defaults at a time.")
    return names, out


def met(draft: Draft, names: Sequence[str], rows: Sequence[Sequence[Slot]], key: Sequence[str]) -> Fragment | None:
    """Return the condition for the rows that new rows meet on a key; None where they meet none: NULL is no key."""
    from pgwarden.db.compose import Value

    places = [(name, names.index(name)) for name in key]
    conditions = []
    for row in rows:
        slots = [(name, row[place]) for name, place in places]
        given = [(name, slot.text) for name, slot in slots if isinstance(slot, Value)]
        if all(text is not None for _, text in given):
            conditions.append(draft.every([draft.test(name, "=", text) for name, text in given if text is not None]))
    return draft.some(conditions) if conditions else None


def _slot(table: Table, column: Column, row: Mapping[str, Any]) -> Slot:
    from pgwarden.db.compose import Value

    if column.name not in row:
        return "default"
    given = row[column.name]
    return Value(None if given is None and table.fills else _rows_values.stored(column, given))


def updated(table: Table, values: Mapping[str, Any]) -> dict[str, Slot]:
    """Return what columns are set to.

    Raises:
        ArgumentError: A value does not fit.
    """
    from pgwarden.db.compose import More, Value

    table.check_can("UPDATE")
    slots: dict[str, Slot] = {}
    for name, value in values.items():
        column = table.column(name)
        _check_given(table, column)
        more = _rows_values.added(column, value)
        slots[name] = Value(_rows_values.stored(column, value)) if more is None else More(more)
    return slots


def version_column(table: Table, name: str) -> str:
    """Return the column that has a row's version: the one that is named, or xmin.

    Raises:
        ArgumentError: There is none.
    """
    if name and name != XMIN:
        return table.column(name).name
    if not table.has_xmin:
        raise ArgumentError(f"Rows of {table} have no xmin.", hint="Name a column of theirs in version_column.")
    return XMIN


def version(table: Table, column: str, expected: str) -> str:
    """Return an expected version as PostgreSQL's text.

    Raises:
        ArgumentError: It is none.
    """
    if column != XMIN:
        return _rows_values.known(table.column(column), expected)
    if not (expected.isascii() and expected.isdigit() and len(expected) <= _XID_DIGITS and int(expected) < 2**32):
        raise ArgumentError("expected_version is no xmin.", hint='read_rows shows it: columns=[..., "xmin"].')
    return expected


def check_one(table: Table, condition: _rows_filter.Condition) -> None:
    """Refuse a version for what may be several rows; of a view that cannot be told.

    Raises:
        ArgumentError: The condition is not by a key.
    """
    if table.kind == "v" or _rows_filter.names_row(table, condition):
        return
    keys = " or ".join(f"({', '.join(key.columns)})" for key in table.keys)
    hint = f"Compare the columns of a key with =: {keys}." if keys else f"{table} has no key."
    raise ArgumentError(
        "expected_version is of one row, and the filter is not by a key.",
        code="key_missing",
        hint="Tables inherit from it, and its keys say nothing of their rows: name them." if table.shared else hint,
    )


def counts(table: Table, column: str) -> bool:
    """Tell whether a version column is a number to be counted up."""
    found = table.column(column)
    return found.base in _COUNTERS and not found.is_array


async def conflict(ctx: Context, given: dict[str, Any], version_name: str) -> QueryError:
    """Return why nothing had the expected version: the rows are gone, or have another by now, and are shown.

    Args:
        ctx: The call, whose change found no row.
        given: Its filter.
        version_name: Its version column; empty: xmin.

    Raises:
        WardenError: The rows cannot be read.
    """
    table: Table = _rows_run.statement(ctx).about
    names = list(dict.fromkeys([*table.readable, version_column(table, version_name)]))
    # Of a table with masked columns the version cannot be read.
    for shown in (names, table.readable):
        try:
            rows = await _current(ctx, table, shown, given)
            break
        except (GuardError, PolicyError):
            continue
    else:
        return QueryError("No row has the expected version, as far as may be known.", code="version_conflict")
    if not rows.rows:
        return QueryError(f"No row of {table} matches the filter.", code="row_not_found", hint="It may be deleted.")
    # No cap of results holds for an error.
    most = min(ctx.limits.max_cell_chars, ctx.limits.max_result_bytes // (_BYTES_A_CHARACTER * MOST_SHOWN * len(shown)))
    current = [dict(zip(shown, (_clipped(cell, most) for cell in row), strict=True)) for row in rows.rows[:MOST_SHOWN]]
    return QueryError(
        f"The row of {table} has changed since that version was read; nothing was changed.",
        code="version_conflict",
        hint="Look at the current row, decide again, and send its version.",
        details={"current": current},
    )


def _clipped(cell: Cell, most: int) -> Cell:
    return cell if cell is None or len(cell) <= most else f"{cell[:most]}…[{len(cell)} characters]"


async def _current(ctx: Context, table: Table, names: Sequence[str], given: dict[str, Any]) -> Rows:
    """Return rows as they are now, judged like any read.

    Raises:
        GuardError: They cannot be read so.
        PolicyError: They may not be.
        DatabaseError: They cannot be.
    """
    condition = _rows_filter.parse(table, given)
    if condition is None or ctx.reading is None:
        raise InternalError
    draft = _rows_run.draft()
    where = _rows_filter.compile_into(draft, condition)
    text = draft.select(table.ref, names, where, [])
    return await _rows_run.read(await ctx.reading(_rows_run.composed(draft, text, table)), primary=True)


def _check_given(table: Table, column: Column) -> None:
    """Refuse a value for a column that takes none.

    Raises:
        ArgumentError: It is computed, or the view does not pass it on.
    """
    if column.generated or column.identity == "a":
        why = "is computed from others" if column.generated else "is GENERATED ALWAYS AS IDENTITY"
        raise ArgumentError(f"{column.name} {why}.", code="generated_column", hint="Leave it out.")
    if not column.writable:
        raise ArgumentError(f"{table} passes no values of {column.name} on.", code="not_updatable")


def _check_complete(table: Table, row: Mapping[str, Any]) -> None:
    """Refuse a row that lacks what the table cannot fill in.

    Raises:
        ArgumentError: It does.
    """
    if table.fills:
        return
    missing = [each.name for each in table.columns.values() if each.name not in row and not each.fills_itself]
    if missing:
        raise ArgumentError(
            f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} NOT NULL without a default.",
            code="not_null_violation",
            hint="Give a value for each.",
        )

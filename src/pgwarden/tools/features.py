"""Rows of many entities by their keys, as models that are served need them: the tools of the category feature_read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import Field

from pgwarden.catalogue import SqlUse, Tier, tool
from pgwarden.context import Composed, Context
from pgwarden.errors import ArgumentError, QueryError
from pgwarden.results import Rows
from pgwarden.tools import _names, _profile_sample, _rows_run, _rows_table, _rows_values
from pgwarden.tools._rows_table import Column, Key, Table

SCOPE = "database:read"
PAGE = 100
MOST_ENTITIES = 1_000
_ENDS = ("schema", "name")


async def compose(
    ctx: Context, table: str, keys: list[Any], columns: list[str] | None = None, key: str = ""
) -> Composed:
    """Return the SELECT of a lookup.

    Raises:
        ArgumentError: The arguments do not fit each other or the table.
        NotFoundError: There is no such table, column or key.
    """
    from pgwarden.db import features

    target = await _rows_table.load(ctx, table, recent=True)
    most = min(MOST_ENTITIES, ctx.limits.max_rows)
    if not 0 < len(keys) <= most:
        raise ArgumentError(
            f"{len(keys):,} keys are given; from 1 to {most:,} are looked up at once.",
            hint="Look the others up in another call." if keys else None,
        )
    used = _key(target, key, keys[0])
    own = [target.columns[name] for name in used.columns]
    await _check_key(ctx, target, own)
    entities = [_entity(target, used, own, given, at) for at, given in enumerate(keys)]
    wanted = [name for name in _wanted(target, columns) if name not in used.columns]
    found = "found"
    while found in target.columns:
        found += "_"
    typed = [features.KeyColumn(column.name, column.sql_type) for column in own]
    text, values = features.statement(target.ref, typed, wanted, found, entities)
    return Composed(text, values, target)


@tool(tier=Tier.READ, scope=SCOPE, sql=SqlUse.READ, compose=compose)
async def lookup_features(
    ctx: Context,
    table: _rows_run.TableName,
    keys: Annotated[
        list[Any], Field(description="Entities: values of the key, or {column: value} each; 1,000 at most.")
    ],
    columns: Annotated[list[str] | None, Field(description="Default: all readable.")] = None,
    key: Annotated[str, Field(description="Unique constraint or index; default: primary key.")] = "",
) -> Rows:
    """Look up rows of many entities by a unique key: one row a key, in their order; `found` is false where missing."""
    rows = await _rows_run.read(ctx)
    missing = sum(row[-1] != "t" for row in rows.rows)
    if rows.truncated:
        rows.notes = (*rows.notes, "give fewer keys or columns at a time")
    elif len(rows.rows) != len(keys):
        # The key was unique when it was looked at, a moment ago.
        raise QueryError("The key is not unique any more.", code="key_changed", hint="Repeat the call.")
    if missing:
        rows.notes = (*rows.notes, f"{missing:,} not found")
    return rows


@tool(tier=Tier.READ, scope=SCOPE, paged=PAGE)
async def list_feature_tables(ctx: Context, schema: str = "") -> Rows:
    """List tables that lookup_features can read: unique keys with types, readable columns, estimated rows."""
    after = ctx.page or dict.fromkeys(_ENDS, "")
    params = {"schema": schema, "after_schema": after["schema"], "after_name": after["name"], "limit": ctx.max_rows + 1}
    rows = await ctx.db.query("feature_tables", params, limit=ctx.max_rows, max_bytes=ctx.max_bytes)
    if not rows.rows and ctx.page is None:
        await _names.check_schema(ctx, schema)
    rows.next_page = lambda shown: dict(zip(_ENDS, rows.rows[shown - 1][:2], strict=True))
    return rows


def _key(table: Table, name: str, first: Any) -> Key:
    """Return the key that is meant: as named, or the one whose columns the first entity gives, or the primary key.

    Raises:
        ArgumentError: No key has these columns.
        NotFoundError: There is none of this name, or no primary key.
    """
    if name or not isinstance(first, dict):
        return table.key(name)
    given = set(table.check_columns(first))
    for each in table.keys:
        if set(each.columns) == given:
            return each
    known = " or ".join(f"({', '.join(each.columns)})" for each in table.keys)
    hint = f"Keys: {known}." if known else "It has none; read_rows takes a filter."
    raise ArgumentError(f"No unique key of {table} is ({', '.join(given)}).", code="unknown_key", hint=hint)


async def _check_key(ctx: Context, table: Table, columns: Sequence[Column]) -> None:
    """Refuse a key that nothing can be compared with.

    Raises:
        ArgumentError: It has arrays, or masked columns.
    """
    masked = await _profile_sample.masked(ctx, table) or frozenset()
    for column in columns:
        if column.name in masked:
            raise ArgumentError(f"The key column {column.name} is masked.", code="key_masked", hint="Use another key.")
        if column.is_array or not all(column.sql_type):
            raise ArgumentError(
                f"The key column {column.name} is {column.type}.", hint="Use another key, or read_rows."
            )


def _entity(table: Table, key: Key, columns: Sequence[Column], given: Any, at: int) -> list[str]:
    """Return the values of an entity's key.

    Raises:
        ArgumentError: They do not fit the key; says which entity.
        NotFoundError: A column does not exist.
    """
    if not isinstance(given, dict):
        if len(columns) > 1:
            names = ", ".join(key.columns)
            raise ArgumentError(f"keys[{at}]: the key has the columns {names}.", hint="Give an object with all.")
        given = {columns[0].name: given}
    if given.keys() != set(key.columns):
        table.check_columns(given)
        raise ArgumentError(f"keys[{at}]: give just {', '.join(key.columns)}.", code="unknown_key")
    return [_value(column, given[column.name], at) for column in columns]


def _value(column: Column, value: Any, at: int) -> str:
    if value is None:
        raise ArgumentError(f"keys[{at}]: {column.name} is null.", code="null_key", hint="No entity has a NULL key.")
    try:
        text = _rows_values.compared(column, value)
    except ArgumentError as exc:
        exc.message, exc.details = f"keys[{at}]: {exc.message}", {**exc.details, "key": at}
        raise
    # Only steps of transactions can refer to what is still to come.
    assert isinstance(text, str)
    return text


def _wanted(table: Table, columns: Sequence[str] | None) -> list[str]:
    if columns is None:
        return table.readable
    if not columns:
        raise ArgumentError("columns is empty.", hint="Leave it out for all columns.")
    return table.check_columns(columns)

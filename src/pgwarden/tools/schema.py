"""What is in the database: tools of the category schema_read.

Each asks one named block of db/sql/schema*.sql in one round trip; only errors take a second one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from pgwarden.catalogue import Tier, tool
from pgwarden.context import Context
from pgwarden.errors import ArgumentError, NotFoundError
from pgwarden.results import Cell, Column, Report, Rows
from pgwarden.tools import _describe, _joins, _names

if TYPE_CHECKING:
    from pgwarden.db import TargetStatus

SCOPE = "database:read"
PAGE = 200
SUMMARISE_ABOVE = 200
"""Tables above which list_tables sums schemas up unless something narrows it."""
NO_SUMMARY = 2**62
TREE_NAMES = 100
"""Names of a kind and schema that object_tree shows."""
REFERRERS = 100
"""Foreign keys of other tables that describe_table shows for a table."""
PATHS = 5
"""Ways that find_join_path shows."""
MAX_HOPS = 10
UNREADABLE_NAMES = 10
"""Tables without the right to read them that list_tables names."""

Kind = Literal["table", "partitioned", "partition", "view", "matview", "foreign"]
Section = Literal[
    "columns",
    "keys",
    "indexes",
    "constraints",
    "comments",
    "triggers",
    "partitions",
    "sizes",
    "statistics",
    "definition",
]
SECTIONS: tuple[Section, ...] = ("columns", "keys", "indexes", "constraints", "comments")

Filter = Annotated[str, Field(description="Part of the name.")]
Table = Annotated[str, Field(description="schema.table")]


@tool(tier=Tier.READ, scope=SCOPE, paged=PAGE)
async def list_databases(ctx: Context) -> Rows:
    """List the server's databases."""
    return await _page(ctx, "list_databases", {}, {"after_name": 0}, shown=7)


@tool(tier=Tier.READ, scope=SCOPE, paged=PAGE)
async def list_schemas(ctx: Context, filter: Filter = "", system: bool = False) -> Rows:
    """List schemas with their numbers of tables, views and functions."""
    params = {"filter": filter, "system": system}
    return await _page(ctx, "list_schemas", params, {"after_schema": 0}, shown=6)


@tool(tier=Tier.READ, scope=SCOPE, paged=PAGE)
async def list_tables(ctx: Context, schema: str = "", filter: Filter = "", kinds: list[Kind] | None = None) -> Rows:
    """List tables and views: kind, estimated rows, bytes, comment. In a big database, unfiltered, one row a schema."""
    narrowed = bool(schema or filter or kinds or ctx.page)
    params = {
        "schema": schema,
        "filter": filter,
        "kinds": list(kinds or ()),
        "summarise_above": NO_SUMMARY if narrowed else SUMMARISE_ABOVE,
    }
    key = {"after_schema": 0, "after_name": 1}
    rows = await _page(ctx, "list_tables", params, key, shown=6, notes=lambda found: _left_out(found, bool(ctx.page)))
    if rows.rows and rows.rows[0][1] is None:
        return _schemas_summed_up(rows)
    return await _checked(ctx, rows, schema)


@tool(tier=Tier.READ, scope=SCOPE)
async def describe_table(
    ctx: Context,
    tables: Annotated[list[str], Field(min_length=1, max_length=50, description="schema.table each")],
    sections: Annotated[list[Section] | None, Field(description="Default: the first five.")] = None,
) -> Report:
    """Describe tables and views: columns with types, keys both ways, indexes, constraints, comments."""
    chosen = list(sections or SECTIONS)
    params = {**_names.lookup(tables), "sections": chosen, "referrers": REFERRERS + 1}
    found = await ctx.db.json("describe_tables", params)
    await _names.check_found(ctx, tables, [(table["idx"], table["ref"]) for table in found])
    once = list({table["ref"]: table for table in found}.values())
    for table in once:
        del table["idx"]
        if len(table.get("referenced_by", ())) > REFERRERS:
            table["referenced_by"] = table["referenced_by"][:REFERRERS]
            table["referenced_by_more"] = True
    return Report("\n\n".join(_describe.describe(table) for table in once), {"tables": once})


@tool(tier=Tier.READ, scope=SCOPE, paged=PAGE)
async def list_indexes(ctx: Context, schema: str = "", table: Table = "", filter: Filter = "") -> Rows:
    """List indexes: definition, validity, scans since statistics were reset, bytes."""
    params = {"schema": schema, "filter": filter, "oids": await _oids(ctx, table, schema)}
    rows = await _page(ctx, "list_indexes", params, {"after_schema": 0, "after_name": 1}, shown=9)
    return await _checked(ctx, rows, schema)


@tool(tier=Tier.READ, scope=SCOPE, paged=PAGE)
async def list_constraints(ctx: Context, schema: str = "", table: Table = "", filter: Filter = "") -> Rows:
    """List keys, checks and exclusions of tables; NOT NULL is in describe_table."""
    params = {"schema": schema, "filter": filter, "oids": await _oids(ctx, table, schema)}
    key = {"after_schema": 0, "after_table": 1, "after_name": 2}
    return await _checked(ctx, await _page(ctx, "list_constraints", params, key, shown=7), schema)


@tool(tier=Tier.READ, scope=SCOPE)
async def object_tree(ctx: Context, schema: str = "", filter: Filter = "") -> Report:
    """Show the names of everything, by schema and kind."""
    tree = await ctx.db.json("object_tree", {"schema": schema, "filter": filter, "names": TREE_NAMES})
    if not tree:
        await _names.check_schema(ctx, schema)
        return Report("Nothing found.", {"schemas": {}})
    lines: list[str] = []
    data: dict[str, Any] = {}
    for name, kinds in tree:
        lines.append(name)
        lines += [f"  {_branch(*kind)}" for kind in kinds]
        data[name] = {kind: {"count": count, "names": names} for kind, count, names in kinds}
    return Report("\n".join(lines), {"schemas": data})


@tool(tier=Tier.READ, scope=SCOPE, paged=50)
async def search_objects(ctx: Context, query: Annotated[str, Field(min_length=1)], schema: str = "") -> Rows:
    """Find tables, columns, functions, types, indexes and schemas by name or comment; finds misspelt names too."""
    text = " ".join(query.lower().split())
    if not text or "\0" in text:
        raise ArgumentError("The query is empty.", hint="Give words of a name or comment.")
    offset = ctx.page["offset"] if ctx.page else 0
    params = {
        "query": text,
        "words": [word for word in re.split(r"[\s.]+", text) if word] or [text],
        "grams": _names.trigrams(query),
        "schema": schema,
        "limit": ctx.max_rows + 1,
        "offset": offset,
    }
    rows = await ctx.db.query("search_objects", params, **_caps(ctx))
    rows.next_page = lambda shown: {"offset": offset + shown}
    return await _checked(ctx, rows, schema)


@tool(tier=Tier.READ, scope=SCOPE)
async def find_join_path(
    ctx: Context, from_table: Table, to_table: Table, max_hops: Annotated[int, Field(ge=1, le=MAX_HOPS)] = 6
) -> Report:
    """Find the shortest joins between two tables over foreign keys."""
    both = [from_table, to_table]
    found = await ctx.db.json("join_edges", {**_names.lookup(both), "max_hops": max_hops})
    await _names.check_found(ctx, both, [(index, ref) for index, _, ref in found["ends"]])
    (_, start, start_ref), (_, end, end_ref) = found["ends"]
    paths = _joins.shortest_paths(found["edges"], start, end, PATHS)
    if not paths:
        raise NotFoundError(
            f"No foreign keys lead from {start_ref} to {end_ref} within {max_hops} hop{'' if max_hops == 1 else 's'}.",
            hint=(f"There may be a longer way: max_hops={MAX_HOPS}. Or t" if max_hops < MAX_HOPS else "T")
            + "hey may be related without a declared key: compare columns with search_objects.",
            code="no_path",
        )
    joins = [_joins.as_sql(start_ref, path) for path in paths]
    data = [{"sql": sql, "keys": [step.key for step in path]} for sql, path in zip(joins, paths, strict=True)]
    return Report("\n\n".join(f"```sql\n{sql}\n```" for sql in joins), {"paths": data})


@tool(tier=Tier.READ, scope=SCOPE)
async def get_database_info(ctx: Context) -> Report:
    """Show version, size, uptime, the connected role with its warnings, and important settings."""
    info: dict[str, Any] = await ctx.db.json("database_info")
    role = await ctx.db.role()
    if role.warnings:
        info["role_warnings"] = list(role.warnings)
    if ctx.db.servers.replicated:
        info["servers"] = [_server(status) for status in await ctx.db.servers.status()]
    return Report("\n".join(_fact(name, value) for name, value in info.items()), info)


@tool(tier=Tier.READ, scope=SCOPE, paged=PAGE)
async def list_roles(
    ctx: Context,
    schema: Annotated[str, Field(description="Show grants on it.")] = "",
    filter: Filter = "",
) -> Rows:
    """List roles: attributes, memberships, grants on a schema. pg_* only where the filter asks."""
    rows = await _page(ctx, "list_roles", {"schema": schema, "filter": filter}, {"after_name": 0}, shown=5)
    if schema and all(row[3] is None for row in rows.rows):
        await _names.check_schema(ctx, schema)
    return rows


@tool(tier=Tier.READ, scope=SCOPE, paged=PAGE)
async def list_extensions(
    ctx: Context, available: Annotated[bool, Field(description="Also those not installed.")] = False
) -> Rows:
    """List extensions; `available` is a version other than the installed one."""
    return await _page(ctx, "list_extensions", {"available": available}, {"after_name": 0}, shown=5)


@tool(tier=Tier.READ, scope=SCOPE, paged=PAGE)
async def list_functions(ctx: Context, schema: str = "", filter: Filter = "") -> Rows:
    """List functions and procedures: signature, volatility, language, whose rights they run with."""
    key = {"after_schema": 0, "after_name": 1, "after_oid": 9}
    rows = await _page(ctx, "list_functions", {"schema": schema, "filter": filter}, key, shown=9)
    return await _checked(ctx, rows, schema)


def _caps(ctx: Context) -> dict[str, Any]:
    return {"limit": ctx.max_rows, "max_bytes": ctx.max_bytes, "timeout_s": ctx.timeout_s}


async def _page(
    ctx: Context,
    block: str,
    params: Mapping[str, Any],
    key: Mapping[str, int],
    *,
    shown: int,
    notes: Callable[[Sequence[tuple[Cell, ...]]], Iterable[str]] = lambda found: (),
) -> Rows:
    """Read a page that starts after the last row of the one before.

    `key` maps the block's parameters to the columns that say where a page ended; the block's last column is the total,
    and columns from `shown` on are not shown, but there for `notes`.
    """
    after = ctx.page["after"] if ctx.page else {name: "0" if name == "after_oid" else "" for name in key}
    found = await ctx.db.query(block, {**params, **after, "limit": ctx.max_rows + 1}, **_caps(ctx))

    def next_page(number: int) -> dict[str, Any]:
        return {"after": {name: found.rows[number - 1][at] for name, at in key.items()} if number else after}

    return Rows(
        found.columns[:shown],
        [row[:shown] for row in found.rows],
        found.truncated,
        next_page,
        total=int(found.rows[0][-1] or 0) if found.rows else None,
        notes=(*found.notes, *notes(found.rows)),
    )


def _left_out(found: Sequence[tuple[Cell, ...]], continued: bool) -> Iterable[str]:
    """Say what list_tables does not list, on its first page, and what of a page this role cannot read."""
    if found and found[0][-2] != "0" and not continued:
        yield f'{int(found[0][-2] or 0):,} partitions left out; kinds=["partition"] lists them'
    barred = [f"{row[0]}.{row[1]}" for row in found if row[-3] == "f"]
    if barred:
        more = f" and {len(barred) - UNREADABLE_NAMES:,} more" if len(barred) > UNREADABLE_NAMES else ""
        yield f"this role may not read {', '.join(barred[:UNREADABLE_NAMES])}{more}"


async def _checked(ctx: Context, rows: Rows, schema: str) -> Rows:
    """Return the rows; an unknown schema is an error, not an empty list."""
    if not rows.rows:
        await _names.check_schema(ctx, schema)
    return rows


async def _oids(ctx: Context, table: str, schema: str) -> list[int] | None:
    return [await _names.resolve(ctx, table, schema)] if table else None


def _schemas_summed_up(rows: Rows) -> Rows:
    columns = (rows.columns[0], Column("tables"), *rows.columns[3:])
    # Here the partitions are in the sums.
    note = f"{rows.total:,} tables: one row a schema. Give `schema`, `filter` or `kinds` to list tables."
    return Rows(columns, [(row[0], *row[2:]) for row in rows.rows], rows.truncated, notes=(note,))


def _branch(kind: str, count: int, names: list[str]) -> str:
    if not names:
        return f"{kind}: {count:,}"
    more = f", ... {count - len(names):,} more" if count > len(names) else ""
    return f"{kind} ({count:,}): {', '.join(names)}{more}"


def _server(status: TargetStatus) -> str:
    if not status.reachable:
        return f"{status.name}: {status.last_error}"
    lag = f", {status.lag_s:.1f} s behind" if status.lag_s is not None else ""
    note = f" ({status.note})" if status.note else ""
    return f"{status.name}: {status.server_version}, {status.latency_ms:.1f} ms{lag}{note}"


def _fact(name: str, value: Any) -> str:
    label = name.replace("_", " ")
    if isinstance(value, dict):
        return f"{label}: " + ", ".join(f"{key} = {setting}" for key, setting in value.items())
    if isinstance(value, list):
        return "\n".join(f"{label}: {item}" for item in value)
    return f"{label}: {value:,}" if isinstance(value, int) and not isinstance(value, bool) else f"{label}: {value}"

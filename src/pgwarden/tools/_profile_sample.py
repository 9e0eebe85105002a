"""Which columns of a table are profiled, as what, and how its rows are sampled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pgwarden.context import Context
from pgwarden.errors import ArgumentError
from pgwarden.tools._rows_table import Column, Table

if TYPE_CHECKING:
    from pgwarden.db.profile import Kind, Sampling

MOST_COLUMNS = 40
FLOOR = 100
"""Rows that a sample must have where the table has them."""
_SMALL_PAGES = 256
"""Of 8 kB: what is read whole rather than in parts."""
_SCANNED_PAGES = 16_384
"""Up to which every page is read for rows that are drawn one by one, which is the better sample."""
_DENSITY = 20.0
"""Rows of a page that are assumed where nothing is known."""
_HEADROOM = 2
"""Times the rows asked for at which a drawn sample is cut: scans that start anywhere would make a cut one differ."""
_KINDS: dict[str, Kind] = {
    **dict.fromkeys(("int2", "int4", "int8", "float4", "float8", "numeric"), "number"),
    **dict.fromkeys(("date", "timestamp", "timestamptz"), "date"),
    **dict.fromkeys(("time", "timetz", "interval"), "time"),
    **dict.fromkeys(("text", "varchar", "bpchar", "name", "citext"), "text"),
    **dict.fromkeys(("bytea", "int2vector", "oidvector", "vector", "halfvec", ""), "opaque"),
    "money": "money",
    "bool": "bool",
    "json": "json",
    "jsonb": "jsonb",
}


def kind(column: Column) -> Kind:
    """Return what can be asked of a column. Types that PostgreSQL does not bring are not looked into."""
    base = column.base or ""
    if column.is_array:
        known = (base or column.labels) and column.type not in ("int2vector", "oidvector")
        return "array" if known else "opaque"
    if column.labels:
        return "plain"
    return _KINDS.get(base, "plain")


async def masked(ctx: Context, table: Table) -> frozenset[str] | None:
    """Return the masked columns of a table; None where rules shield nothing of it."""
    bound = await ctx.db.bound()
    for name, shield in (bound.shields.relations if bound else {}).items():
        if (name.schema, name.name) == table.ref:
            return frozenset(shield.masked)
    return None


def chosen(table: Table, columns: Sequence[str] | None, hidden: frozenset[str]) -> tuple[list[Column], list[str]]:
    """Return the columns to profile, and those that could be but are too many.

    Args:
        table: Whose.
        columns: As named; None: all.
        hidden: Masked ones.

    Raises:
        ArgumentError: There are none, or too many were named.
        NotFoundError: One does not exist.
    """
    if columns is not None:
        names = table.check_columns(columns)
        if not names:
            raise ArgumentError("columns is empty.", hint="Leave it out for all columns.")
        if len(names) > MOST_COLUMNS:
            raise ArgumentError(
                f"{len(names)} columns are named, {MOST_COLUMNS} are profiled at a time.",
                hint="Profile the others in another call.",
            )
    else:
        names = list(table.columns)
    usable = [table.columns[name] for name in names if table.columns[name].readable and name not in hidden]
    if not usable:
        raise ArgumentError(
            f"No column of {table} can be profiled.",
            hint="They are masked, or the role may not read them." if table.columns else "It has none.",
        )
    return usable[:MOST_COLUMNS], [column.name for column in usable[MOST_COLUMNS:]]


def sampling(facts: Mapping[str, Any], table: Table, rows: int, *, shielded: bool) -> Sampling:
    """Return how rows are taken.

    Args:
        facts: Of the block profile_facts.
        table: Whose rows.
        rows: As many as wanted.
        shielded: Whether columns of it are masked: then it cannot be sampled in place.
    """
    from pgwarden.db.profile import Sampling

    pages = int(facts["pages"])
    if table.kind not in ("r", "p", "m") or shielded or facts["foreign"] or pages <= _SMALL_PAGES:
        return Sampling(rows)
    known = facts["rows"]
    expected = float(known) if known is not None else pages * _DENSITY
    if known is not None and expected <= rows:
        return Sampling(rows)
    # Few rows vary much in number: the floor is met with some to spare.
    wanted = max(rows, FLOOR * 1.5)
    share = min(100.0, 100.0 * wanted / max(expected, 1.0))
    if known is None:
        # Nobody knows how many rows the pages have: as few of them as may do, and never more rows than asked for.
        return Sampling(rows, "SYSTEM", share)
    return Sampling(round(wanted * _HEADROOM), "BERNOULLI" if pages <= _SCANNED_PAGES else "SYSTEM", share)


def described(way: Sampling, found: int, total: float | None, *, whole: bool) -> str:
    """Return one line about a sample: how many rows of how many, and how they were taken."""
    about = f" of about {total:,.0f}" if total is not None and total >= found else ""
    if whole:
        return f"all {found:,} rows" if found != 1 else "its only row"
    if way.method:
        cut = ", cut there: ANALYZE the table for an even sample" if found >= way.limit else ""
        return f"{found:,} rows{about}, TABLESAMPLE {way.method} ({way.percent:.3g} %), repeatable{cut}"
    return f"the first {found:,} rows{about}: no random sample"

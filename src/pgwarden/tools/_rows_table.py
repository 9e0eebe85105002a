"""A table as the row tools need to know it: its columns, what makes a row unique, and what can be done with it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pgwarden.context import Context
from pgwarden.errors import ArgumentError, NotFoundError, did_you_mean
from pgwarden.tools import _names

XMIN = "xmin"
"""The system column that changes with every version of a row; only tables of this server have it."""
_BITS = {"UPDATE": 4, "INSERT": 8, "DELETE": 16}
_STORED = frozenset({"r", "p"})

Operation = Literal["INSERT", "UPDATE", "DELETE"]


@dataclass(frozen=True, slots=True)
class Column:
    """A column.

    Attributes:
        name: As it is.
        type: As format_type() prints it.
        base: The type below its domains, or of its array's elements, where PostgreSQL brings it; else empty.
        category: pg_type.typcategory of the type below its domains.
        is_array: Whether it holds an array of `base`.
        length: Characters at most.
        labels: Of the enum below, in its order.
        not_null: Whether it refuses NULL.
        has_default: Whether it has a default of its own, or is generated.
        generated: Whether it is computed from others.
        identity: "a" (always), "d" (by default) or empty.
        readable: Whether the role may read it.
        writable: Whether a view passes changes of it on.
        sql_type: Schema and name of the type below its domains, or of its array's elements.
    """

    name: str
    type: str
    base: str | None
    category: str | None
    is_array: bool
    length: int | None
    labels: tuple[str, ...]
    not_null: bool
    has_default: bool
    generated: bool
    identity: str
    readable: bool
    writable: bool
    sql_type: tuple[str, str] = ("", "")

    @property
    def fills_itself(self) -> bool:
        """Whether a row need not give it."""
        return self.has_default or self.identity != "" or not self.not_null


@dataclass(frozen=True, slots=True)
class Key:
    """Columns that no two rows share, unless one of them is NULL; `immediate` is False where that is deferrable."""

    name: str
    primary: bool
    immediate: bool
    not_null: bool
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """A table, view or foreign table.

    Attributes:
        schema, name: As they are.
        kind: pg_class.relkind.
        can: Bits of what can be done with its rows, as pg_relation_is_updatable() says.
        fills: Whether a trigger may fill in columns before they are looked at.
        columns: By name, in the order of the table.
        keys: The primary key first, then those of fewer columns.
        shared: Whether rows of tables that inherit from it are among its own; its keys say nothing of those.
        rules: Whether it has rules, which may do something else instead.
        secured: Whether row-level security holds for the role.
        oid: Of the relation: what a yes is about stays this one, whatever bears its name by then.
        masked: Columns whose values are not shown as they are, so that no page can be found by them.
    """

    schema: str
    name: str
    kind: str
    can: int
    fills: bool
    columns: Mapping[str, Column]
    keys: tuple[Key, ...]
    shared: bool = False
    masked: frozenset[str] = frozenset()
    oid: int = 0
    rules: bool = False
    secured: bool = False

    @property
    def ref(self) -> tuple[str, str]:
        """Schema and name."""
        return self.schema, self.name

    def __str__(self) -> str:
        """Return the name for messages."""
        return f"{self.schema}.{self.name}"

    @property
    def has_xmin(self) -> bool:
        """Whether its rows have versions of PostgreSQL's own."""
        return self.kind in _STORED

    @property
    def identity(self) -> Key | None:
        """The key that tells all rows apart, and can be seen; None where there is none."""
        if self.shared:
            return None
        certain = (key for key in self.keys if key.primary or key.not_null)
        return next((key for key in certain if self.masked.isdisjoint(key.columns)), None)

    @property
    def readable(self) -> list[str]:
        """The columns that the role may read."""
        return [column.name for column in self.columns.values() if column.readable]

    def column(self, name: str) -> Column:
        """Return a column.

        Raises:
            NotFoundError: There is none of this name.
        """
        if name in self.columns:
            return self.columns[name]
        by_folded = {each.lower(): each for each in self.columns}
        near = did_you_mean(name, by_folded)
        some = list(self.columns)[:20]
        more = ", ..." if len(self.columns) > len(some) else ""
        hint = f"Did you mean {by_folded[near]}?" if near else f"It has: {', '.join(some)}{more}."
        brief = name if len(name) <= _names.LONGEST_NAME else f"{name[: _names.LONGEST_NAME]}…"
        raise NotFoundError(f"{self} has no column {brief!r}.", code="unknown_column", hint=hint)

    def check_columns(self, names: Iterable[str]) -> list[str]:
        """Return names of columns, each once.

        Raises:
            NotFoundError: One does not exist.
        """
        return [self.column(name).name for name in dict.fromkeys(names)]

    def check_can(self, operation: Operation) -> None:
        """Make sure that rows can be changed so, as far as the relation's kind says.

        Raises:
            ArgumentError: They cannot.
        """
        if self.can & _BITS[operation]:
            return
        what = {"v": "view", "m": "materialized view", "f": "foreign table"}.get(self.kind, "table")
        raise ArgumentError(
            f"{self} is a {what} that passes no {operation} on.",
            code="not_updatable",
            hint="Change the tables it is made of." if self.kind in ("v", "m") else None,
        )

    def key(self, name: str, *, immediate: bool = False) -> Key:
        """Return a key by the name of its constraint or index; empty: the primary key.

        Args:
            name: The name.
            immediate: Whether it has to be checked at once.

        Raises:
            NotFoundError: There is none.
        """
        usable = [key for key in self.keys if key.immediate or not immediate]
        for key in usable:
            if key.name == name or (not name and key.primary):
                return key
        hint = f"It has: {', '.join(_described(usable))}." if usable else "It has no unique key that could be used."
        what = f"no unique key {name[: _names.LONGEST_NAME]!r}" if name else "no primary key"
        raise NotFoundError(f"{self} has {what}.", code="unknown_key", hint=hint)


async def load(ctx: Context, name: str, *, recent: bool = False) -> Table:
    """Return the table of a name as the catalog has it now; what is hidden does not exist.

    Args:
        ctx: The call.
        name: As the caller wrote it.
        recent: Whether what the catalog had a moment ago will do.

    Raises:
        ArgumentError: The name is empty or can mean several tables.
        NotFoundError: There is none; says which are near.
    """
    oid = await _names.resolve(ctx, name, recent=recent)
    facts = await (ctx.db.recent if recent else ctx.db.json)("rows_table", {"oid": oid})
    if not facts:
        raise NotFoundError(f"There is no table {name!r} any more.")
    return _table({**facts, "oid": oid}, await _masked(ctx, facts["schema"], facts["name"]))


async def _masked(ctx: Context, schema: str, name: str) -> frozenset[str]:
    bound = await ctx.db.bound()
    shields = bound.shields.relations.values() if bound else ()
    return next(
        (frozenset(each.masked) for each in shields if (each.name.schema, each.name.name) == (schema, name)),
        frozenset(),
    )


def _table(facts: Mapping[str, Any], masked: frozenset[str]) -> Table:
    columns = [
        Column(**{**each, "labels": tuple(each["labels"] or ()), "sql_type": _type(each)})
        for each in facts["columns"] or ()
    ]
    keys = tuple(Key(**{**each, "columns": tuple(each["columns"])}) for each in facts["keys"] or ())
    return Table(**{**facts, "columns": {column.name: column for column in columns}, "keys": keys, "masked": masked})


def _type(column: Mapping[str, Any]) -> tuple[str, str]:
    schema, name = column["sql_type"]
    return schema or "", name or ""


def _described(keys: Sequence[Key]) -> list[str]:
    return [f"{key.name} ({', '.join(key.columns)})" for key in keys]

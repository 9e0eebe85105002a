"""One statement from parts: identifiers are quoted, operators come from a table, every value becomes a parameter.

A `Draft` collects the values while its fragments are made; the statement that it ends in names them `$1`, `$2`, ... in
that order. Nothing else of what a caller gives becomes text, so that no value changes the statement's shape.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Final, Literal

from psycopg import sql

from pgwarden.results import Bindable, Later

Fragment = sql.Composable
Table = tuple[str, str]
"""Schema and name, as they are."""

OPERATORS: Final[Mapping[str, sql.SQL]] = {
    "=": sql.SQL("="),
    "<>": sql.SQL("<>"),
    "<": sql.SQL("<"),
    "<=": sql.SQL("<="),
    ">": sql.SQL(">"),
    ">=": sql.SQL(">="),
    "like": sql.SQL("LIKE"),
    "ilike": sql.SQL("ILIKE"),
    "contains": sql.SQL("@>"),
    "overlaps": sql.SQL("&&"),
}
"""Operators that take one value, by their names in filters."""


@dataclass(frozen=True, slots=True)
class Order:
    """A column to order by. `nullable` says whether it may hold NULL, which is last, or first when descending."""

    column: str
    descending: bool = False
    nullable: bool = True


@dataclass(frozen=True, slots=True)
class Value:
    """A value to store: PostgreSQL's text of it, None for NULL."""

    text: Bindable


@dataclass(frozen=True, slots=True)
class More:
    """A number to add to what a column has."""

    text: str


Slot = Value | More | Literal["default", "now", "null", "next"]
"""What a column is given: a value, more, its default, the time of the transaction, NULL, or one more than it has."""


class Draft:
    """The parts of one statement, and the values of its parameters."""

    def __init__(self) -> None:
        """Start without any."""
        self.values: list[Bindable] = []

    def test(self, column: str, operator: str, value: str | Later) -> Fragment:
        """Return the comparison of a column with a value; `operator` is a key of OPERATORS."""
        return _join(" ", sql.Identifier(column), OPERATORS[operator], self._value(value))

    def among(self, column: str, values: Sequence[str | Later]) -> Fragment:
        """Return whether a column has one of some values, of which there is at least one."""
        listed = sql.SQL(", ").join([self._value(value) for value in values])
        return _join("", sql.Identifier(column), sql.SQL(" IN ("), listed, sql.SQL(")"))

    def between(self, column: str, low: str | Later, high: str | Later) -> Fragment:
        """Return whether a column has a value from `low` to `high`."""
        parts = (sql.Identifier(column), sql.SQL("BETWEEN"), self._value(low), sql.SQL("AND"), self._value(high))
        return _brackets(_join(" ", *parts))

    def null(self, column: str, *, holds: bool = True) -> Fragment:
        """Return whether a column is NULL, or (`holds` false) is not."""
        return _join(" ", sql.Identifier(column), sql.SQL("IS NULL" if holds else "IS NOT NULL"))

    def every(self, parts: Sequence[Fragment]) -> Fragment:
        """Return whether all of at least one condition hold."""
        return parts[0] if len(parts) == 1 else _brackets(sql.SQL(" AND ").join(parts))

    def some(self, parts: Sequence[Fragment]) -> Fragment:
        """Return whether one of at least one condition holds."""
        return parts[0] if len(parts) == 1 else _brackets(sql.SQL(" OR ").join(parts))

    def negate(self, part: Fragment) -> Fragment:
        """Return whether a condition does not hold."""
        return _brackets(_join("", sql.SQL("NOT ("), part, sql.SQL(")")))

    def after(self, order: Sequence[Order], last: Sequence[str | None]) -> Fragment:
        """Return whether a row comes after the one that has these values, in an order that no two rows share."""
        if len({each.descending for each in order}) == 1 and not any(each.nullable for each in order):
            # As one comparison of rows an index serves it.
            sign = sql.SQL("<" if order[0].descending else ">")
            names = sql.SQL(", ").join([sql.Identifier(each.column) for each in order])
            values = sql.SQL(", ").join([self._value(value) for value in last])
            return _join(" ", _brackets(names), sign, _brackets(values))
        arms: list[Fragment] = []
        for at, (column, value) in enumerate(zip(order, last, strict=True)):
            if value is None and not column.descending:
                continue  # NULL is the last
            same = [self._same(*each) for each in zip(order[:at], last[:at], strict=True)]
            arms.append(self.every([*same, self._beyond(column, value)]))
        return self.some(arms)

    def select(self, table: Table, columns: Sequence[str], where: Fragment | None, order: Sequence[Order]) -> str:
        """Return a SELECT of columns from a table, in an order."""
        text = _join(" ", sql.SQL("SELECT"), _names(columns), sql.SQL("FROM"), sql.Identifier(*table), _where(where))
        if order:
            terms = [
                _join(" ", sql.Identifier(each.column), sql.SQL("DESC" if each.descending else "ASC")) for each in order
            ]
            text = _join(" ", text, sql.SQL("ORDER BY"), sql.SQL(", ").join(terms))
        return _text(text)

    def lock(self, table: Table, columns: Sequence[str], where: Fragment, *, alone: bool = False) -> str:
        """Return a SELECT that locks the rows where a condition holds; of ours alone, no guard lets it through.

        `alone`: no row that refers to them may come either.
        """
        head = (sql.SQL("SELECT"), _names(columns), sql.SQL("FROM"), sql.Identifier(*table))
        return _text(_join(" ", *head, _where(where), sql.SQL("FOR UPDATE" if alone else "FOR NO KEY UPDATE")))

    def insert(
        self,
        table: Table,
        columns: Sequence[str],
        rows: Sequence[Sequence[Slot]],
        returning: Sequence[str],
        *,
        conflict: Sequence[str] = (),
        replaced: Sequence[str] = (),
        overriding: bool = False,
    ) -> str:
        """Return an INSERT of rows.

        Args:
            table: Where.
            columns: What each row gives; with none there is one row, of defaults.
            rows: A slot for each column.
            returning: Columns to return.
            conflict: The columns of the key on which rows may meet others; none: that is an error.
            overriding: Whether values take the place of those that GENERATED ALWAYS columns would get.
            replaced: Columns that the row which was met takes from the new one; none: it stays as it is.
        """
        parts: list[Fragment] = [sql.SQL("INSERT INTO"), sql.Identifier(*table)]
        if columns:
            filled = [_brackets(sql.SQL(", ").join([self._slot("", slot) for slot in row])) for row in rows]
            parts.append(_brackets(_names(columns)))
            if overriding:
                parts.append(sql.SQL("OVERRIDING SYSTEM VALUE"))
            parts += [sql.SQL("VALUES"), sql.SQL(", ").join(filled)]
        else:
            parts.append(sql.SQL("DEFAULT VALUES"))
        if conflict:
            parts += [sql.SQL("ON CONFLICT"), _brackets(_names(conflict))]
            new = [_join("", sql.Identifier(c), sql.SQL(" = EXCLUDED."), sql.Identifier(c)) for c in replaced]
            does = _join(" ", sql.SQL("DO UPDATE SET"), sql.SQL(", ").join(new)) if new else sql.SQL("DO NOTHING")
            parts.append(does)
        return _text(_join(" ", *parts, _returning(returning)))

    def update(self, table: Table, values: Mapping[str, Slot], where: Fragment, returning: Sequence[str]) -> str:
        """Return an UPDATE of at least one column where a condition holds."""
        new = [_join("", sql.Identifier(c), sql.SQL(" = "), self._slot(c, slot)) for c, slot in values.items()]
        head = (sql.SQL("UPDATE"), sql.Identifier(*table), sql.SQL("SET"), sql.SQL(", ").join(new))
        return _text(_join(" ", *head, _where(where), _returning(returning)))

    def delete(self, table: Table, where: Fragment, returning: Sequence[str]) -> str:
        """Return a DELETE where a condition holds."""
        head = (sql.SQL("DELETE FROM"), sql.Identifier(*table))
        return _text(_join(" ", *head, _where(where), _returning(returning)))

    def _value(self, text: Bindable) -> Fragment:
        self.values.append(text)
        return sql.SQL(f"${len(self.values)}")

    def _slot(self, column: str, slot: Slot) -> Fragment:
        if isinstance(slot, Value):
            return self._value(slot.text)
        if isinstance(slot, More):
            return _join("", sql.Identifier(column), sql.SQL(" + "), self._value(slot.text))
        if slot == "next":
            return _join("", sql.Identifier(column), sql.SQL(" + 1"))
        return sql.SQL({"default": "DEFAULT", "now": "CURRENT_TIMESTAMP", "null": "NULL"}[slot])

    def _beyond(self, column: Order, value: str | None) -> Fragment:
        """Return whether a column comes after a value; NULL counts as the largest."""
        if value is None:
            return self.null(column.column, holds=False)
        greater = self.test(column.column, "<" if column.descending else ">", value)
        if column.descending or not column.nullable:
            return greater
        return self.some([greater, self.null(column.column)])

    def _same(self, column: Order, value: str | None) -> Fragment:
        return self.null(column.column) if value is None else self.test(column.column, "=", value)


def _join(between: Literal["", " "], *parts: Fragment) -> sql.Composed:
    return sql.SQL(between).join([part for part in parts if part != _NOTHING])


_NOTHING = sql.SQL("")


def _brackets(part: Fragment) -> Fragment:
    return sql.Composed([sql.SQL("("), part, sql.SQL(")")])


def _names(columns: Sequence[str]) -> Fragment:
    return sql.SQL(", ").join(list(chain(sql.Identifier(column) for column in columns)))


def _where(condition: Fragment | None) -> Fragment:
    return _NOTHING if condition is None else _join(" ", sql.SQL("WHERE"), condition)


def _returning(columns: Sequence[str]) -> Fragment:
    return _join(" ", sql.SQL("RETURNING"), _names(columns)) if columns else _NOTHING


def _text(statement: sql.Composable) -> str:
    return statement.as_string(None)

"""The grammar of filters (docs/rows.md): JSON in, a condition of one table out.

    {"status": "open"}                        equality
    {"price": {">=": 10, "<": 20}}            operators of OPERATORS, all of which must hold
    {"and": [...]}, {"or": [...]}, {"not": ...}

Several members of one object must all hold. Where a table has a column called "and", "or" or "not", it is meant
by everything but a list.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from pgwarden.errors import ArgumentError, did_you_mean
from pgwarden.results import Later
from pgwarden.tools import _rows_values
from pgwarden.tools._rows_conditions import Condition as Condition
from pgwarden.tools._rows_conditions import Joined as Joined
from pgwarden.tools._rows_conditions import Test as Test
from pgwarden.tools._rows_conditions import can_fail
from pgwarden.tools._rows_later import Reference
from pgwarden.tools._rows_table import Column, Table

if TYPE_CHECKING:
    from pgwarden.db.compose import Draft, Fragment

_GRAMMAR = (
    '{"col": value} or {"col": {op: value}}, op: = <> < <= > >= in like ilike between is_null contains overlaps; '
    '{"and": [...]}, {"or": [...]}, {"not": {...}}'
)
Filter = Annotated[dict[str, Any] | None, Field(description=_GRAMMAR)]
RequiredFilter = Annotated[dict[str, Any], Field(description="As of read_rows.")]
OPERATORS = (
    *("=", "<>", "<", "<=", ">", ">=", "in", "like", "ilike"),
    *("between", "is_null", "contains", "overlaps"),
)
MOST_VALUES = 1_000
"""Values of one `in`."""
MOST_TESTS = 200
MAX_DEPTH = 8
_ALIASES = {"!=": "<>", "==": "=", "eq": "=", "ne": "<>", "lt": "<", "lte": "<=", "gt": ">", "gte": ">="}
_PATTERNS = ("like", "ilike")
_CONNECTIVES = ("and", "or", "not")
_RANGES = ("R",)


def parse(table: Table, given: dict[str, Any] | None) -> Condition | None:
    """Return what a filter says of a table; None where it says nothing.

    Raises:
        ArgumentError: It is not of the grammar; or a column or value does not fit the table.
    """
    if not given:
        return None
    condition = _object(table, given, 0)
    if _count(condition) > MOST_TESTS:
        raise _wrong(f"it has more than {MOST_TESTS} comparisons", 'Compare with "in".')
    return condition


def by_key(table: Table, key: Any) -> Condition:
    """Return what tells the one row of a key: a value, or an object with each of its columns.

    Raises:
        ArgumentError: No key of the table has these columns, or a value does not fit.
    """
    if not isinstance(key, dict):
        primary = table.key("")
        if len(primary.columns) != 1:
            columns = ", ".join(primary.columns)
            raise ArgumentError(f"The key of {table} has the columns {columns}.", hint="Give an object with all.")
        key = {primary.columns[0]: key}
    names = table.check_columns(key)
    if not any(set(each.columns) == set(names) for each in table.keys):
        known = " or ".join(f"({', '.join(each.columns)})" for each in table.keys)
        hint = f"Keys: {known}." if known else "It has none; use filter."
        raise ArgumentError(f"No key of {table} is ({', '.join(names)}).", code="unknown_key", hint=hint)
    tests = [Test(table.column(name), "=", (_value(table.column(name), "=", key[name]),)) for name in names]
    return Joined("and", tuple(tests)) if len(tests) > 1 else tests[0]


def compile_into(draft: Draft, condition: Condition) -> Fragment:
    """Return a condition as a part of a draft."""
    if isinstance(condition, Joined):
        parts = [compile_into(draft, part) for part in condition.parts]
        if condition.word == "not":
            return draft.negate(parts[0])
        return draft.every(parts) if condition.word == "and" else draft.some(parts)
    name, values = condition.column.name, condition.values
    if condition.operator == "is_null":
        return draft.null(name, holds=condition.holds)
    if condition.operator == "in":
        return draft.among(name, values)
    if condition.operator == "between":
        return draft.between(name, values[0], values[1])
    return draft.test(name, condition.operator, values[0])


def check_real(condition: Condition | None) -> Condition:
    """Return a condition that keeps rows out, as far as its values tell; its shape is for the guard to judge.

    Raises:
        ArgumentError: There is none, or it holds whatever a row has.
    """
    if condition is None:
        raise ArgumentError("filter is empty.", code="condition_missing", hint='Say which rows: {"id": 1}.')
    if not can_fail(condition):
        raise ArgumentError(
            "The filter may hold for every row.",
            code="condition_missing",
            hint="Compare a column with a value that not all rows have.",
        )
    return condition


def names_row(table: Table, condition: Condition) -> bool:
    """Tell whether a condition can hold for one row at most: by each column of a key."""
    parts = condition.parts if isinstance(condition, Joined) and condition.word == "and" else (condition,)
    named = {part.column.name for part in parts if isinstance(part, Test) and part.operator == "="}
    return not table.shared and any(named.issuperset(key.columns) for key in table.keys)


def _object(table: Table, given: Any, depth: int) -> Condition:
    if depth > MAX_DEPTH:
        raise _wrong(f"it is nested more than {MAX_DEPTH} deep")
    if not isinstance(given, dict) or not given:
        raise _wrong("a condition is an object with a column or and, or, not")
    parts: list[Condition] = []
    for name, value in given.items():
        if name in _CONNECTIVES and not (name in table.columns and not isinstance(value, list)):
            parts.append(_connective(table, name, value, depth))
        else:
            parts += _tests(table.column(name), value)
    return parts[0] if len(parts) == 1 else Joined("and", tuple(parts))


def _connective(table: Table, word: str, given: Any, depth: int) -> Condition:
    if word == "not":
        return Joined("not", (_object(table, given, depth + 1),))
    if not isinstance(given, list) or not given:
        raise _wrong(f'"{word}" takes a list of conditions')
    parts = tuple(_object(table, each, depth + 1) for each in given)
    return parts[0] if len(parts) == 1 else Joined(word, parts)


def _tests(column: Column, given: Any) -> list[Condition]:
    if not isinstance(given, dict):
        return [_test(column, "=", given)]
    if not given:
        raise _wrong(f"{column.name} has no operator", f"Operators: {' '.join(OPERATORS)}.")
    return [_test(column, operator, value) for operator, value in given.items()]


def _test(column: Column, given: str, value: Any) -> Condition:
    operator = _ALIASES.get(given.lower(), given.lower())
    if operator not in OPERATORS:
        near = did_you_mean(operator, OPERATORS)
        hint = f"Did you mean {near}?" if near else f"Operators: {' '.join(OPERATORS)}."
        raise _wrong(f"there is no operator {given[:32]!r}", hint)
    if operator == "is_null":
        if not isinstance(value, bool):
            raise _wrong("is_null takes true or false")
        return Test(column, operator, holds=value)
    if operator in ("in", "between"):
        return Test(column, operator, _several(column, operator, value))
    return Test(column, operator, (_value(column, operator, value),))


def _several(column: Column, operator: str, given: Any) -> tuple[str | Later, ...]:
    most = 2 if operator == "between" else MOST_VALUES
    least = 2 if operator == "between" else 1
    if not isinstance(given, list) or not least <= len(given) <= most:
        many = "a list of two values" if operator == "between" else f"a list of 1 to {MOST_VALUES:,} values"
        raise _wrong(f"{operator} takes {many}")
    return tuple(_value(column, operator, each) for each in given)


def _value(column: Column, operator: str, value: Any) -> str | Later:
    if value is None:
        raise _wrong(f"nothing is {operator} null", f'{{"{column.name}": {{"is_null": true}}}} asks for NULL.')
    if operator in _PATTERNS:
        if column.category != "S" or not isinstance(value, str):
            raise _wrong(f"{operator} compares text with a string, and {column.name} is {column.type}")
        return value
    if operator in ("contains", "overlaps"):
        if isinstance(value, Reference):
            raise _wrong(f"{operator} takes no reference")
        document = operator == "contains" and column.base == "jsonb"
        if not (column.is_array or document or column.category in _RANGES):
            raise _wrong(f"{operator} compares arrays and ranges, and {column.name} is {column.type}")
    return _rows_values.compared(column, value)


def _count(condition: Condition) -> int:
    return 1 if isinstance(condition, Test) else sum(map(_count, condition.parts))


def _wrong(why: str, hint: str | None = None) -> ArgumentError:
    return ArgumentError(f"filter: {why}.", code="invalid_filter", hint=hint)


def together(conditions: Sequence[Condition | None]) -> Condition | None:
    """Return that all of these hold, those that say nothing left out; None where none says anything."""
    said = [each for each in conditions if each is not None]
    return None if not said else said[0] if len(said) == 1 else Joined("and", tuple(said))

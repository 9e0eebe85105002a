"""Conditions of rows, and whether they can keep a row out, as far as their values tell.

The guard judges the shape of a condition, and sees `$1` where a value stands. So what only values tell is found here:
a bound that every value of the type lies within, a pattern that takes anything, all labels of an enum one by one.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, product
from math import prod
from random import Random

from pgwarden.results import Later
from pgwarden.tools._rows_table import Column

_PATTERNS = ("like", "ilike")
_LONGEST_RANGE = 2_000
_MOST_TRIED = 1_000
_TRUTHS = ("false", "true")
_ENDS = {
    "int2": (str(-(2**15)), str(2**15 - 1)),
    "int4": (str(-(2**31)), str(2**31 - 1)),
    "int8": (str(-(2**63)), str(2**63 - 1)),
    "uuid": ("00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff"),
    **dict.fromkeys(("numeric", "float4", "float8"), ("-inf", "nan")),
    **dict.fromkeys(("date", "timestamp", "timestamptz", "interval"), ("-infinity", "infinity")),
}
"""The least and the greatest value of a type, as far as it has one, in the form that `_plain` gives."""
_EMPTY_RANGE = re.compile(r"empty|\[(?P<a>[^,]+),(?P=a)\)|\((?P<b>[^,]+),(?P=b)[\])]")


@dataclass(frozen=True, slots=True)
class Test:
    """A column compared with values: PostgreSQL's text, or still to come. `holds` is what is_null asks for."""

    column: Column
    operator: str
    values: tuple[str | Later, ...] = ()

    @property
    def open(self) -> bool:
        """Whether a value is still to come."""
        return any(isinstance(each, Later) for each in self.values)

    @property
    def texts(self) -> tuple[str, ...]:
        """The values that are known."""
        return tuple(each for each in self.values if isinstance(each, str))

    holds: bool = True


@dataclass(frozen=True, slots=True)
class Joined:
    """Conditions under "and", "or", or (just one) "not"."""

    word: str
    parts: tuple[Condition, ...]


Condition = Test | Joined


@dataclass(frozen=True, slots=True)
class _Domain:
    """A column of few values, in their order."""

    column: Column
    values: tuple[str, ...]


def can_fail(condition: Condition) -> bool:
    """Tell whether a condition can be false for a row without NULL, as far as some thousand rows tell."""
    tests = list(_tests(condition))
    truths = {test.column.name for test in tests if test.open and test.column.base == "bool"}
    if any(sum(len(test.values) for test in tests if test.column.name == name) > 1 for name in truths):
        # What is still to come may be the one value, or the other.
        return False
    domains = {each.column.name: each for each in _domains(condition)}
    return any(_fails(condition, domains, row, negated=False) for row in _rows(condition, list(domains.values())))


def _rows(condition: Condition, domains: Sequence[_Domain]) -> Iterator[Mapping[str, str]]:
    """Yield rows of the columns that have few values: all there are, or some of the likely ones and some at random."""
    names = [each.column.name for each in domains]
    said = Counter((test.column.name, value) for test in _tests(condition) for value in test.texts)
    # Of alternatives those fail that nobody names, and of negated ones those that are named.
    rare = [sorted(each.values, key=lambda value: said[each.column.name, value]) for each in domains]
    for values in (rare, [each[::-1] for each in rare]):
        for row in islice(product(*values), _MOST_TRIED):
            yield dict(zip(names, row, strict=True))
    if prod(len(each.values) for each in domains) > _MOST_TRIED:
        chance = Random(0)  # noqa: S311 - nothing is kept secret by it
        for _ in range(_MOST_TRIED):
            yield {name: chance.choice(each.values) for name, each in zip(names, domains, strict=True)}


def _domains(condition: Condition) -> Iterator[_Domain]:
    tests = list(_tests(condition))
    late = {test.column.name for test in tests if test.open}
    for column in {test.column.name: test.column for test in tests}.values():
        if column.name not in late and not column.is_array and (column.labels or column.base == "bool"):
            yield _Domain(column, column.labels or _TRUTHS)


def _tests(condition: Condition) -> Iterator[Test]:
    if isinstance(condition, Joined):
        for part in condition.parts:
            yield from _tests(part)
    else:
        yield condition


def _fails(condition: Condition, domains: Mapping[str, _Domain], row: Mapping[str, str], *, negated: bool) -> bool:
    if isinstance(condition, Joined):
        if condition.word == "not":
            return _fails(condition.parts[0], domains, row, negated=not negated)
        each = (_fails(part, domains, row, negated=negated) for part in condition.parts)
        return all(each) if (condition.word == "or") is not negated else any(each)
    name = condition.column.name
    if condition.operator == "is_null":
        # In a column that refuses NULL none is.
        return condition.holds is not negated
    if name in domains:
        return _holds(condition, domains[name].values, row[name]) is negated
    return not _is_vacuous(condition, negated=negated)


def _holds(test: Test, order: tuple[str, ...], value: str) -> bool:
    """Tell whether a comparison holds for one of the few values of a column."""
    at = order.index(value)
    given = [order.index(_truth(each) if order is _TRUTHS else each) for each in test.texts]
    if test.operator == "in":
        return at in given
    if test.operator == "between":
        return given[0] <= at <= given[1]
    [other] = given
    compared = {"=": at == other, "<>": at != other, "<": at < other, "<=": at <= other, ">": at > other}
    return compared.get(test.operator, at >= other)


def _truth(text: str) -> str:
    return "true" if text.lower() in ("t", "true", "y", "yes", "on", "1") else "false"


def _is_vacuous(test: Test, *, negated: bool) -> bool:
    if test.open:
        # Whatever it will be: nothing is below the least value, and some say that no row has it.
        return test.operator in (">=", "<>", "between") or (negated and test.operator not in ("=", "in"))
    values = [_plain(test.column, value) for value in test.texts]
    if negated:
        # Nothing is between 2 and 1, nor beyond the ends of a type.
        beyond = {"<": _is_least, ">": _is_greatest}.get(test.operator)
        return test.operator == "between" or (beyond is not None and beyond(test.column, values[0]))
    if test.operator in _PATTERNS:
        return not any(char.isalnum() for char in values[0])
    if test.operator == "contains":
        return _is_nothing(test.column, values[0])
    if test.operator == "between":
        return _is_least(test.column, values[0]) and _is_greatest(test.column, values[1])
    if test.operator == "<=":
        return _is_greatest(test.column, values[0])
    return (test.operator == ">=" and _is_least(test.column, values[0])) or (
        test.operator == "<>" and values[0] in ("", "{}")
    )


def _plain(column: Column, text: str) -> str:
    """Return a value in one of the ways to write it."""
    if column.is_array or column.category == "S":
        return text.rstrip(" ") if column.base == "bpchar" else text
    text = text.strip().lower()
    return text.replace("infinity", "inf") if column.base in ("numeric", "float4", "float8") else text


def _is_least(column: Column, text: str) -> bool:
    if column.is_array:
        return text == "{}"
    if column.base in _ENDS:
        return text == _ENDS[column.base][0]
    if column.category == "V":
        return not text.strip("0")
    if column.category == "R":
        return text in ("{}", "empty")
    return text == "" or (column.base == "bytea" and text == "\\x")


def _is_greatest(column: Column, text: str) -> bool:
    ends = _ENDS.get(column.base or "")
    # NaN is greater than infinity, and seldom there.
    return not column.is_array and ends is not None and text.lstrip("+") in (ends[1], "inf")


def _is_nothing(column: Column, text: str) -> bool:
    """Tell whether any array, document or range contains this."""
    if column.category == "R":
        inner = text.strip().lower().replace(" ", "")
        if len(inner) > _LONGEST_RANGE:
            return True  # nobody reads so far whether there is anything in it
        multirange = inner.startswith("{")
        left = _EMPTY_RANGE.sub("", inner.strip("{}") if multirange else inner)
        return not left.strip(",")
    # From 17 on {{}} is read as an empty array.
    return not text.strip("{}, ") if column.is_array else text.strip() in ("{}", "[]", '""')

"""References in a transaction: values that an earlier step will have returned (docs/rows.md).

    {"$ref": "order.rows[0].id"}         by the step's name
    {"$ref": "steps[0].rows[0].id"}      by its number
    {"$literal": {"$ref": "..."}}        no reference: JSON that looks like one

A reference stands for a whole value: of a column in `rows` and `values`, of a comparison, of a key. It is checked while
the step is composed, and becomes a parameter when it runs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pgwarden.errors import ArgumentError, QueryError, did_you_mean
from pgwarden.results import Bindable, Cell, Later
from pgwarden.tools._rows_table import Column

REF, LITERAL = "$ref", "$literal"
_FORM = re.compile(r"(?:steps\[(\d{1,4})\]|([A-Za-z_]\w{0,62}))\.rows\[(\d{1,6})\]\.(.+)", re.ASCII | re.DOTALL)
_HINT = 'It is {"$ref": "NAME.rows[0].COLUMN"} or {"$ref": "steps[0].rows[0].COLUMN"}.'
_CONNECTIVES = ("and", "or", "not")
_WHOLE = frozenset({"int2", "int4", "int8"})
_TEXTUAL = frozenset("SNDUE")
"""Categories of types whose text a text column may take over."""

Look = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Reference:
    """A reference that was understood: where the value comes from, and the column that it is of."""

    step: int
    row: int
    column: Column
    text: str

    def into(self, target: Column, *, nullable: bool) -> Later:
        """Return the value for a column, or for a comparison with it.

        Raises:
            ArgumentError: The types do not go together.
        """
        if not _fits(self.column, target):
            raise ArgumentError(
                f"{target.name} is {target.type}, and {self.text} is {self.column.type}.", code="invalid_reference"
            )
        return Later(self.step, self.row, self.column.name, self.text, nullable)


@dataclass(frozen=True, slots=True)
class Source:
    """What can be referred to of a step.

    Attributes:
        number: Of the step, from 0.
        name: Its name; empty: none.
        columns: What it returns, by name.
        others: Further columns of its table, which it does not return.
        masked: Those of which other values are shown than are stored.
        most: Rows that it returns at most; None: not known.
    """

    number: int
    name: str
    columns: Mapping[str, Column]
    others: tuple[str, ...] = ()
    masked: tuple[str, ...] = ()
    most: int | None = None


def understood(given: Mapping[str, Any], sources: Sequence[Source]) -> dict[str, Any]:
    """Return the arguments of a step with its references in place of what was written.

    Args:
        given: The validated arguments.
        sources: The steps before it.

    Raises:
        ArgumentError: A reference is not of the form, or there is nothing that it could mean.
    """

    def look(value: Any) -> Any:
        return _value(value, sources)

    out = dict(given)
    for name, value in given.items():
        if name == "rows":
            out[name] = [_each(row, look) for row in value]
        elif name == "values":
            out[name] = _each(value, look)
        elif name == "key" and not isinstance(value, str):
            out[name] = look(value) if _marker(value) or not isinstance(value, dict) else _each(value, look)
        elif name == "filter":
            out[name] = _condition(value, look)
    return out


def bound(params: Sequence[Bindable], returned: Sequence[Sequence[Mapping[str, Cell]]]) -> list[Cell]:
    """Return the values of parameters, those that earlier steps returned in the place of their references.

    Raises:
        QueryError: There is no such row, or its value is NULL where that cannot be meant.
    """
    return [_found(each, returned) if isinstance(each, Later) else each for each in params]


def settled(given: Any, returned: Sequence[Sequence[Mapping[str, Cell]]]) -> Any:
    """Return an argument with the values of its references."""
    if isinstance(given, Reference):
        return returned[given.step][given.row][given.column.name]
    if isinstance(given, dict):
        return {name: settled(each, returned) for name, each in given.items()}
    return [settled(each, returned) for each in given] if isinstance(given, list) else given


def _found(later: Later, returned: Sequence[Sequence[Mapping[str, Cell]]]) -> Cell:
    rows, details = returned[later.step], {"reference": later.text}
    if later.row >= len(rows):
        count, verb = (f"{len(rows)} rows", "are") if len(rows) != 1 else ("1 row", "is")
        raise QueryError(
            f"There is no {later.text}: of steps[{later.step}] there {verb} {count} to refer to.",
            code="reference_missing",
            details=details,
        )
    value = rows[later.row][later.column]
    if value is None and not later.nullable:
        raise QueryError(f"{later.text} is NULL, which cannot stand there.", code="reference_null", details=details)
    return value


def _each(row: Mapping[str, Any], look: Look) -> dict[str, Any]:
    return {name: look(value) for name, value in row.items()}


def _condition(given: Any, look: Look) -> Any:
    """Return a filter, or a part of one, with its references; what is no filter stays for whoever reads it."""
    if isinstance(given, list):
        return [_condition(each, look) for each in given]
    if not isinstance(given, dict):
        return given
    return {name: _tests(name, value, look) for name, value in given.items()}


def _tests(name: str, given: Any, look: Look) -> Any:
    if _marker(given):
        found = look(given)
        # An object there would be operators.
        return found if isinstance(found, Reference) else {"=": found}
    if name in _CONNECTIVES and isinstance(given, list | dict):
        return _condition(given, look)
    if not isinstance(given, dict):
        return look(given)
    return {
        operator: [look(each) for each in value] if isinstance(value, list) else look(value)
        for operator, value in given.items()
    }


def _marker(value: Any) -> bool:
    return isinstance(value, dict) and len(value) == 1 and next(iter(value)) in (REF, LITERAL)


def _value(value: Any, sources: Sequence[Source]) -> Any:
    if _marker(value):
        return value[LITERAL] if LITERAL in value else _reference(value[REF], sources)
    _check_whole(value)
    return value


def _check_whole(value: Any) -> None:
    """Refuse what looks like a reference within a value: nobody would put anything in its place.

    Raises:
        ArgumentError: There is one.
    """
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, list):
            waiting += each
        elif isinstance(each, dict):
            text = each.get(REF)
            if isinstance(text, str) and _FORM.fullmatch(text):
                raise _wrong(
                    f"{text} stands within a value, and is put in for a whole one only",
                    'Where it is meant as JSON: {"$literal": the whole value}.',
                )
            waiting += each.values()


def _reference(text: Any, sources: Sequence[Source]) -> Reference:
    match = _FORM.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise _wrong(f"{str(text)[:80]!r} is no reference", f'{_HINT} JSON that looks like one: {{"$literal": ...}}.')
    number, name, row, column = match.groups()
    source = _source(text, number, name, sources)
    if source.most is not None and int(row) >= source.most:
        raise _wrong(f"{text}: steps[{source.number}] returns {source.most} rows at most, counted from 0")
    if column not in source.columns:
        raise _wrong(f"{text}: steps[{source.number}] returns no {column!r}", _near_column(column, source))
    if column in source.masked:
        raise ArgumentError(
            f"{text}: {column} is masked, and what is shown of it is not what it holds.", code="reference_masked"
        )
    return Reference(source.number, int(row), source.columns[column], text)


def _source(text: str, number: str | None, name: str | None, sources: Sequence[Source]) -> Source:
    found = [each for each in sources if (each.name == name if number is None else each.number == int(number))]
    if found:
        return found[0]
    known = [each.name for each in sources if each.name]
    near = did_you_mean(name or "", known)
    hint = f"Did you mean {near}?" if near else f"Names of earlier steps: {', '.join(known)}." if known else None
    raise _wrong(f"{text}: no earlier step is {f'steps[{number}]' if name is None else name}", hint)


def _near_column(column: str, source: Source) -> str:
    if column in source.others:
        return f"Name {column} in columns of steps[{source.number}]."
    near = did_you_mean(column, source.columns)
    return f"Did you mean {near}?" if near else f"It returns: {', '.join([*source.columns][:20]) or 'nothing'}."


def _fits(source: Column, target: Column) -> bool:
    """Tell whether a column may hold what another has, as far as their types tell."""
    if source.type == target.type:
        return True
    if source.is_array or target.is_array:
        return source.is_array and target.is_array and bool(source.base) and source.base == target.base
    if source.base and source.base == target.base:
        return True
    if target.category == "S":
        return source.category in _TEXTUAL and not (source.base or "").startswith("json")
    if target.base in _WHOLE:
        return source.base in _WHOLE
    return source.category == target.category and source.category in ("N", "D")


def _wrong(why: str, hint: str | None = None) -> ArgumentError:
    return ArgumentError(f"{why}.", code="invalid_reference", hint=hint)

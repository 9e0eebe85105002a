"""References of one step of a transaction to what an earlier one returned.

    {"$ref": "order.id"}        the column id of the first row that the step called order returned
    {"$ref": "order[2].id"}     of its third row
    {"$ref": "0.id"}            of the first step, by its number
    {"$literal": {...}}         the value itself, whatever it looks like

A reference is checked before anything runs: the step is an earlier one, returns the column, shows it as it is, and the
types fit. What it stands for becomes the value of a parameter when the earlier step has run.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from pgwarden.errors import ArgumentError, did_you_mean
from pgwarden.results import Cell
from pgwarden.tools._rows_table import Column, Table

_REF, _LITERAL = "$ref", "$literal"
_FORM = re.compile(r"(?P<step>\d{1,3}|[A-Za-z_]\w{0,62})(?:\[(?P<row>\d{1,6})\])?\.(?P<column>.+)", re.DOTALL)
_FAMILIES = (
    frozenset({"int2", "int4", "int8", "numeric", "float4", "float8", "oid"}),
    frozenset({"date", "timestamp", "timestamptz"}),
    frozenset({"json", "jsonb"}),
)
_TEXTS = frozenset({"text", "varchar", "bpchar", "citext"})


@dataclass(frozen=True, slots=True)
class Source:
    """A step that may be referred to.

    Attributes:
        number: From 0.
        name: As the caller called it; empty where they did not.
        table: What its rows are of.
        returns: The columns that it returns.
        masked: Those that are not shown as they are.
    """

    number: int
    name: str
    table: Table
    returns: tuple[str, ...]
    masked: frozenset[str]


@dataclass(frozen=True, slots=True)
class Reference:
    """A reference that was checked: to a column of a row of a step."""

    text: str
    step: int
    row: int
    column: Column

    def of(self, target: Column) -> Late:
        """Return what stands for its value in a column until it is known.

        Raises:
            ArgumentError: A value of its type is none of the column's.
        """
        if not _fits(self.column, target):
            raise ArgumentError(
                f"{target.name} is {target.type}, and {self.text} is {self.column.type}.",
                code="invalid_value",
                hint="Refer to a column of the same type.",
            )
        return Late(self)


class Late(str):
    """Stands for a value that an earlier step will return.

    Its text has a NUL, which no value can have: it never reaches the database unresolved.
    """

    __slots__ = ("reference",)
    reference: Reference

    def __new__(cls, reference: Reference) -> Late:
        """Stand for a reference."""
        late = super().__new__(cls, f"\0{reference.text}")
        late.reference = reference
        return late


class Returned(Protocol):
    """What a step returned."""

    @property
    def names(self) -> Sequence[str]:
        """Its columns."""

    @property
    def rows(self) -> Sequence[Sequence[Cell]]:
        """Its rows, as far as they are kept."""


def linked(value: Any, sources: Sequence[Source]) -> Any:
    """Return a value with its references found, however deep; literals are left as they are.

    Raises:
        ArgumentError: A reference leads nowhere.
    """
    if isinstance(value, list):
        return [linked(each, sources) for each in value]
    if not isinstance(value, Mapping):
        return value
    if set(value) == {_LITERAL}:
        return value[_LITERAL]
    if set(value) == {_REF}:
        return _find(value[_REF], sources)
    return {name: linked(each, sources) for name, each in value.items()}


def resolved(params: Sequence[str | None], results: Sequence[Returned]) -> tuple[str | None, ...]:
    """Return parameters with the values that references stand for.

    Args:
        params: Of a statement.
        results: Of the steps before it.

    Raises:
        ArgumentError: An earlier step has no such row.
    """
    return tuple(_value(each.reference, results) if isinstance(each, Late) else each for each in params)


def late(params: Sequence[str | None]) -> bool:
    """Tell whether a parameter is not known yet."""
    return any(isinstance(each, Late) for each in params)


def _find(given: Any, sources: Sequence[Source]) -> Reference:
    match = _FORM.fullmatch(given) if isinstance(given, str) else None
    if match is None:
        hint = 'It is "step.column" or "step[row].column"; {"$literal": ...} is any value itself.'
        raise ArgumentError(f"{str(given)[:64]!r} is no reference.", code="invalid_reference", hint=hint)
    source = _source(match["step"], sources)
    name = match["column"]
    if name not in source.returns:
        near = did_you_mean(name, {each.lower() for each in source.returns})
        known = ", ".join(source.returns[:20]) or "nothing: name columns to return"
        hint = f"Did you mean {near}?" if near else f"It returns: {known}."
        message = f"{given[:64]}: step {match['step']} returns no column {name[:64]!r}."
        raise ArgumentError(message, code="invalid_reference", hint=hint)
    if name in source.masked:
        message = f"{given[:64]}: {name} of {source.table} is masked; what is shown of it is not its value."
        raise ArgumentError(message, code="invalid_reference", hint="Refer to a column that is not masked.")
    return Reference(given, source.number, int(match["row"] or 0), source.table.column(name))


def _source(word: str, sources: Sequence[Source]) -> Source:
    for source in sources:
        if word in (source.name, str(source.number)):
            return source
    known = [source.name or str(source.number) for source in sources]
    near = did_you_mean(word, known)
    hint = f"Did you mean {near}?" if near else f"Earlier steps: {', '.join(known) or 'none'}."
    raise ArgumentError(f"There is no earlier step {word!r}.", code="invalid_reference", hint=hint)


def _fits(source: Column, target: Column) -> bool:
    if source.is_array or target.is_array:
        return (source.base, source.is_array) == (target.base, target.is_array) and source.base != ""
    if target.base in _TEXTS:
        return True
    if source.base and target.base and any({source.base, target.base} <= family for family in _FAMILIES):
        return True
    if source.base != target.base:
        return False
    # Types of users have no base: enums are told by their labels, others by their name.
    return bool(source.base) or (source.labels, source.type) == (target.labels, target.type)


def _value(reference: Reference, results: Sequence[Returned]) -> str | None:
    rows = results[reference.step].rows
    if reference.row >= len(rows):
        raise ArgumentError(
            f"{reference.text} has no value: step {reference.step} returned {len(rows)} rows.",
            code="reference_unresolved",
            hint="Nothing was changed. Look at what the earlier step matches.",
        )
    place = results[reference.step].names.index(reference.column.name)
    return rows[reference.row][place]

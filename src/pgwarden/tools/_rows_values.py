"""Values of columns: checked against the catalog before the database is touched, and written as PostgreSQL's text."""

from __future__ import annotations

import json
import math
import re
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from pgwarden.errors import ArgumentError, did_you_mean
from pgwarden.results import Bindable, Later
from pgwarden.tools._rows_later import Reference
from pgwarden.tools._rows_table import Column

_INTEGERS = {"int2": 2**15, "int4": 2**31, "int8": 2**63}
_NUMBERS = frozenset({"numeric", "float4", "float8"})
_JSON = frozenset({"json", "jsonb"})
_VECTORS = frozenset({"vector", "halfvec"})
_STRINGS = frozenset({"text", "varchar", "bpchar", "name", "citext"})
_DATED = frozenset({"date", "timestamp", "timestamptz", "time", "timetz", "interval"})
_INTEGER = re.compile(r"\s*[+-]?\d+\s*")
_NUMBER = re.compile(r"\s*[+-]?(\d+(\.\d*)?|\.\d+)(e[+-]?\d+)?\s*|\s*(nan|[+-]?inf(inity)?)\s*", re.IGNORECASE)
_DIGITS = 150_000
"""Characters of a number at most; PostgreSQL's have fewer digits."""
_TRUTHS = frozenset({"t", "true", "y", "yes", "on", "1", "f", "false", "n", "no", "off", "0"})
_EXACT = 2**53
"""From here on a double precision number may stand for several integers."""
_MOST_LABELS = 20
_DEPTH = 6
"""Dimensions of an array that PostgreSQL has at most."""


def stored(column: Column, value: Any) -> Bindable:
    """Return the text of a value that a column is to hold; None for NULL.

    Raises:
        ArgumentError: The column cannot hold it.
    """
    if value is None:
        if column.not_null:
            raise ArgumentError(f"{column.name} is NOT NULL.", code="not_null_violation", hint="Give a value.")
        return None
    if isinstance(value, Reference):
        return value.into(column, nullable=not column.not_null)
    text = known(column, value)
    if column.length is not None and not column.is_array and len(text.rstrip(" ")) > column.length:
        raise _invalid(column, f"{len(text)} characters are more than {column.length}", "Shorten the value.")
    return text


def compared(column: Column, value: Any) -> str | Later:
    """Return the text of a value, not null, that a column is compared with, or where that will come from.

    Raises:
        ArgumentError: It is not of the column's type.
    """
    return value.into(column, nullable=False) if isinstance(value, Reference) else known(column, value)


def known(column: Column, value: Any) -> str:
    """Return the text of a value, not null, of a column's type.

    Raises:
        ArgumentError: It is not of the column's type.
    """
    text = _array(column, value, 0) if column.is_array else _single(column, value)
    if "\0" in text:
        raise _invalid(column, "no value has the character NUL")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise _invalid(column, "it is no text in Unicode") from None
    return text


def _single(column: Column, value: Any) -> str:
    base = column.base or ""
    if column.labels:
        return _label(column, value)
    if base in _JSON:
        return _document(column, value)
    if base in _VECTORS and isinstance(value, list):
        return json.dumps(value)
    if base in _INTEGERS:
        return _integer(column, value, _INTEGERS[base])
    check = _CHECKS.get(base)
    if check is not None:
        return check(column, value)
    if base in _DATED and not isinstance(value, str):
        raise _invalid(column, f"not {_kind(value)}", "Give it as a string, for example 2026-01-31T12:00:00Z.")
    if base in _STRINGS and not isinstance(value, str):
        raise _invalid(column, f"not {_kind(value)}", "Give it as a string.")
    if isinstance(value, dict | list | bool):
        raise _invalid(column, f"not {_kind(value)}", "Give it as PostgreSQL writes it, in a string.")
    return value if isinstance(value, str) else json.dumps(value)


def _document(column: Column, value: Any) -> str:
    """Return JSON; a string is a JSON string, not the text of a document."""
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False)
    except ValueError:
        raise _invalid(column, "JSON has no such number", "Give it as a string.") from None


def _array(column: Column, value: Any, depth: int) -> str:
    if not isinstance(value, list) or depth == _DEPTH:
        raise _invalid(column, f"not {_kind(value)}" if depth < _DEPTH else "too many dimensions", "Give it as a list.")
    nested = (column.base or "") not in _JSON | _VECTORS

    def element(each: Any) -> str:
        if each is None:
            return "NULL"
        if isinstance(each, list) and nested:
            return _array(column, each, depth + 1)
        return '"' + _single(column, each).replace("\\", "\\\\").replace('"', '\\"') + '"'

    return "{" + ",".join(map(element, value)) + "}"


def _label(column: Column, value: Any) -> str:
    if isinstance(value, str) and value in column.labels:
        return value
    near = did_you_mean(str(value), {label.lower() for label in column.labels})
    near = next((label for label in column.labels if label.lower() == near), None)
    listed = ", ".join(column.labels[:_MOST_LABELS])
    hint = f"Did you mean {near}? " if near else ""
    raise _invalid(column, "it is none of its labels", f"{hint}Labels: {listed}.")


def _integer(column: Column, value: Any, end: int) -> str:
    whole = isinstance(value, str) and _INTEGER.fullmatch(value) and len(value) <= 40
    # JSON does not tell 1 from 1.0, and there are writers that do not either.
    whole = whole or (isinstance(value, float) and value.is_integer() and abs(value) < _EXACT)
    if not whole and (not isinstance(value, int) or isinstance(value, bool)):
        raise _invalid(column, f"not {_kind(value)}", "Give a whole number.")
    number = int(value)
    if not -end <= number < end:
        raise _invalid(column, "it is out of range", f"From {-end} to {end - 1}.")
    return str(number)


def _number(column: Column, value: Any) -> str:
    if isinstance(value, str) and len(value) <= _DIGITS and _NUMBER.fullmatch(value):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _invalid(column, f"not {_kind(value)}", "Give a number.")
    if math.isinf(value):
        # What JSON's reader makes of 1e400; nobody meant it.
        raise _invalid(column, "the number is too large", 'Give it as a string; infinity is "Infinity".')
    return "NaN" if math.isnan(value) else str(value)


def _boolean(column: Column, value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str) and value.lower() in _TRUTHS:
        return value
    raise _invalid(column, f"not {_kind(value)}", "Give true or false.")


def _uuid(column: Column, value: Any) -> str:
    try:
        return str(uuid.UUID(value if isinstance(value, str) else ""))
    except ValueError:
        raise _invalid(column, "it is no UUID") from None


def added(column: Column, value: Any) -> str | None:
    """Return the text of the number that {"$add": number} adds to a column; None where nothing is added.

    Raises:
        ArgumentError: It is no number.
    """
    numeric = not column.is_array and (column.base in _INTEGERS or column.base in _NUMBERS)
    if not numeric or not isinstance(value, dict) or [*value] != ["$add"]:
        return None
    return _single(column, value["$add"])


_CHECKS: Mapping[str, Callable[[Column, Any], str]] = {
    **dict.fromkeys(_NUMBERS, _number),
    "bool": _boolean,
    "uuid": _uuid,
}


def _kind(value: Any) -> str:
    kinds = {bool: "a boolean", int: "a number", float: "this number", str: "this string", dict: "an object"}
    return kinds.get(type(value), "null" if value is None else "a list")


def _invalid(column: Column, why: str, hint: str | None = None) -> ArgumentError:
    return ArgumentError(f"{column.name} is {column.type}: {why}.", code="invalid_value", hint=hint)

"""The name of a type, with its modifiers: `numeric(10, 2)`, `timestamp(3) with time zone`, `public.mood[]`."""

from __future__ import annotations

from typing import Final

from pgwarden.guard import keywords
from pgwarden.guard.ddl import expressions
from pgwarden.guard.ddl.draft import Draft
from pgwarden.guard.ddl.reader import Reader
from pgwarden.guard.lexer import Kind
from pgwarden.guard.parsed import Name

_SERIAL: Final = keywords.words("serial bigserial smallserial serial2 serial4 serial8")
_CHARACTERS: Final = ("character", "char", "nchar", "bit")
_INTERVALS: Final = tuple(
    f"{first} to {last}" if last else first
    for first, lasts in (
        ("year", ("month",)),
        ("month", ()),
        ("day", ("hour", "minute", "second")),
        ("hour", ("minute", "second")),
        ("minute", ("second",)),
        ("second", ()),
    )
    for last in (*lasts, "")
)
_BUILTIN: Final = keywords.words("""
    bigint bit bool boolean box bpchar bytea char character cidr circle date dec decimal double float float4 float8 inet
    int int2 int4 int8 integer interval json jsonb jsonpath line lseg macaddr macaddr8 money name national nchar numeric
    oid path pg_lsn point polygon real smallint text time timestamp timestamptz timetz tsquery tsvector uuid varbit
    varchar xml int4range int8range numrange tsrange tstzrange daterange""")
"""Built-in types, none of which is a domain."""


def read(reader: Reader, draft: Draft, *, copied: bool = False) -> Name:
    """Go past a type and return its name; the draft keeps it.

    Args:
        reader: The statement, before the type.
        draft: What has been read.
        copied: Whether `table.column%TYPE` is a type here, as in the signature of a function.

    Raises:
        Refused: What comes next is no type.
    """
    reader.take("setof")
    start = reader.at
    name = _base(reader, copied=copied)
    _modifiers(reader)
    if name.name in ("timestamp", "time"):
        reader.take("with time zone", "without time zone")
    elif name.name == "interval" and reader.take(*_INTERVALS).endswith("second"):
        _modifiers(reader)
    end = reader.at
    _arrays(reader)
    if not is_serial(name) and reader.stream.words[end - 1] != "type":
        draft.types |= expressions.types_in(reader.stream, start, end)
    return name


def is_serial(name: Name) -> bool:
    """Tell whether this stands for an integer with a sequence."""
    return not name.schema and name.name in _SERIAL


def is_builtin(name: Name) -> bool:
    """Tell whether this is known to be a built-in type: no domain, so that adding such a column checks no rows."""
    return name.schema in ("", "pg_catalog") and name.name in _BUILTIN


def _base(reader: Reader, *, copied: bool) -> Name:
    if reader.take("double precision"):
        return Name("", "double")
    national = reader.take("national")
    word = reader.expect("character", "char") if national else reader.take(*_CHARACTERS)
    if word:
        reader.take("varying")
        return Name("", word)
    name = reader.name(function=True)
    if copied and reader.mark() in (".", "%"):
        if reader.take_mark("."):
            reader.part()
        reader.expect_mark("%")
        reader.expect("type")
    return name


def _modifiers(reader: Reader) -> None:
    """Go past modifiers in brackets: constants and words only."""
    if reader.mark() != "(":
        return
    with reader.bracket():
        for _ in reader.items():
            if reader.is_string():
                reader.string()
            elif not reader.take_number():
                reader.identifier()


def _arrays(reader: Reader) -> None:
    reader.take("array")
    while reader.take_mark("["):
        if reader.stream.is_kind(reader.at, Kind.NUMBER):
            reader.at += 1
        reader.expect_mark("]")


def is_type_word(word: str) -> bool:
    """Tell whether a word is part of the name of a built-in type."""
    return word in _BUILTIN or word in ("precision", "varying", "with", "without", "zone", "year", "day", "hour", "to")

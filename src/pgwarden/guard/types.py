"""Which tokens name a type."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from typing import Final

from pgwarden.guard import calls, keywords
from pgwarden.guard.lexer import Kind
from pgwarden.guard.parsed import Name
from pgwarden.guard.stream import Stream

_CASTS: Final = keywords.words("cast xmlserialize json_serialize json_value json_query json_table")
_BY_SYNTAX: Final[Mapping[str, tuple[str, ...]]] = {
    "bigint": ("int8",),
    "bit": ("bit", "varbit"),
    "boolean": ("bool",),
    "char": ("bpchar", "varchar"),
    "character": ("bpchar", "varchar"),
    "dec": ("numeric",),
    "decimal": ("numeric",),
    "double": ("float8",),
    "float": ("float4", "float8"),
    "int": ("int4",),
    "integer": ("int4",),
    "interval": ("interval",),
    "national": ("bpchar", "varchar"),
    "nchar": ("bpchar", "varchar"),
    "numeric": ("numeric",),
    "real": ("float4",),
    "smallint": ("int2",),
    "time": ("time", "timetz"),
    "timestamp": ("timestamp", "timestamptz"),
    "varchar": ("varchar",),
}
"""The types that key words stand for, as pg_type has them; what follows a word decides between several."""
_BEFORE_A_STRING: Final = keywords.RESERVED | keywords.NAMES_FUNCTION | keywords.UNRESERVED_SYNTAX


def find(stream: Stream, clause: list[str], returning: Container[int] = ()) -> dict[int, int]:
    """Return the dotted names that are types: index of the first part to index of the last.

    Args:
        stream: The statement.
        clause: The clause of each token.
        returning: Where RETURNING is a clause; elsewhere a type follows it.
    """
    found: dict[int, int] = {}
    for index in range(stream.size):
        if not stream.is_name(index) or (index and stream.marks[index - 1] == "."):
            continue
        end = stream.chain_end(index)
        if (
            (_follows_a_cast(stream, index) and index - 1 not in returning)
            or _is_typed_literal(stream, index, end)
            or _defines_column(stream, clause, index)
        ):
            found[index] = end
    return found


def named(stream: Stream, found: Mapping[int, int], calls_at: Mapping[int, Name]) -> frozenset[Name]:
    """Return the names of all types: those found, and whatever stands before a string and so may be its type.

    Args:
        stream: The statement.
        found: What `find` returned.
        calls_at: Calls by the index of their name's last part: `f(1) 'x'` is a constant of type f with a modifier.
    """
    names = {name for start, end in found.items() for name in _meant(stream, start, end)}
    for index in range(stream.size - 1):
        if not stream.is_kind(index + 1, Kind.STRING):
            continue
        if stream.is_name(index) and stream.words[index] not in keywords.RESERVED:
            names.update(_meant(stream, stream.chain_start(index), index))
        elif stream.marks[index] == ")" and (name := calls_at.get(stream.partner[index] - 1)):
            names.add(name)
    return frozenset(names)


def _meant(stream: Stream, start: int, end: int) -> Iterator[Name]:
    """Yield the names as the catalog has them: several for a key word that is a type by syntax, none for SETOF."""
    first = stream.tokens[start]
    double = first.value == "double" and stream.value(end + 1) == "precision"
    if start == end and first.kind is Kind.WORD and (double or first.value in keywords.SYNTAX_CALLS):
        yield from (Name("pg_catalog", name) for name in _BY_SYNTAX.get(first.value, ()))
    else:
        yield Name(stream.value(end - 2) if end > start else "", stream.value(end))


def _follows_a_cast(stream: Stream, index: int) -> bool:
    before = index - 1
    if stream.words[before] == "setof":
        before -= 1
    if before < 0:
        return False
    if stream.marks[before] == "::" or stream.words[before] == "returning":
        return True
    opener = stream.opener[index]
    return stream.words[before] == "as" and opener > 0 and stream.words[opener - 1] in _CASTS


def _is_typed_literal(stream: Stream, start: int, end: int) -> bool:
    if not stream.is_kind(end + 1, Kind.STRING):
        return False
    if stream.words[start] == "path":  # a type, unless it goes on with a column of JSON_TABLE or XMLTABLE
        return not stream.is_name(start - 1) or stream.words[start - 1] in keywords.RESERVED
    return start != end or stream.words[start] not in _BEFORE_A_STRING


def _defines_column(stream: Stream, clause: list[str], index: int) -> bool:
    """Tell whether this is the type in `alias(column type, ...)`, or in the columns of JSON_TABLE or XMLTABLE."""
    opener, column = stream.opener[index], index - 1
    if opener <= 0 or stream.marks[opener] != "(" or not stream.is_name(column):
        return False
    if stream.words[index] in keywords.RESERVED or stream.words[column] in keywords.RESERVED:
        return False
    if stream.words[opener - 1] == "xmltable":
        return stream.words[column - 1] == "columns" or stream.marks[column - 1] == ","
    if column - 1 != opener and stream.marks[column - 1] != ",":
        return False
    if stream.words[opener - 1] == "columns":
        return calls.in_json_or_xml(stream, opener - 1)
    if clause[opener - 1] != "from":
        return False
    if "as" in (stream.words[opener - 1], stream.words[opener - 2]):
        return True
    return stream.is_name(opener - 1) and calls.is_alias(stream, opener - 1)

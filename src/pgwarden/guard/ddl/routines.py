"""CREATE and ALTER of functions, procedures and aggregates. A body is a string, which nobody here reads: "code"."""

from __future__ import annotations

from typing import Final

from pgwarden.guard.ddl import objects, options, session, typenames
from pgwarden.guard.ddl.definition import Object
from pgwarden.guard.ddl.draft import Draft
from pgwarden.guard.ddl.reader import Reader
from pgwarden.guard.ddl.tables import behind_expression
from pgwarden.guard.parsed import Refused

_LANGUAGES: Final = frozenset({"sql", "plpgsql", "plperl", "pltcl", "plv8"})
"""Trusted languages: their functions do no more than their caller could do in SQL."""

_PLAIN: Final = (
    "window",
    "immutable",
    "stable",
    "volatile",
    "not leakproof",
    "leakproof",
    "called on null input",
    "returns null on null input",
    "strict",
    "external security invoker",
    "security invoker",
    "parallel unsafe",
    "parallel restricted",
    "parallel safe",
)


def create(reader: Reader, draft: Draft, kind: str, *, replaces: bool) -> None:
    """Read CREATE [OR REPLACE] FUNCTION or PROCEDURE behind these words."""
    draft.classify("code")
    if replaces:
        draft.note = "Whoever calls a function of this name calls the new body from then on."
    name, start = reader.name(function=True), reader.at
    _parameters(reader, draft)
    draft.target(Object(kind, name, detail=_signature(reader, start)))
    if reader.take("returns table"):
        _columns(reader, draft)
    elif reader.take("returns"):
        typenames.read(reader, draft, copied=True)
    seen: set[str] = set()
    while not reader.done:
        seen.add(_option(reader, draft))
    if not {"as", "language"} <= seen:
        raise Refused("not_understood", "A function needs LANGUAGE and AS.", "Write LANGUAGE sql AS $$ ... $$.")


def alter(reader: Reader, draft: Draft) -> None:
    """Read what ALTER FUNCTION, PROCEDURE or ROUTINE changes of the function itself."""
    draft.typed("It changes how a function behaves for everybody who calls it.")
    if reader.done:
        raise reader.unexpected("what to change")
    while not reader.done:
        if reader.sees("set") or reader.sees("reset"):
            session.setting_of_others(reader)
        elif reader.sees("as") or reader.sees("language"):
            raise reader.unexpected("an attribute of a function")
        elif not reader.take("restrict"):
            _option(reader, draft)


def create_aggregate(reader: Reader, draft: Draft) -> None:
    """Read CREATE [OR REPLACE] AGGREGATE behind these words."""
    draft.classify("code")
    name = reader.name(function=True)
    draft.target(Object("aggregate", name, detail=objects.arguments(reader, draft)))
    options.definitions(reader)


def _parameters(reader: Reader, draft: Draft) -> None:
    with reader.bracket():
        if reader.done:
            return
        for _ in reader.items():
            objects.argument(reader, draft)
            if reader.take("default") or reader.take_mark("="):
                start, reader.at = reader.at, behind_expression(reader)
                draft.expression(reader, start, reader.at)


def _signature(reader: Reader, start: int) -> str:
    return objects.text_between(reader, start)


def _columns(reader: Reader, draft: Draft) -> None:
    with reader.bracket():
        for _ in reader.items():
            reader.identifier(function=True)
            typenames.read(reader, draft, copied=True)


def _option(reader: Reader, draft: Draft) -> str:
    """Read one attribute of a function and return its first word."""
    if found := reader.take(*_PLAIN):
        return found
    match reader.expect(
        "language", "as", "cost", "rows", "external security definer", "security definer", "set", "support"
    ):
        case "language":
            _language(reader)
            return "language"
        case "as":
            reader.string()
            return "as"
        case "cost" | "rows":
            reader.number()
        case "set":
            reader.at -= 1
            session.setting_of_others(reader)
        case "support":
            reader.name(function=True)
        case _:
            draft.typed("It runs with the rights of its owner (SECURITY DEFINER).")
    return ""


def _language(reader: Reader) -> None:
    if reader.is_string():
        raise Refused("not_understood", "The language of a function is a name.", "Write LANGUAGE sql, without quotes.")
    if reader.identifier(function=True).lower() not in _LANGUAGES:
        raise Refused(
            "never_allowed",
            "The language of the function is not a trusted one; such code can reach the server's files and programs.",
            f"Trusted are {', '.join(sorted(_LANGUAGES))}.",
        )

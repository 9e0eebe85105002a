"""How each kind of object is named in DROP, ALTER and COMMENT, and which class it belongs to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from pgwarden.guard import canonical
from pgwarden.guard.ddl import typenames
from pgwarden.guard.ddl.definition import Object
from pgwarden.guard.ddl.draft import Draft
from pgwarden.guard.ddl.reader import Reader
from pgwarden.guard.lexer import Kind
from pgwarden.guard.parsed import Name, Refused
from pgwarden.guard.spelling import quoted, spelled
from pgwarden.guard.verdict import ObjectClass

_MODES: Final = ("in out", "in", "out", "inout", "variadic")

Form = Callable[[Reader, Draft, str, str], Object]
"""Reads the name of an object: the statement, the draft, the kind, and the operation on its relation."""


@dataclass(frozen=True, slots=True)
class ObjectKind:
    """A kind of object.

    Attributes:
        object_class: See `Change`.
        read: Reads its name.
        lock: What dropping it, or changing it in a way not known to be milder, locks its relation with.
    """

    object_class: ObjectClass
    read: Form
    lock: str = ""


def read(reader: Reader, draft: Draft, kind: str, operation: str) -> Object:
    """Read the name of an object of a kind, make it a target, and classify the statement by it."""
    draft.classify(KINDS[kind].object_class)
    found = KINDS[kind].read(reader, draft, kind, operation)
    draft.target(found)
    return found


def expect_kind(reader: Reader) -> str:
    """Go past PostgreSQL's words for a kind of object and return them."""
    return _SAME.get(kind := reader.expect(*_PHRASES), kind)


def role(reader: Reader) -> Name:
    """Go past a role: a name, PUBLIC, or one of the words that stand for the session's."""
    word = reader.take("current_user", "current_role", "session_user")
    return Name("", word or reader.identifier())


def text_between(reader: Reader, start: int) -> str:
    """Return the canonical text from an index to where the reader stands."""
    return canonical.render(reader.stream.tokens[start : reader.at])


def arguments(reader: Reader, draft: Draft) -> str:
    """Go past the signature of a function or an aggregate and return it, canonical."""
    start = reader.at
    with reader.bracket():
        if not reader.take_mark("*") and not reader.done:
            while True:
                for _ in reader.items():
                    argument(reader, draft)
                if not reader.take("order by"):  # of an ordered-set aggregate
                    break
    return text_between(reader, start)


def argument(reader: Reader, draft: Draft) -> None:
    """Go past one argument of a signature: mode, name and type."""
    mode = reader.take(*_MODES)
    start, end, known = reader.at, reader.end, set(draft.types)
    try:
        typenames.read(reader, draft, copied=True)
        complete = reader.done or reader.mark() in (",", "=") or reader.word() in ("default", "order")
    except Refused:
        complete = False
    if not complete:  # the type has a name before it
        reader.at, reader.end, draft.types = start, end, known
        reader.identifier(function=True)
        if not mode:
            reader.take(*_MODES)
        typenames.read(reader, draft, copied=True)


def _relation(reader: Reader, draft: Draft, kind: str, operation: str) -> Object:
    index, name = reader.at, reader.name()
    draft.uses(operation, name, index)
    return Object(kind, name, is_relation=True)


def _named(reader: Reader, _draft: Draft, kind: str, _operation: str) -> Object:
    return Object(kind, reader.name())


def _plain(reader: Reader, _draft: Draft, kind: str, _operation: str) -> Object:
    return Object(kind, Name("", reader.identifier()))


def _role(reader: Reader, _draft: Draft, kind: str, _operation: str) -> Object:
    return Object(kind, role(reader))


def _type(reader: Reader, draft: Draft, kind: str, _operation: str) -> Object:
    return Object(kind, typenames.read(reader, draft))


def _function(reader: Reader, draft: Draft, kind: str, _operation: str) -> Object:
    name = reader.name(function=True)
    return Object(kind, name, detail=arguments(reader, draft) if reader.mark() == "(" else "")


def _on_relation(reader: Reader, draft: Draft, kind: str, operation: str) -> Object:
    name = Name("", reader.identifier())
    reader.expect("on")
    index, relation = reader.at, reader.name()
    draft.uses("ALTER" if operation == "DROP" else operation, relation, index)
    return Object(kind, name, on=relation)


def _operator(reader: Reader, draft: Draft, kind: str, _operation: str) -> Object:
    name = operator(reader)
    start = reader.at
    with reader.bracket():
        for _ in reader.items():
            if not reader.take("none"):
                typenames.read(reader, draft)
    return Object(kind, name, detail=text_between(reader, start))


def operator(reader: Reader) -> Name:
    """Go past an operator with or without a schema."""
    schema = ""
    if reader.mark(1) == ".":
        schema = reader.identifier()
        reader.expect_mark(".")
    if reader.done or not reader.stream.is_kind(reader.at, Kind.OPERATOR):
        raise reader.unexpected("an operator")
    reader.at += 1
    return Name(schema, reader.stream.value(reader.at - 1))


def _operator_class(reader: Reader, _draft: Draft, kind: str, _operation: str) -> Object:
    name = reader.name()
    reader.expect("using")
    return Object(kind, name, detail=f" USING {quoted(reader.identifier())}")


def _cast(reader: Reader, draft: Draft, kind: str, _operation: str) -> Object:
    start = reader.at
    with reader.bracket():
        typenames.read(reader, draft)
        reader.expect("as")
        typenames.read(reader, draft)
    return Object(kind, Name("", "cast"), detail=f" {text_between(reader, start)}")


def _transform(reader: Reader, draft: Draft, kind: str, _operation: str) -> Object:
    reader.expect("for")
    name = typenames.read(reader, draft)
    reader.expect("language")
    return Object(kind, name, detail=f" LANGUAGE {quoted(reader.identifier())}")


def _mapping(reader: Reader, _draft: Draft, kind: str, _operation: str) -> Object:
    reader.expect("for")
    user = Name("", reader.take("user")) if reader.sees("user") else role(reader)
    reader.expect("server")
    return Object(kind, user, detail=f" SERVER {quoted(reader.identifier())}")


def _constraint(reader: Reader, draft: Draft, kind: str, operation: str) -> Object:
    name = Name("", reader.identifier())
    reader.expect("on")
    if reader.take("domain"):
        return Object(kind, name, detail=f" ON DOMAIN {spelled(reader.name())}")
    index, relation = reader.at, reader.name()
    draft.uses(operation, relation, index)
    return Object(kind, name, on=relation)


def _column(reader: Reader, draft: Draft, kind: str, operation: str) -> Object:
    index, relation, name = reader.column()
    draft.uses(operation, relation, index)
    return Object(kind, Name("", name), on=relation)


_EXCLUSIVE: Final = "AccessExclusiveLock"

KINDS: Final[dict[str, ObjectKind]] = {
    "table": ObjectKind("schema", _relation, _EXCLUSIVE),
    "view": ObjectKind("schema", _relation, _EXCLUSIVE),
    "materialized view": ObjectKind("schema", _relation, _EXCLUSIVE),
    "index": ObjectKind("schema", _relation, _EXCLUSIVE),
    "sequence": ObjectKind("schema", _relation, _EXCLUSIVE),
    "foreign table": ObjectKind("power", _relation, _EXCLUSIVE),
    "column": ObjectKind("schema", _column, _EXCLUSIVE),
    "constraint": ObjectKind("schema", _constraint, _EXCLUSIVE),
    "type": ObjectKind("schema", _type),
    "domain": ObjectKind("schema", _type),
    "schema": ObjectKind("schema", _plain),
    "statistics": ObjectKind("schema", _named, "ShareUpdateExclusiveLock"),
    "collation": ObjectKind("schema", _named),
    "function": ObjectKind("code", _function),
    "procedure": ObjectKind("code", _function),
    "routine": ObjectKind("code", _function),
    "aggregate": ObjectKind("code", _function),
    "operator": ObjectKind("code", _operator),
    "operator class": ObjectKind("code", _operator_class),
    "operator family": ObjectKind("code", _operator_class),
    "cast": ObjectKind("code", _cast),
    "transform": ObjectKind("code", _transform),
    "trigger": ObjectKind("code", _on_relation, _EXCLUSIVE),
    "rule": ObjectKind("code", _on_relation, _EXCLUSIVE),
    "policy": ObjectKind("power", _on_relation, _EXCLUSIVE),
    "event trigger": ObjectKind("code", _plain),
    "extension": ObjectKind("code", _plain),
    "language": ObjectKind("code", _plain),
    "access method": ObjectKind("code", _plain),
    "conversion": ObjectKind("code", _named),
    "text search parser": ObjectKind("code", _named),
    "text search dictionary": ObjectKind("code", _named),
    "text search template": ObjectKind("code", _named),
    "text search configuration": ObjectKind("code", _named),
    "role": ObjectKind("power", _role),
    "user": ObjectKind("power", _role),
    "group": ObjectKind("power", _role),
    "database": ObjectKind("power", _plain),
    "tablespace": ObjectKind("power", _plain),
    "server": ObjectKind("power", _plain),
    "foreign data wrapper": ObjectKind("power", _plain),
    "user mapping": ObjectKind("power", _mapping),
    "publication": ObjectKind("power", _plain),
    "subscription": ObjectKind("power", _plain),
}
"""Every kind of object that a statement can name."""

_SAME: Final = {"procedural language": "language"}
_PHRASES: Final = tuple(sorted((*KINDS, *_SAME), key=len, reverse=True))

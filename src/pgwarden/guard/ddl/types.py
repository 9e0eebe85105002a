"""CREATE and ALTER of types, domains and collations."""

from __future__ import annotations

from pgwarden.guard.ddl import columns, objects, options, typenames
from pgwarden.guard.ddl.definition import Object
from pgwarden.guard.ddl.draft import Draft
from pgwarden.guard.ddl.reader import Reader
from pgwarden.guard.ddl.tables import behind_expression
from pgwarden.guard.parsed import Name

_NAMES_FUNCTIONS = frozenset({"subtype_diff", "canonical", "subtype_opclass"})


def create_type(reader: Reader, draft: Draft) -> None:
    """Read CREATE TYPE behind these words: a composite, an enum, a range, or a base type with its functions."""
    draft.classify("schema")
    draft.target(Object("type", reader.name()))
    if reader.take("as enum"):
        with reader.bracket():
            _labels(reader)
    elif reader.take("as range"):
        if _NAMES_FUNCTIONS & options.definitions(reader).keys():
            draft.classify("code")
    elif reader.take("as"):
        with reader.bracket():
            _attributes(reader, draft)
    elif reader.mark() == "(":
        draft.classify("code")
        options.definitions(reader)


def create_domain(reader: Reader, draft: Draft) -> None:
    """Read CREATE DOMAIN behind these words."""
    draft.classify("schema")
    draft.target(Object("domain", reader.name()))
    reader.take("as")
    typenames.read(reader, draft)
    columns.constraints(reader, draft)


def create_collation(reader: Reader, draft: Draft) -> None:
    """Read CREATE COLLATION behind these words."""
    draft.classify("schema")
    reader.take("if not exists")
    draft.target(Object("collation", reader.name()))
    if reader.take("from"):
        reader.name()
    else:
        options.definitions(reader)


def create_schema(reader: Reader, draft: Draft) -> None:
    """Read CREATE SCHEMA behind these words; what else it could create has to be created by itself."""
    draft.classify("schema")
    reader.take("if not exists")
    name = None if reader.sees("authorization") else reader.identifier()
    if reader.take("authorization"):
        draft.classify("power")
        owner = objects.role(reader)
        name = name or owner.name
    draft.target(Object("schema", Name("", name or "")))


def alter_type(reader: Reader, draft: Draft) -> None:
    """Read what ALTER TYPE changes of the type itself."""
    match reader.expect(
        "add value", "rename value", "rename attribute", "add attribute", "drop attribute", "alter attribute", "set"
    ):
        case "add value":
            reader.take("if not exists")
            reader.string()
            if reader.take("before", "after"):
                reader.string()
        case "rename value":
            reader.string()
            reader.expect("to")
            reader.string()
        case "rename attribute":
            reader.identifier()
            reader.expect("to")
            reader.identifier()
            draft.behaviour(reader)
        case "set":
            draft.classify("code")
            options.definitions(reader)
        case _:
            reader.at -= 2  # it is the first of a list
            _attribute_actions(reader, draft)


def alter_domain(reader: Reader, draft: Draft) -> None:
    """Read what ALTER DOMAIN changes of the domain itself."""
    match reader.expect(
        "set default", "drop default", "set not null", "drop not null", "add", "drop constraint", "validate constraint",
        "rename constraint",
    ):  # fmt: skip
        case "set default":
            start, reader.at = reader.at, behind_expression(reader)
            draft.expression(reader, start, reader.at)
        case "add":
            columns.constraints(reader, draft)
        case "drop default":
            draft.typed("It drops a default.")
        case "drop not null":
            draft.typed("It drops a constraint.")
        case "drop constraint":
            draft.does("DROP")
            draft.typed("It drops a constraint.")
            reader.take("if exists")
            reader.identifier()
            draft.behaviour(reader)
        case "validate constraint":
            reader.identifier()
        case "rename constraint":
            reader.identifier()
            reader.expect("to")
            reader.identifier()


def _labels(reader: Reader) -> None:
    if not reader.done:
        for _ in reader.items():
            reader.string()


def _attributes(reader: Reader, draft: Draft) -> None:
    if reader.done:
        return
    for _ in reader.items():
        reader.identifier()
        typenames.read(reader, draft)
        if reader.take("collate"):
            reader.name()


def _attribute_actions(reader: Reader, draft: Draft) -> None:
    """Read a list of ADD, DROP and ALTER ATTRIBUTE."""
    for _ in reader.items():
        match reader.expect("add attribute", "drop attribute", "alter attribute"):
            case "add attribute":
                _attributes_one(reader, draft)
            case "drop attribute":
                draft.does("DROP")
                draft.typed("It drops an attribute of the type.")
                reader.take("if exists")
                reader.identifier()
            case _:
                draft.rewrite("It changes the type of an attribute.")
                reader.identifier()
                reader.take("set data")
                reader.expect("type")
                typenames.read(reader, draft)
                if reader.take("collate"):
                    reader.name()
        draft.behaviour(reader)


def _attributes_one(reader: Reader, draft: Draft) -> None:
    reader.identifier()
    typenames.read(reader, draft)
    if reader.take("collate"):
        reader.name()

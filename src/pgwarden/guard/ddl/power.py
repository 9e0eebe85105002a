"""Databases, tablespaces, foreign servers, publications and subscriptions."""

from __future__ import annotations

from typing import Final

from pgwarden.guard import keywords
from pgwarden.guard.ddl import columns, objects, options, session
from pgwarden.guard.ddl.definition import Object
from pgwarden.guard.ddl.draft import Draft
from pgwarden.guard.ddl.reader import Reader
from pgwarden.guard.parsed import Name
from pgwarden.guard.verdict import Target

_DATABASE_OPTIONS: Final = keywords.words("""
    owner template encoding strategy locale lc_collate lc_ctype builtin_locale icu_locale icu_rules locale_provider
    collation_version tablespace allow_connections is_template oid""")


def create_database(reader: Reader, draft: Draft) -> None:
    """Read CREATE DATABASE behind these words."""
    draft.classify("power")
    draft.in_transaction = False
    draft.target(Object("database", Name("", reader.identifier())))
    reader.take("with")
    _database_options(reader)


def alter_database(reader: Reader, draft: Draft) -> None:
    """Read what ALTER DATABASE changes of the database itself."""
    draft.typed("It changes the database for everybody.")
    if reader.take("set tablespace"):
        draft.in_transaction = False
        reader.identifier()
    elif reader.take("refresh collation version"):
        pass
    elif reader.sees("set") or reader.sees("reset"):
        session.setting_of_others(reader)
    else:
        reader.take("with")
        if reader.done:
            raise reader.unexpected("an option of the database")
        _database_options(reader)


def create_tablespace(reader: Reader, draft: Draft) -> None:
    """Read CREATE TABLESPACE behind these words."""
    draft.classify("power")
    draft.in_transaction = False
    draft.target(Object("tablespace", Name("", reader.identifier())))
    if reader.take("owner"):
        objects.role(reader)
    reader.expect("location")
    reader.string()
    if reader.take("with"):
        options.storage(reader)


def alter_storage(reader: Reader, draft: Draft) -> None:
    """Read SET (...) or RESET (...) of ALTER TABLESPACE."""
    draft.typed("It changes how everything in it is planned.")
    reader.expect("set", "reset")
    options.storage(reader)


def create_server(reader: Reader, draft: Draft) -> None:
    """Read CREATE SERVER behind these words."""
    draft.classify("power")
    draft.secret = True
    reader.take("if not exists")
    draft.target(Object("server", Name("", reader.identifier())))
    while reader.take("type", "version"):
        reader.string()
    reader.expect("foreign data wrapper")
    reader.identifier()
    options.foreign(reader)


def create_wrapper(reader: Reader, draft: Draft) -> None:
    """Read CREATE FOREIGN DATA WRAPPER behind these words."""
    draft.classify("power")
    draft.target(Object("foreign data wrapper", Name("", reader.identifier())))
    _wrapper_options(reader)


def create_mapping(reader: Reader, draft: Draft) -> None:
    """Read CREATE USER MAPPING behind these words."""
    draft.classify("power")
    draft.secret = True
    reader.take("if not exists")
    draft.target(objects.KINDS["user mapping"].read(reader, draft, "user mapping", "CREATE"))
    options.foreign(reader)


def alter_foreign(reader: Reader, draft: Draft) -> None:
    """Read what ALTER SERVER, USER MAPPING or FOREIGN DATA WRAPPER changes."""
    draft.secret = True
    draft.typed("It changes where foreign tables lead.")
    if reader.take("version"):
        reader.string()
    _wrapper_options(reader)


def create_publication(reader: Reader, draft: Draft) -> None:
    """Read CREATE PUBLICATION behind these words."""
    draft.classify("power")
    draft.target(Object("publication", Name("", reader.identifier())))
    if reader.take("for all tables"):
        draft.typed("It offers every table to subscribers.")
    elif reader.take("for"):
        _published(reader, draft)
    if reader.take("with"):
        options.storage(reader)


def alter_publication(reader: Reader, draft: Draft) -> None:
    """Read what ALTER PUBLICATION changes of the publication itself."""
    draft.typed("It changes what subscribers get.")
    match reader.expect("add", "set", "drop"):
        case "set" if reader.mark() == "(":
            options.storage(reader)
        case _:
            _published(reader, draft)


def create_subscription(reader: Reader, draft: Draft) -> None:
    """Read CREATE SUBSCRIPTION behind these words."""
    draft.classify("power")
    draft.secret = True
    draft.in_transaction = False
    draft.typed("It opens a connection to another server and writes what comes from there.")
    draft.target(Object("subscription", Name("", reader.identifier())))
    reader.expect("connection")
    reader.string()
    reader.expect("publication")
    _names(reader)
    if reader.take("with"):
        options.storage(reader)


def alter_subscription(reader: Reader, draft: Draft) -> None:
    """Read what ALTER SUBSCRIPTION changes of the subscription itself."""
    draft.in_transaction = False
    draft.typed("It changes what comes in from another server.")
    match reader.expect(
        "connection", "set publication", "add publication", "drop publication", "refresh publication", "enable",
        "disable", "set", "skip",
    ):  # fmt: skip
        case "connection":
            draft.secret = True
            reader.string()
        case "set publication" | "add publication" | "drop publication":
            _names(reader)
            if reader.take("with"):
                options.storage(reader)
        case "refresh publication":
            if reader.take("with"):
                options.storage(reader)
        case "set" | "skip":
            options.storage(reader)


def _database_options(reader: Reader) -> None:
    while not reader.done:
        if not reader.take("connection limit"):
            if reader.word() not in _DATABASE_OPTIONS:
                raise reader.unexpected("an option of the database")
            reader.at += 1
        reader.take_mark("=")
        if reader.is_string():
            reader.string()
        elif not reader.take_number() and not reader.take("default", "true", "false", "on"):
            reader.identifier()


def _wrapper_options(reader: Reader) -> None:
    while phrase := reader.take("handler", "no handler", "validator", "no validator"):
        if not phrase.startswith("no "):
            reader.name(function=True)
    options.foreign(reader)


def _published(reader: Reader, draft: Draft) -> None:
    """Read tables and schemas of a publication."""
    schemas = False
    for number in reader.items():
        if reader.take("tables in schema"):
            schemas = True
        elif reader.take("table"):
            schemas = False
        elif number == 0:
            raise reader.unexpected("TABLE")
        if schemas:
            schema = reader.identifier()
            draft.target(Object("all tables in schema", Name("", schema)))
            draft.sweeps.append(Target("schema", schema))
        else:
            _published_table(reader, draft)


def _published_table(reader: Reader, draft: Draft) -> None:
    reader.take("only")
    draft.relation(reader, "table", "SELECT", "ALTER")
    reader.take_mark("*")
    if reader.mark() == "(":
        columns.column_list(reader)
    if reader.take("where"):
        draft.in_brackets(reader)


def _names(reader: Reader) -> None:
    for _ in reader.items():
        reader.identifier()

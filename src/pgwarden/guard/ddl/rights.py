"""GRANT, REVOKE and ALTER DEFAULT PRIVILEGES."""

from __future__ import annotations

from typing import Final

from pgwarden.guard import functions, keywords
from pgwarden.guard.ddl import columns, objects, roles
from pgwarden.guard.ddl.definition import Object
from pgwarden.guard.ddl.draft import Draft
from pgwarden.guard.ddl.reader import Reader
from pgwarden.guard.parsed import Name
from pgwarden.guard.verdict import Target

_PRIVILEGES: Final = keywords.words("""
    select insert update delete truncate references trigger maintain usage create connect temporary temp execute""")
_ALL: Final = ("all privileges", "all")
_IN_SCHEMA: Final = tuple(
    f"all {what} in schema" for what in ("tables", "sequences", "functions", "procedures", "routines")
)
_KINDS: Final = {
    "table": "table",
    "sequence": "sequence",
    "database": "database",
    "domain": "domain",
    "foreign data wrapper": "foreign data wrapper",
    "foreign server": "server",
    "function": "function",
    "procedure": "procedure",
    "routine": "routine",
    "language": "language",
    "schema": "schema",
    "tablespace": "tablespace",
    "type": "type",
}


def grant(reader: Reader, draft: Draft) -> None:
    """Read GRANT behind this word: rights on objects, or membership in roles."""
    draft.classify("power")
    if _gives_rights(reader):
        _rights(reader)
        _on(reader, draft, "GRANT")
        reader.expect("to")
        _grantees(reader)
        reader.take("with grant option")
    else:
        draft.typed(roles.MEMBERSHIP)
        _roles(reader, draft)
        reader.expect("to")
        _grantees(reader)
        if reader.take("with"):
            _membership_options(reader)
    _granted_by(reader)


def revoke(reader: Reader, draft: Draft) -> None:
    """Read REVOKE behind this word."""
    draft.classify("power")
    draft.typed("It takes rights away.")
    grant_option = reader.take("grant option for")
    if grant_option or _gives_rights(reader):
        _rights(reader)
        _on(reader, draft, "REVOKE")
    else:
        reader.take("admin option for", "inherit option for", "set option for")
        for _ in reader.items():
            draft.target(Object("role", objects.role(reader)))
    reader.expect("from")
    _grantees(reader)
    _granted_by(reader)
    draft.behaviour(reader)


def default_privileges(reader: Reader, draft: Draft) -> None:
    """Read ALTER DEFAULT PRIVILEGES behind these words: it is about objects that do not exist yet."""
    draft.classify("power")
    draft.typed("It decides about rights on everything that is created from now on.")
    if reader.take("for role", "for user"):
        for _ in reader.items():
            draft.target(Object("role", objects.role(reader)))
    if reader.take("in schema"):
        for _ in reader.items():
            draft.target(Object("schema", Name("", reader.identifier())))
    revokes = reader.expect("grant", "revoke") == "revoke"
    draft.does("REVOKE" if revokes else "GRANT")
    if revokes:
        reader.take("grant option for")
    _rights(reader)
    reader.expect("on")
    reader.expect("tables", "functions", "routines", "sequences", "types", "schemas", "large objects")
    reader.expect("from" if revokes else "to")
    _grantees(reader)
    if revokes:
        draft.behaviour(reader)
    else:
        reader.take("with grant option")


def _gives_rights(reader: Reader) -> bool:
    """Tell whether rights on objects follow, and not roles: then ON comes before TO and FROM."""
    for ahead in range(reader.end - reader.at):
        if reader.word(ahead) in ("on", "to", "from"):
            return reader.word(ahead) == "on"
    return False


def _rights(reader: Reader) -> None:
    if reader.take(*_ALL):
        if reader.mark() == "(":
            columns.column_list(reader)
        return
    for _ in reader.items():
        if reader.word() not in _PRIVILEGES:
            raise reader.unexpected("a privilege")
        reader.at += 1
        if reader.mark() == "(":
            columns.column_list(reader)


def _on(reader: Reader, draft: Draft, operation: str) -> None:
    """Read ON and the objects."""
    reader.expect("on")
    if phrase := reader.take(*_IN_SCHEMA):
        for _ in reader.items():
            schema = reader.identifier()
            draft.target(Object(phrase, Name("", schema)))
            draft.sweeps.append(Target("schema", schema))
        return
    kind = _KINDS[reader.take(*_KINDS) or "table"]
    for _ in reader.items():
        found = objects.KINDS[kind].read(reader, draft, kind, operation)
        draft.target(found)
        if kind in ("function", "procedure", "routine") and functions.is_denied(found.name):
            roles.require_unsafe(draft, f"The right to call {found.name}")


def _roles(reader: Reader, draft: Draft) -> None:
    for _ in reader.items():
        draft.target(Object("role", Name("", roles.member(reader, draft))))


def _grantees(reader: Reader) -> None:
    for _ in reader.items():
        reader.take("group")
        objects.role(reader)


def _membership_options(reader: Reader) -> None:
    for _ in reader.items():
        reader.expect("admin", "inherit", "set")
        reader.expect("option", "true", "false")


def _granted_by(reader: Reader) -> None:
    if reader.take("granted by"):
        objects.role(reader)

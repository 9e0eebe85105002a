"""DROP and TRUNCATE: always typed."""

from __future__ import annotations

from pgwarden.guard.ddl import objects
from pgwarden.guard.ddl.definition import Object
from pgwarden.guard.ddl.draft import Draft
from pgwarden.guard.ddl.reader import Reader
from pgwarden.guard.verdict import Target

_ONE = frozenset(
    {"database", "tablespace", "cast", "transform", "operator class", "operator family", "subscription"}
    | {"trigger", "rule", "policy", "user mapping", "event trigger"}
)
"""Kinds of which one statement drops one; the rest take a list."""


def drop(reader: Reader, draft: Draft) -> None:
    """Read DROP behind this word."""
    draft.does("DROP")
    if reader.take("owned by"):
        _owned(reader, draft)
        return
    kind = objects.expect_kind(reader)
    if kind in ("column", "constraint"):
        raise reader.unexpected("an object that can be dropped")
    draft.command = f"DROP {kind.upper()}"
    draft.typed(f"It drops the {kind}{_with_what(kind)}.")
    if kind == "index" and reader.take("concurrently"):
        draft.command += " CONCURRENTLY"
        draft.in_transaction = False
    draft.locks(objects.KINDS[kind].lock if draft.in_transaction else "ShareUpdateExclusiveLock")
    reader.take("if exists")
    for number in reader.items():
        if number and kind in _ONE:
            raise reader.unexpected()
        found = objects.read(reader, draft, kind, "DROP")
        if kind == "schema":
            draft.sweeps.append(Target("schema", found.name.name))
    if kind == "database":
        _force(reader)
    draft.in_transaction = draft.in_transaction and kind not in ("database", "tablespace", "subscription")
    draft.behaviour(reader)


def reassign(reader: Reader, draft: Draft) -> None:
    """Read REASSIGN OWNED behind REASSIGN."""
    draft.does("ALTER")
    draft.classify("power")
    draft.typed("It gives everything that a role owns to another role.")
    draft.sweeps.append(Target("database", ""))
    draft.locks("AccessExclusiveLock")
    reader.expect("owned by")
    for _ in reader.items():
        draft.target(Object("role", objects.role(reader)))
    reader.expect("to")
    objects.role(reader)


def truncate(reader: Reader, draft: Draft) -> None:
    """Read TRUNCATE behind this word."""
    draft.does("TRUNCATE")
    draft.typed("It removes every row of the table.")
    draft.locks("AccessExclusiveLock")
    reader.take("table")
    for _ in reader.items():
        reader.take("only")
        draft.relation(reader, "table", "TRUNCATE")
        reader.take_mark("*")
    reader.take("restart identity", "continue identity")
    draft.behaviour(reader)


def _owned(reader: Reader, draft: Draft) -> None:
    draft.command = "DROP OWNED"
    draft.does("REVOKE")
    draft.classify("power")
    draft.typed("It drops everything that a role owns, and its rights.")
    draft.sweeps.append(Target("database", ""))
    draft.locks("AccessExclusiveLock")
    for _ in reader.items():
        draft.target(Object("role", objects.role(reader)))
    draft.behaviour(reader)


def _with_what(kind: str) -> str:
    return " with its rows" if kind in ("table", "materialized view") else ""


def _force(reader: Reader) -> None:
    if reader.mark() == "(" or reader.take("with"):
        with reader.bracket():
            for _ in reader.items():
                reader.expect("force")

"""Sequences: CREATE SEQUENCE, ALTER SEQUENCE, and the options of identity columns."""

from __future__ import annotations

from pgwarden.guard.ddl import typenames
from pgwarden.guard.ddl.draft import Draft
from pgwarden.guard.ddl.reader import Reader


def options(reader: Reader, draft: Draft) -> None:
    """Read the options of a sequence up to the end."""
    while not reader.done:
        option(reader, draft)


def option(reader: Reader, draft: Draft) -> None:
    """Read one option of a sequence."""
    match reader.expect(
        "as",
        "increment by",
        "increment",
        "no minvalue",
        "no maxvalue",
        "minvalue",
        "maxvalue",
        "start with",
        "start",
        "restart with",
        "restart",
        "cache",
        "no cycle",
        "cycle",
        "owned by",
        "sequence name",
        "logged",
        "unlogged",
    ):
        case "as":
            typenames.read(reader, draft)
        case "owned by":
            _owner(reader, draft)
        case "sequence name":
            reader.name()
        case "restart":
            reader.take_number()
        case "no minvalue" | "no maxvalue" | "no cycle" | "cycle" | "logged" | "unlogged":
            pass
        case _:
            reader.number()


def create(reader: Reader, draft: Draft) -> None:
    """Read CREATE [TEMPORARY] SEQUENCE behind these words."""
    draft.classify("schema")
    reader.take("if not exists")
    draft.relation(reader, "sequence", "CREATE")
    options(reader, draft)


def alter(reader: Reader, draft: Draft) -> None:
    """Read what ALTER SEQUENCE changes of the sequence itself."""
    draft.locks("ShareRowExclusiveLock")
    if "restart" in (word for word in map(reader.word, range(reader.end - reader.at))):
        draft.note = "The sequence gives out numbers again that may be in use."
    if reader.take("set logged", "set unlogged"):
        draft.locks("AccessExclusiveLock")
        draft.rewrite("It rewrites the sequence.")
        return
    if reader.done:
        raise reader.unexpected("an option of the sequence")
    options(reader, draft)


def _owner(reader: Reader, draft: Draft) -> None:
    if reader.take("none"):
        return
    index, table, _ = reader.column()
    draft.uses("ALTER", table, index)

"""CREATE VIEW, MATERIALIZED VIEW, INDEX and STATISTICS."""

from __future__ import annotations

from pgwarden.guard.ddl import columns, options, queries
from pgwarden.guard.ddl.definition import Object
from pgwarden.guard.ddl.draft import Draft
from pgwarden.guard.ddl.objects import KINDS
from pgwarden.guard.ddl.reader import Reader
from pgwarden.guard.parsed import Name, Refused

_VIEW_OPTIONS = frozenset({"check_option", "security_barrier", "security_invoker"})


def create_view(reader: Reader, draft: Draft, *, replaces: bool) -> None:
    """Read CREATE [OR REPLACE] [TEMPORARY] VIEW behind these words."""
    draft.classify("schema")
    draft.relation(reader, "view", "CREATE", *(("ALTER",) if replaces else ()))
    if replaces:
        draft.locks(KINDS["view"].lock)
    if reader.mark() == "(":
        columns.column_list(reader)
    if reader.take("with") and set(options.storage(reader)) - _VIEW_OPTIONS:
        raise Refused("not_understood", "The view has an option that is not known.", f"Known: {sorted(_VIEW_OPTIONS)}.")
    queries.read(reader, draft, "with cascaded check option", "with local check option", "with check option")


def create_materialized_view(reader: Reader, draft: Draft) -> None:
    """Read CREATE MATERIALIZED VIEW behind these words."""
    draft.classify("schema")
    reader.take("if not exists")
    draft.relation(reader, "materialized view", "CREATE")
    if reader.mark() == "(":
        columns.column_list(reader)
    if reader.take("using"):
        reader.identifier()
    if reader.take("with"):
        options.storage(reader)
    if reader.take("tablespace"):
        reader.identifier()
    queries.read(reader, draft, "with no data", "with data")


def create_index(reader: Reader, draft: Draft) -> None:
    """Read CREATE [UNIQUE] INDEX behind these words."""
    draft.classify("schema")
    if reader.take("concurrently"):
        draft.command += " CONCURRENTLY"
        draft.in_transaction = False
        draft.locks("ShareUpdateExclusiveLock")
    else:
        draft.locks("ShareLock")
    reader.take("if not exists")
    index = "" if reader.sees("on") else reader.name().name
    reader.expect("on")
    reader.take("only")
    table = draft.read_relation(reader, "SELECT", "ALTER")
    draft.target(Object("index", Name("", index), on=table) if index else Object("table", table, is_relation=True))
    if reader.take("using"):
        reader.identifier()
    with reader.bracket():
        for _ in reader.items():
            columns.element(reader, draft)
    _index_tail(reader, draft)


def create_statistics(reader: Reader, draft: Draft) -> None:
    """Read CREATE STATISTICS behind these words."""
    draft.classify("schema")
    draft.locks("ShareUpdateExclusiveLock")
    reader.take("if not exists")
    name = None if reader.mark() == "(" or reader.sees("on") else reader.name()
    if reader.mark() == "(":
        columns.column_list(reader)
    reader.expect("on")
    for _ in reader.items():
        columns.element(reader, draft)
    reader.expect("from")
    table = draft.read_relation(reader, "SELECT", "ALTER")
    draft.target(Object("statistics", name) if name else Object("table", table, is_relation=True))


def _index_tail(reader: Reader, draft: Draft) -> None:
    if reader.take("include"):
        columns.column_list(reader)
    reader.take("nulls not distinct", "nulls distinct")
    if reader.take("with"):
        options.storage(reader)
    if reader.take("tablespace"):
        reader.identifier()
    if reader.take("where"):
        draft.expression(reader, reader.at, reader.end)
        reader.at = reader.end

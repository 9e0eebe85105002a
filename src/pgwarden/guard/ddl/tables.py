"""CREATE TABLE in its four forms, and CREATE FOREIGN TABLE."""

from __future__ import annotations

from pgwarden.guard.ddl import columns, options, queries
from pgwarden.guard.ddl.draft import Draft
from pgwarden.guard.ddl.reader import Reader

_COPIES = ("comments", "compression", "constraints", "defaults", "generated", "identity", "indexes", "statistics")


def create(reader: Reader, draft: Draft) -> None:
    """Read CREATE [TEMPORARY | UNLOGGED] TABLE behind these words."""
    draft.classify("schema")
    reader.take("if not exists")
    draft.relation(reader, "table", "CREATE")
    if reader.take("partition of"):
        _partition(reader, draft)
    elif reader.take("of"):
        draft.types.add(reader.name())
        _typed_columns(reader, draft)
    elif reader.mark() == "(" and not _is_column_list(reader):
        _elements(reader, draft)
        _inherits(reader, draft)
    else:
        _as_query(reader, draft)
        return
    _partition_key(reader, draft)
    _storage(reader)


def create_foreign(reader: Reader, draft: Draft) -> None:
    """Read CREATE FOREIGN TABLE behind these words."""
    draft.classify("power")
    reader.take("if not exists")
    draft.relation(reader, "foreign table", "CREATE")
    if reader.take("partition of"):
        _partition(reader, draft)
    else:
        _elements(reader, draft)
        _inherits(reader, draft)
    reader.expect("server")
    reader.identifier()
    draft.secret = draft.secret or reader.sees("options")
    options.foreign(reader)


def bounds(reader: Reader, draft: Draft) -> None:
    """Read the bounds of a partition."""
    if reader.take("default"):
        return
    match reader.expect("for values in", "for values from", "for values with"):
        case "for values with":
            with reader.bracket():
                for _ in reader.items():
                    reader.expect("modulus", "remainder")
                    reader.number()
        case "for values in":
            _values(reader, draft)
        case _:
            _values(reader, draft)
            reader.expect("to")
            _values(reader, draft)


def _values(reader: Reader, draft: Draft) -> None:
    with reader.bracket():
        for _ in reader.items():
            if reader.take("minvalue", "maxvalue"):
                continue
            start = reader.at
            reader.at = behind_expression(reader)
            draft.expression(reader, start, reader.at)


def behind_expression(reader: Reader) -> int:
    """Return the index of the next comma outside of brackets, or the end: no expression goes beyond it."""
    index, marks = reader.at, reader.stream.marks
    while index < reader.end and marks[index] != ",":
        index = reader.stream.partner[index] + 1 if marks[index] in ("(", "[") else index + 1
    return index


def _elements(reader: Reader, draft: Draft) -> None:
    with reader.bracket():
        if reader.done:
            return
        for _ in reader.items():
            if reader.take("like"):
                draft.read_relation(reader, "SELECT")
                while reader.take("including", "excluding"):
                    reader.expect("all", "storage", *_COPIES)
            elif columns.starts_constraint(reader):
                columns.table_constraint(reader, draft)
            else:
                columns.column(reader, draft)


def _inherits(reader: Reader, draft: Draft) -> None:
    if reader.take("inherits"):
        draft.locks("ShareUpdateExclusiveLock")
        with reader.bracket():
            for _ in reader.items():
                draft.read_relation(reader, "SELECT", "ALTER")


def _partition(reader: Reader, draft: Draft) -> None:
    draft.locks("AccessExclusiveLock")
    draft.read_relation(reader, "SELECT", "ALTER")
    _typed_columns(reader, draft)
    bounds(reader, draft)


def _typed_columns(reader: Reader, draft: Draft) -> None:
    """Read the columns of a table whose types are given elsewhere: names with constraints, and constraints."""
    if reader.mark() != "(":
        return
    with reader.bracket():
        for _ in reader.items():
            if columns.starts_constraint(reader):
                columns.table_constraint(reader, draft)
            else:
                reader.identifier()
                reader.take("with options")
                columns.constraints(reader, draft)


def _partition_key(reader: Reader, draft: Draft) -> None:
    if reader.take("partition by"):
        reader.expect("range", "list", "hash")
        with reader.bracket():
            for _ in reader.items():
                columns.element(reader, draft)


def _storage(reader: Reader) -> None:
    if reader.take("using"):
        reader.identifier()
    if reader.take("with"):
        options.storage(reader)
    else:
        reader.take("without oids")
    reader.take("on commit preserve rows", "on commit delete rows", "on commit drop")
    if reader.take("tablespace"):
        reader.identifier()


def _is_column_list(reader: Reader) -> bool:
    """Tell whether the bracket holds nothing but names, as before AS: a column has a type behind its name."""
    index, close = reader.at + 1, reader.stream.partner[reader.at]
    while index < close and reader.stream.is_name(index):
        if index + 1 == close:
            return True
        if reader.stream.marks[index + 1] != ",":
            return False
        index += 2
    return False


def _as_query(reader: Reader, draft: Draft) -> None:
    if reader.mark() == "(":
        columns.column_list(reader)
    _storage(reader)
    queries.read(reader, draft, "with no data", "with data")

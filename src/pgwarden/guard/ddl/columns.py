"""Columns and constraints, as CREATE TABLE, ALTER TABLE and CREATE DOMAIN have them."""

from __future__ import annotations

from typing import Final

from pgwarden.guard import keywords
from pgwarden.guard.ddl import options, sequences, typenames
from pgwarden.guard.ddl.draft import Draft
from pgwarden.guard.ddl.objects import operator
from pgwarden.guard.ddl.reader import Reader
from pgwarden.guard.lexer import Kind

_ENDS_DEFAULT: Final = keywords.words("""
    constraint not null unique primary check references generated collate deferrable initially""")
_CONSTRAINT_WORDS: Final = keywords.words("constraint check unique primary foreign not")
_HARMLESS_CALLS: Final = keywords.words("now transaction_timestamp statement_timestamp")
_CONSTANT_WORDS: Final = keywords.words("""
    null true false current_date current_time current_timestamp localtime localtimestamp current_user session_user
    current_role user array""")
_BEHIND_ELEMENT: Final = frozenset({"asc", "desc", "nulls", "with", "from"})
_ACTIONS: Final = ("no action", "restrict", "cascade", "set null", "set default")


def column(reader: Reader, draft: Draft, *, adding: bool = False) -> None:
    """Read a column: name, type, constraints.

    Args:
        reader: The statement, before the name.
        draft: What has been read.
        adding: Whether it is added to a table that exists, so that its rows may have to be rewritten.
    """
    reader.identifier()
    name = typenames.read(reader, draft)
    if adding and not typenames.is_builtin(name):
        draft.rewrite("Adding a column of a type that may be a domain or have a default of its own can rewrite it.")
    options.foreign(reader)
    if reader.take("storage"):
        reader.expect("plain", "external", "extended", "main", "default")
    if reader.take("compression"):
        _word_or_default(reader)
    constraints(reader, draft, adding=adding)


def constraints(reader: Reader, draft: Draft, *, adding: bool = False) -> None:
    """Read the constraints of a column or a domain, up to a comma or the end."""
    while not reader.done and reader.mark() != ",":
        if reader.take("constraint"):
            reader.identifier()
        _column_constraint(reader, draft, adding=adding)


def _column_constraint(reader: Reader, draft: Draft, *, adding: bool) -> None:
    match reader.take("not null", "null", "default", "check", "generated", "unique", "primary key", "references"):
        case "not null":
            reader.take("no inherit")
        case "null":
            pass
        case "default":
            _default(reader, draft, adding=adding)
        case "check":
            draft.in_brackets(reader)
            reader.take("no inherit")
        case "generated":
            _generated(reader, draft, adding=adding)
        case "unique" | "primary key":
            _index_parameters(reader)
        case "references":
            _references(reader, draft)
        case _:
            if reader.take("collate"):
                reader.name()
            elif not _attribute(reader):
                raise reader.unexpected("a constraint of a column")


def _default(reader: Reader, draft: Draft, *, adding: bool) -> None:
    start = reader.at
    reader.at = _end_of_default(reader)
    draft.expression(reader, start, reader.at)
    if adding and not _is_constant(reader, start, reader.at):
        draft.rewrite("A default that is not a plain constant can rewrite the table.")


def _end_of_default(reader: Reader) -> int:
    """Return the index behind the default of a column: it ends before a comma, or a word that opens a constraint."""
    stream, index, cases = reader.stream, reader.at, 0
    while index < reader.end and stream.marks[index] != ",":
        word = stream.tokens[index].value if stream.tokens[index].kind is Kind.WORD else ""
        dotted = stream.marks[index - 1] == "."
        cases += 0 if dotted else (word == "case") - (word == "end")
        if word in _ENDS_DEFAULT and not cases and not dotted and index > reader.at and stream.is_operand(index - 1):
            return index
        index = stream.partner[index] + 1 if stream.marks[index] in ("(", "[") else index + 1
    return index


def _is_constant(reader: Reader, start: int, end: int) -> bool:
    """Tell whether an expression is made of constants, casts to built-in types and the time of the transaction."""
    stream = reader.stream
    for index in range(start, end):
        token = stream.tokens[index]
        if token.kind is Kind.QUOTED or (token.kind is Kind.OPERATOR and token.value not in ("-", "+")):
            return False
        known = token.value in _CONSTANT_WORDS or token.value in _HARMLESS_CALLS
        if token.kind is Kind.WORD and not known and not typenames.is_type_word(token.value):
            return False
    return True


def _generated(reader: Reader, draft: Draft, *, adding: bool) -> None:
    how = reader.expect("always as", "by default as")
    if reader.take("identity"):
        if reader.mark() == "(":
            with reader.bracket():
                sequences.options(reader, draft)
    elif how == "always as":
        draft.in_brackets(reader)
        if not reader.take("stored", "virtual"):
            draft.note = "A generated column without STORED is virtual from PostgreSQL 18 on."
    else:
        raise reader.unexpected("IDENTITY")
    if adding:
        draft.rewrite("A generated column or an identity rewrites the table.")


def _index_parameters(reader: Reader) -> None:
    reader.take("nulls not distinct", "nulls distinct")
    if reader.take("include"):
        column_list(reader)
    if reader.take("with"):
        options.storage(reader)
    if reader.take("using index tablespace"):
        reader.identifier()


def _references(reader: Reader, draft: Draft) -> None:
    draft.read_relation(reader, "SELECT")
    draft.locks("ShareRowExclusiveLock")
    if reader.mark() == "(":
        column_list(reader)
    if reader.take("match"):
        reader.expect("full", "partial", "simple")
    while reader.take("on delete", "on update"):
        if reader.expect(*_ACTIONS) in ("set null", "set default") and reader.mark() == "(":
            column_list(reader)


def _attribute(reader: Reader) -> bool:
    return bool(
        reader.take(
            "not deferrable",
            "deferrable",
            "initially deferred",
            "initially immediate",
            "not enforced",
            "enforced",
            "not valid",
            "no inherit",
        )
    )


def attributes(reader: Reader) -> None:
    """Read what can follow a table constraint: DEFERRABLE, INITIALLY DEFERRED, NOT VALID, ..."""
    while _attribute(reader):
        pass


def column_list(reader: Reader) -> None:
    """Read names of columns in brackets."""
    with reader.bracket():
        for _ in reader.items():
            reader.take("period")
            reader.identifier()
            reader.take("without overlaps")


def starts_constraint(reader: Reader) -> bool:
    """Tell whether a constraint of a table comes next, and not a column."""
    if reader.word() == "exclude":  # not reserved: a column can have the name, but not what follows
        return reader.mark(1) == "(" or reader.word(1) == "using"
    return reader.word() in _CONSTRAINT_WORDS


def table_constraint(reader: Reader, draft: Draft) -> None:
    """Read a constraint of a table."""
    if reader.take("constraint"):
        reader.identifier()
    match reader.expect("check", "unique", "primary key", "foreign key", "exclude", "not null"):
        case "check":
            draft.in_brackets(reader)
        case "unique" | "primary key":
            if reader.take("using index"):
                reader.identifier()
            else:
                reader.take("nulls not distinct", "nulls distinct")
                column_list(reader)
                _index_parameters(reader)
        case "foreign key":
            column_list(reader)
            reader.expect("references")
            _references(reader, draft)
        case "exclude":
            _exclude(reader, draft)
        case _:
            reader.identifier()
    attributes(reader)


def _exclude(reader: Reader, draft: Draft) -> None:
    if reader.take("using"):
        reader.identifier()
    with reader.bracket():
        for _ in reader.items():
            element(reader, draft)
            reader.expect("with")
            if reader.word() == "operator":
                raise reader.unexpected("an operator without a schema")
            draft.operators.add(operator(reader))
    _index_parameters(reader)
    if reader.take("where"):
        draft.in_brackets(reader)


def element(reader: Reader, draft: Draft) -> None:
    """Read one element of an index or a partition key: a column, a call or an expression, and how it is compared."""
    start = reader.at
    if reader.mark() == "(":
        draft.in_brackets(reader)
    else:
        end = reader.stream.chain_end(reader.at)
        if reader.stream.marks[end + 1] == "(" and end + 1 < reader.end:
            reader.at = reader.stream.partner[end + 1] + 1
            draft.expression(reader, start, reader.at)
        else:
            reader.identifier()
    if reader.take("collate"):
        reader.name()
    if not reader.done and reader.mark() != "," and reader.word() not in _BEHIND_ELEMENT:
        reader.name()
        if reader.mark() == "(":
            options.storage(reader)
    reader.take("asc", "desc")
    reader.take("nulls first", "nulls last")


def _word_or_default(reader: Reader) -> None:
    if not reader.take("default"):
        reader.identifier()

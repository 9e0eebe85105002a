"""CREATE of what runs code or is part of the language: triggers, rules, policies, extensions, operators, casts."""

from __future__ import annotations

from typing import Final

from pgwarden.guard.ddl import columns, objects, options, typenames
from pgwarden.guard.ddl.definition import Object
from pgwarden.guard.ddl.draft import Draft
from pgwarden.guard.ddl.reader import Reader
from pgwarden.guard.parsed import Name, Refused

_EVENTS: Final = ("insert", "delete", "truncate", "update of", "update")


def create_trigger(reader: Reader, draft: Draft) -> None:
    """Read CREATE [OR REPLACE] [CONSTRAINT] TRIGGER behind these words."""
    draft.classify("code")
    draft.locks("ShareRowExclusiveLock")
    name = reader.identifier()
    reader.expect("before", "after", "instead of")
    while True:
        if reader.expect(*_EVENTS) == "update of":
            for _ in reader.items():
                reader.identifier()
        if not reader.take("or"):
            break
    reader.expect("on")
    draft.target(Object("trigger", Name("", name), on=draft.read_relation(reader, "SELECT", "ALTER")))
    if reader.take("from"):
        draft.read_relation(reader, "SELECT")
    columns.attributes(reader)
    _transition_tables(reader)
    if reader.take("for each", "for"):
        reader.expect("row", "statement")
    if reader.take("when"):
        draft.in_brackets(reader)
    _trigger_function(reader)


def create_event_trigger(reader: Reader, draft: Draft) -> None:
    """Read CREATE EVENT TRIGGER behind these words."""
    draft.classify("code")
    draft.target(Object("event trigger", Name("", reader.identifier())))
    reader.expect("on")
    reader.identifier()
    if reader.take("when"):
        while True:
            reader.identifier()
            reader.expect("in")
            with reader.bracket():
                for _ in reader.items():
                    reader.string()
            if not reader.take("and"):
                break
    _trigger_function(reader)


def create_rule(reader: Reader, draft: Draft) -> None:
    """Read CREATE [OR REPLACE] RULE behind these words; of what a rule could do, only DO NOTHING is accepted.

    Raises:
        Refused: It does something else.
    """
    draft.classify("code")
    draft.locks("AccessExclusiveLock")
    draft.typed("From then on statements on the table do something else than they say.")
    name = reader.identifier()
    reader.expect("as on")
    reader.expect("select", "insert", "update", "delete")
    reader.expect("to")
    draft.target(Object("rule", Name("", name), on=draft.read_relation(reader, "SELECT", "ALTER")))
    if reader.take("where"):
        start = reader.at
        while not reader.done and reader.word() != "do":
            reader.at = reader.stream.partner[reader.at] + 1 if reader.mark() in ("(", "[") else reader.at + 1
        draft.expression(reader, start, reader.at)
    reader.expect("do")
    reader.take("also", "instead")
    if not reader.take("nothing"):
        raise Refused("not_understood", "A rule that runs statements is not accepted.", "Use a trigger.")


def create_policy(reader: Reader, draft: Draft) -> None:
    """Read CREATE POLICY behind these words."""
    draft.classify("power")
    draft.locks("AccessExclusiveLock")
    name = reader.identifier()
    reader.expect("on")
    draft.target(Object("policy", Name("", name), on=draft.read_relation(reader, "SELECT", "ALTER")))
    if reader.take("as"):
        reader.expect("permissive", "restrictive")
    if reader.take("for"):
        reader.expect("all", "select", "insert", "update", "delete")
    policy_rule(reader, draft)


def policy_rule(reader: Reader, draft: Draft) -> None:
    """Read for whom a policy is, and its conditions."""
    if reader.take("to"):
        for _ in reader.items():
            objects.role(reader)
    if reader.take("using"):
        draft.in_brackets(reader)
    if reader.take("with check"):
        draft.in_brackets(reader)


def create_extension(reader: Reader, draft: Draft) -> None:
    """Read CREATE EXTENSION behind these words."""
    draft.classify("code")
    reader.take("if not exists")
    draft.target(Object("extension", Name("", reader.identifier())))
    reader.take("with")
    while phrase := reader.take("schema", "version", "cascade"):
        if phrase == "cascade":
            draft.cascade = True
            draft.typed("CASCADE installs the extensions that it needs as well.")
        elif reader.is_string():
            reader.string()
        else:
            reader.identifier()


def create_cast(reader: Reader, draft: Draft) -> None:
    """Read CREATE CAST behind these words."""
    draft.classify("code")
    draft.target(objects.KINDS["cast"].read(reader, draft, "cast", "CREATE"))
    if reader.expect("with function", "without function", "with inout") == "with function":
        reader.name(function=True)
        if reader.mark() == "(":
            objects.arguments(reader, draft)
    reader.take("as assignment", "as implicit")


def create_operator(reader: Reader, draft: Draft) -> None:
    """Read CREATE OPERATOR behind these words."""
    draft.classify("code")
    draft.target(Object("operator", objects.operator(reader)))
    options.definitions(reader)


def create_defined(reader: Reader, draft: Draft, kind: str) -> None:
    """Read CREATE TEXT SEARCH ... behind these words: a name, and a list of definitions."""
    draft.classify("code")
    draft.target(Object(kind, reader.name()))
    options.definitions(reader)


def create_language(reader: Reader, draft: Draft) -> None:
    """Read CREATE LANGUAGE behind these words, without functions of its own (that is CREATE EXTENSION)."""
    draft.classify("code")
    draft.target(Object("language", Name("", reader.identifier())))


def create_conversion(reader: Reader, draft: Draft) -> None:
    """Read CREATE [DEFAULT] CONVERSION behind these words."""
    draft.classify("code")
    draft.target(Object("conversion", reader.name()))
    reader.expect("for")
    reader.string()
    reader.expect("to")
    reader.string()
    reader.expect("from")
    reader.name(function=True)


def create_transform(reader: Reader, draft: Draft) -> None:
    """Read CREATE [OR REPLACE] TRANSFORM behind these words."""
    draft.classify("code")
    draft.target(objects.KINDS["transform"].read(reader, draft, "transform", "CREATE"))
    with reader.bracket():
        for _ in reader.items():
            reader.expect("from sql", "to sql")
            reader.expect("with function")
            reader.name(function=True)
            if reader.mark() == "(":
                objects.arguments(reader, draft)


def create_operator_family(reader: Reader, draft: Draft) -> None:
    """Read CREATE OPERATOR FAMILY behind these words."""
    draft.classify("code")
    draft.target(objects.KINDS["operator family"].read(reader, draft, "operator family", "CREATE"))


def create_operator_class(reader: Reader, draft: Draft) -> None:
    """Read CREATE OPERATOR CLASS behind these words."""
    draft.classify("code")
    name = reader.name()
    reader.take("default")
    reader.expect("for type")
    typenames.read(reader, draft)
    reader.expect("using")
    reader.identifier()
    if reader.take("family"):
        reader.name()
    draft.target(Object("operator class", name))
    reader.expect("as")
    for _ in reader.items():
        _member(reader, draft)


def _member(reader: Reader, draft: Draft) -> None:
    match reader.expect("operator", "function", "storage"):
        case "storage":
            typenames.read(reader, draft)
        case "operator":
            reader.number()
            objects.operator(reader)
            if reader.mark() == "(":
                objects.arguments(reader, draft)
            if reader.take("for order by"):
                reader.name()
            else:
                reader.take("for search")
        case _:
            reader.number()
            if reader.mark() == "(":
                objects.arguments(reader, draft)
            reader.name(function=True)
            objects.arguments(reader, draft)


def create_access_method(reader: Reader, draft: Draft) -> None:
    """Read CREATE ACCESS METHOD behind these words."""
    draft.classify("code")
    draft.target(Object("access method", Name("", reader.identifier())))
    reader.expect("type")
    reader.expect("index", "table")
    reader.expect("handler")
    reader.name(function=True)


def _transition_tables(reader: Reader) -> None:
    if reader.take("referencing"):
        while reader.take("old table", "new table"):
            reader.take("as")
            reader.identifier()


def _trigger_function(reader: Reader) -> None:
    reader.expect("execute function", "execute procedure")
    reader.name(function=True)
    with reader.bracket():
        if reader.done:
            return
        for _ in reader.items():
            if reader.is_string():
                reader.string()
            elif not reader.take_number():
                reader.part()

"""Every command by its first word. What is not here is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from pgwarden.guard.ddl import alter, create, drop, expressions, maintenance, never, rights, session
from pgwarden.guard.ddl.definition import Definition, Object
from pgwarden.guard.ddl.draft import Draft
from pgwarden.guard.ddl.reader import Reader
from pgwarden.guard.lexer import Kind, Token
from pgwarden.guard.parsed import Refused

_Rest = Callable[[Reader, Draft], None]


def read(tokens: list[Token], unsafe: frozenset[str] = frozenset()) -> Definition:
    """Read one definition or utility statement.

    Args:
        tokens: The statement, as `canonical.statement(lex(sql))` returns it.
        unsafe: What the policy file allows of what is never allowed: COPY, DO, LOAD, ALTER SYSTEM, SUPERUSER.

    Raises:
        Refused: `never_allowed`, `not_postgresql`, `setting_not_allowed`; `not_understood` for whatever the grammar
            does not have; and the refusals of queries for expressions.
    """
    reader, draft = Reader(tokens), Draft(unsafe_list=unsafe)
    if any(token.kind is Kind.MARK and token.value == ";" for token in tokens):
        raise Refused("multiple_statements", "There is more than one statement.", "Send one statement at a time.")
    word = reader.word()
    if word in _OTHER_DIALECTS:
        raise Refused("not_postgresql", f"{word.upper()} is not PostgreSQL's.", _OTHER_DIALECTS[word])
    if reader.sees("alter system"):
        reader.at = 2
        never.alter_system(reader, draft)
        return draft.finish(reader)
    if word in never.VERBS and word not in _COMMANDS:
        raise never.refused(word)
    if word not in _COMMANDS:
        raise Refused("not_understood", "The statement does not start with a command that is known.", _KNOWN)
    reader.at = 1
    draft.command = word.upper()
    _COMMANDS[word](reader, draft)
    start, end = draft.query
    if any(token.kind is Kind.PARAMETER for token in (*tokens[:start], *tokens[end:])) and word != "call":
        raise Refused("invalid_sql", "A definition takes no parameters.", "Write the values as constants.")
    return draft.finish(reader)


def _grant(reader: Reader, draft: Draft) -> None:
    draft.does("GRANT")
    rights.grant(reader, draft)


def _revoke(reader: Reader, draft: Draft) -> None:
    draft.does("REVOKE")
    rights.revoke(reader, draft)


def _set(reader: Reader, draft: Draft) -> None:
    draft.does("SET")
    session.set_value(reader, draft)


def _reset(reader: Reader, draft: Draft) -> None:
    draft.does("SET")
    session.reset(reader, draft)


def _reassign(reader: Reader, draft: Draft) -> None:
    draft.command = "REASSIGN OWNED"
    drop.reassign(reader, draft)


def _call(reader: Reader, draft: Draft) -> None:
    draft.does("CALL")
    start = reader.at
    name = reader.name(function=True)
    reader.inside()
    reader.finish()
    found = expressions.judge_call(reader.stream, start, reader.at)
    draft.add(found)
    draft.target(Object("procedure", name))


_COMMANDS: Final[dict[str, _Rest]] = {
    "create": create.read,
    "alter": alter.read,
    "drop": drop.drop,
    "truncate": drop.truncate,
    "grant": _grant,
    "revoke": _revoke,
    "set": _set,
    "reset": _reset,
    "call": _call,
    "comment": maintenance.comment,
    "refresh": maintenance.refresh,
    "vacuum": maintenance.vacuum,
    "analyze": maintenance.analyze,
    "analyse": maintenance.analyze,
    "reindex": maintenance.reindex,
    "cluster": maintenance.cluster,
    "reassign": _reassign,
    "copy": never.copy,
    "do": never.do,
    "load": never.load,
}
_OTHER_DIALECTS: Final = {
    "describe": "The tool describe_table describes a table.",
    "desc": "The tool describe_table describes a table.",
    "use": "A connection has one database: write schema.name, or connect to the other database.",
}
_KNOWN: Final = "Statements start with SELECT, INSERT, UPDATE, DELETE, MERGE, CREATE, ALTER, DROP and the like."

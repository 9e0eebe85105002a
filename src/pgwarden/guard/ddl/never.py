"""What no profile allows, and the few commands of it that the policy's `unsafe` list can name."""

from __future__ import annotations

from typing import Final

from pgwarden.guard import keywords
from pgwarden.guard.ddl import columns, options, queries
from pgwarden.guard.ddl.definition import Object
from pgwarden.guard.ddl.draft import Draft
from pgwarden.guard.ddl.reader import Reader
from pgwarden.guard.ddl.session import setting_of_others
from pgwarden.guard.lexer import Kind
from pgwarden.guard.parsed import Refused

VERBS: Final = keywords.words("""
    copy do prepare execute deallocate declare fetch move close lock listen notify unlisten load begin start commit end
    rollback abort savepoint release checkpoint discard security import""")
"""First words that are refused in every profile."""

_HINTS: Final = {
    "copy": "INSERT adds rows, and a SELECT returns them.",
    "do": "Send the statements one by one.",
    "prepare": "Pass values as params.",
    "execute": "Pass values as params.",
    "lock": "A change takes the locks that it needs.",
}
_TRANSACTION: Final = keywords.words("begin start commit end rollback abort savepoint release")


def refused(word: str) -> Refused:
    """Return the refusal of a command that no profile allows."""
    hint = _HINTS.get(word, "")
    if word in _TRANSACTION:
        hint = "Every call is a transaction of its own, which ends with it."
    listed = f" The policy file can list {word.upper()} under unsafe." if word in ("copy", "do", "load") else ""
    return Refused(
        "never_allowed",
        f"{word.upper()} is not allowed here, whatever the profile.",
        f"{hint}{listed}".strip() or "A person with the right does this with psql.",
    )


def copy(reader: Reader, draft: Draft) -> None:
    """Read COPY behind this word, where the policy lists it.

    Raises:
        Refused: It is not listed, or is about a stream to or from the client, which there is none of.
    """
    _starts(reader, draft, "COPY", "It reads or writes a file of the server, or runs a program there.")
    if reader.mark() == "(":
        start, end = reader.inside()
        _copy_query(reader, draft, start, end)
    else:
        _copy_table(reader, draft)
    if reader.take("with") or reader.mark() == "(":
        options.switches(reader)
    if reader.take("where"):
        draft.expression(reader, reader.at, reader.end)
        reader.at = reader.end


def do(reader: Reader, draft: Draft) -> None:
    """Read DO behind this word, where the policy lists it."""
    _starts(reader, draft, "DO", "It runs code that nobody here reads.")
    draft.does("CALL")
    language = _language(reader)
    reader.string()
    if not language:
        _language(reader)


def load(reader: Reader, draft: Draft) -> None:
    """Read LOAD behind this word, where the policy lists it."""
    _starts(reader, draft, "LOAD", "It loads a library into the server.")
    draft.does("CALL")
    reader.string()


def alter_system(reader: Reader, draft: Draft) -> None:
    """Read ALTER SYSTEM behind these words, where the policy lists it."""
    _starts(reader, draft, "ALTER SYSTEM", "It changes settings of the whole server.")
    draft.does("ALTER")
    draft.in_transaction = False
    draft.note = "It counts from the next reload or restart of the server on."
    if not reader.take("reset all"):
        setting_of_others(reader)


def _starts(reader: Reader, draft: Draft, command: str, why: str) -> None:
    if command not in draft.unsafe_list:
        if command == "ALTER SYSTEM":
            hint = "A person changes the server's configuration. The policy file can list ALTER SYSTEM under unsafe."
            raise Refused("never_allowed", "ALTER SYSTEM is not allowed here, whatever the profile.", hint)
        raise refused(command.lower())
    draft.command = draft.unsafe = draft.typed_as = command
    draft.classify("power")
    draft.typed(why)


def _language(reader: Reader) -> bool:
    if not reader.take("language"):
        return False
    reader.identifier(function=True)
    return True


def _copy_query(reader: Reader, draft: Draft, start: int, end: int) -> None:
    behind = reader.at
    queries.take(reader, draft, start, end)
    reader.at = behind
    reader.expect("to")
    _file(reader)


def _copy_table(reader: Reader, draft: Draft) -> None:
    index, name = reader.at, reader.name()
    draft.target(Object("table", name, is_relation=True))
    if reader.mark() == "(":
        columns.column_list(reader)
    if reader.expect("from", "to") == "from":
        draft.does("INSERT")
        draft.uses("INSERT", name, index)
        draft.locks("RowExclusiveLock")
    else:
        draft.does("SELECT")
        draft.uses("SELECT", name, index)
        draft.locks("AccessShareLock")
    _file(reader)


def _file(reader: Reader) -> None:
    if reader.sees("stdin") or reader.sees("stdout"):
        raise Refused(
            "never_allowed",
            "There is no stream to copy from or to.",
            "INSERT adds rows, and a SELECT returns them.",
        )
    reader.take("program")
    if not reader.stream.is_kind(reader.at, Kind.STRING):
        raise reader.unexpected("the path of a file")
    reader.string()

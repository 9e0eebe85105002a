"""Roles, and what of them no profile may give: superuser rights, and roles that reach the server's files."""

from __future__ import annotations

from typing import Final

from pgwarden.guard import keywords
from pgwarden.guard.ddl import objects, session
from pgwarden.guard.ddl.definition import Object
from pgwarden.guard.ddl.draft import Draft
from pgwarden.guard.ddl.reader import Reader
from pgwarden.guard.parsed import Name, Refused

UNSAFE: Final = "SUPERUSER"
"""What the policy's `unsafe` list has to name."""

_HARMLESS: Final = keywords.words("""
    pg_monitor pg_read_all_settings pg_read_all_stats pg_stat_scan_tables pg_checkpoint pg_maintain pg_signal_backend
    pg_signal_autovacuum_worker pg_use_reserved_connections""")
"""Roles of PostgreSQL's own that reach neither files nor programs nor every row; those of later versions are not."""

_FLAGS: Final = keywords.words("""
    createdb nocreatedb createrole nocreaterole inherit noinherit login nologin nosuperuser noreplication nobypassrls
    superuser replication bypassrls""")
_POWERFUL: Final = frozenset({"superuser", "replication", "bypassrls"})
MEMBERSHIP: Final = "Members of a role can do whatever it can: of a superuser, everything."
_MEMBERSHIPS: Final = ("in role", "in group", "role", "user", "admin")


def create(reader: Reader, draft: Draft, kind: str) -> None:
    """Read CREATE ROLE, USER or GROUP behind these words."""
    draft.classify("power")
    draft.target(Object(kind, Name("", member(reader, draft))))
    reader.take("with")
    _options(reader, draft, creating=True)


def alter(reader: Reader, draft: Draft, kind: str) -> None:
    """Read ALTER ROLE, USER or GROUP behind the kind."""
    draft.classify("power")
    if reader.take("all"):
        draft.target(Object(kind, Name("", "all")))
    else:
        draft.target(Object(kind, objects.role(reader)))
    draft.typed("It changes what a role can do.")
    if reader.take("rename to"):
        reader.identifier()
        return
    if kind == "group" and (phrase := reader.take("add user", "drop user")):
        draft.does("GRANT" if phrase == "add user" else "REVOKE")
        for _ in reader.items():
            draft.target(Object("role", Name("", member(reader, draft))))
        return
    if reader.take("in database"):
        draft.target(Object("database", Name("", reader.identifier())))
    if reader.sees("set") or reader.sees("reset"):
        session.setting_of_others(reader)
        return
    reader.take("with")
    _options(reader, draft, creating=False)


def member(reader: Reader, draft: Draft) -> str:
    """Read the name of a role that gets something or is given.

    Raises:
        Refused: `never_allowed`: it reaches the server's files, programs or every row, and the policy does not list
            SUPERUSER as unsafe.
    """
    name = objects.role(reader).name
    if name.startswith("pg_") and name not in _HARMLESS:
        require_unsafe(draft, f"The role {name}")
    return name


def require_unsafe(draft: Draft, what: str) -> None:
    """Refuse what makes a role as mighty as a superuser, unless the policy lists that as unsafe."""
    if UNSAFE not in draft.unsafe_list:
        raise Refused(
            "never_allowed",
            f"{what} is not given here, whatever the profile.",
            "A person with the right does this with psql. A policy file can list SUPERUSER under unsafe.",
        )
    draft.unsafe = UNSAFE
    draft.typed("It can make a role as mighty as a superuser.")


def _options(reader: Reader, draft: Draft, *, creating: bool) -> None:
    while not reader.done:
        word = reader.word()
        if word in _FLAGS:
            reader.at += 1
            if word in _POWERFUL:
                require_unsafe(draft, f"The attribute {word.upper()}")
        elif reader.take("encrypted password", "password"):
            draft.secret = True
            if not reader.take("null"):
                reader.string()
        elif reader.take("connection limit"):
            reader.number()
        elif reader.take("valid until"):
            reader.string()
        elif reader.take("sysid"):
            reader.number()
        elif creating and reader.take(*_MEMBERSHIPS):
            draft.does("GRANT")
            draft.typed(MEMBERSHIP)
            for _ in reader.items():
                member(reader, draft)
        else:
            raise reader.unexpected("an attribute of a role")

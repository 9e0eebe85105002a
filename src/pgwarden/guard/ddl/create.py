"""CREATE: which words stand for which kind of object, and where each is read."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

from pgwarden.guard.ddl import code, power, relations, roles, routines, sequences, tables, types
from pgwarden.guard.ddl.draft import Draft
from pgwarden.guard.ddl.reader import Reader
from pgwarden.guard.parsed import Refused

_Rest = Callable[[Reader, Draft], None]


def read(reader: Reader, draft: Draft) -> None:
    """Read CREATE behind this word."""
    draft.does("CREATE")
    replaces = bool(reader.take("or replace"))
    if replaces:
        draft.does("ALTER")
    table = _REPLACED if replaces else _CREATED
    phrase = reader.take(*sorted(table, key=len, reverse=True))
    if not phrase:
        if reader.sees("recursive"):
            raise Refused("not_understood", "RECURSIVE views are not accepted.", "Write AS WITH RECURSIVE ....")
        raise reader.unexpected("an object that can be created")
    draft.command = f"CREATE {'OR REPLACE ' if replaces else ''}{_words(phrase)}"
    table[phrase](reader, draft)


def _words(phrase: str) -> str:
    """Return PostgreSQL's words for the command: UNIQUE, TEMPORARY and the like belong to the object."""
    words = [word for word in phrase.split() if word not in _ADJECTIVES]
    return " ".join(words).upper()


_ADJECTIVES: Final = frozenset({"unique", "temp", "temporary", "unlogged", "constraint", "trusted", "default", "local"})

_TEMPORARY: Final = ("temp", "temporary", "local temp", "local temporary")

_REPLACED: Final[dict[str, _Rest]] = {
    "view": partial(relations.create_view, replaces=True),
    "temp view": partial(relations.create_view, replaces=True),
    "temporary view": partial(relations.create_view, replaces=True),
    "function": partial(routines.create, kind="function", replaces=True),
    "procedure": partial(routines.create, kind="procedure", replaces=True),
    "aggregate": routines.create_aggregate,
    "trigger": code.create_trigger,
    "rule": code.create_rule,
    "transform": code.create_transform,
    "language": code.create_language,
    "trusted language": code.create_language,
}

_CREATED: Final[dict[str, _Rest]] = {
    "table": tables.create,
    "unlogged table": tables.create,
    **{f"{word} table": tables.create for word in _TEMPORARY},
    "foreign table": tables.create_foreign,
    "view": partial(relations.create_view, replaces=False),
    **{f"{word} view": partial(relations.create_view, replaces=False) for word in _TEMPORARY},
    "materialized view": relations.create_materialized_view,
    "index": relations.create_index,
    "unique index": relations.create_index,
    "statistics": relations.create_statistics,
    "sequence": sequences.create,
    "unlogged sequence": sequences.create,
    **{f"{word} sequence": sequences.create for word in _TEMPORARY},
    "schema": types.create_schema,
    "type": types.create_type,
    "domain": types.create_domain,
    "collation": types.create_collation,
    "function": partial(routines.create, kind="function", replaces=False),
    "procedure": partial(routines.create, kind="procedure", replaces=False),
    "aggregate": routines.create_aggregate,
    "trigger": code.create_trigger,
    "constraint trigger": code.create_trigger,
    "event trigger": code.create_event_trigger,
    "rule": code.create_rule,
    "extension": code.create_extension,
    "language": code.create_language,
    "trusted language": code.create_language,
    "cast": code.create_cast,
    "operator": code.create_operator,
    "operator class": code.create_operator_class,
    "operator family": code.create_operator_family,
    "transform": code.create_transform,
    "conversion": code.create_conversion,
    "default conversion": code.create_conversion,
    "access method": code.create_access_method,
    "text search parser": partial(code.create_defined, kind="text search parser"),
    "text search dictionary": partial(code.create_defined, kind="text search dictionary"),
    "text search template": partial(code.create_defined, kind="text search template"),
    "text search configuration": partial(code.create_defined, kind="text search configuration"),
    "policy": code.create_policy,
    "role": partial(roles.create, kind="role"),
    "user": partial(roles.create, kind="user"),
    "group": partial(roles.create, kind="group"),
    "user mapping": power.create_mapping,
    "database": power.create_database,
    "tablespace": power.create_tablespace,
    "server": power.create_server,
    "foreign data wrapper": power.create_wrapper,
    "publication": power.create_publication,
    "subscription": power.create_subscription,
}

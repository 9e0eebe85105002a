"""ALTER: what every kind of object has in common, and where the rest of each kind is read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from pgwarden.guard.ddl import alter_table, code, objects, options, power, rights, roles, routines, sequences, types
from pgwarden.guard.ddl.draft import Draft
from pgwarden.guard.ddl.reader import Reader
from pgwarden.guard.parsed import Refused

_Rest = Callable[[Reader, Draft], None]

_RELATIONS: Final = frozenset({"table", "view", "materialized view", "index", "foreign table"})
_ROLES: Final = frozenset({"role", "user", "group"})


def read(reader: Reader, draft: Draft) -> None:
    """Read ALTER behind this word."""
    draft.does("ALTER")
    if reader.take("default privileges"):
        draft.command = "ALTER DEFAULT PRIVILEGES"
        rights.default_privileges(reader, draft)
        return
    kind = objects.expect_kind(reader)
    draft.command = f"ALTER {kind.upper()}"
    if kind in _ROLES:
        roles.alter(reader, draft, kind)
        return
    if kind in ("column", "constraint", "cast", "transform", "access method"):
        raise reader.unexpected("an object that can be altered")
    reader.take("if exists")
    reader.take("only")
    objects.read(reader, draft, kind, "ALTER")
    reader.take_mark("*")
    if kind in _RELATIONS:
        if kind == "foreign table":
            draft.classify("power")
        alter_table.alter(reader, draft)
    elif not _common(reader, draft, kind):
        _own(reader, draft, kind)


def _common(reader: Reader, draft: Draft, kind: str) -> bool:
    """Read what can be changed of most kinds of objects: owner, name, schema."""
    match reader.take("owner to", "rename to", "set schema", "depends on extension", "no depends on extension"):
        case "":
            return False
        case "owner to":
            alter_table.owner(reader, draft)
        case "depends on extension" | "no depends on extension":
            draft.typed("It decides whether dropping the extension drops it.")
            draft.classify("code")
            reader.identifier()
        case phrase:
            draft.note = "Whatever uses the old name no longer finds it."
            if kind in ("schema", "function", "procedure", "routine", "policy", "rule", "trigger"):
                draft.typed("Everything that uses the old name no longer finds it.")
            name = reader.identifier(function=True)
            (draft.set_schema if phrase == "set schema" else draft.rename)(name)
    draft.locks(objects.KINDS[kind].lock)
    return True


def _own(reader: Reader, draft: Draft, kind: str) -> None:
    rest = _REST.get(kind)
    if rest is None:
        raise reader.unexpected("OWNER TO, RENAME TO or SET SCHEMA")
    rest(reader, draft)


def _statistics(reader: Reader, draft: Draft) -> None:
    reader.expect("set statistics")
    if not reader.take("default"):
        reader.number()


def _collation(reader: Reader, _: Draft) -> None:
    reader.expect("refresh version")


def _extension(reader: Reader, draft: Draft) -> None:
    draft.typed("It changes an extension, or what belongs to it.")
    if reader.take("update"):
        if reader.take("to") and not reader.is_string():
            reader.identifier()
        elif reader.is_string():
            reader.string()
        return
    if reader.expect("add", "drop") == "add":
        # The functions of some extensions are trusted, and so would this one be.
        raise Refused("never_allowed", "Nothing is added to an extension here, whatever the profile.", "Use psql.")
    kind = objects.expect_kind(reader)
    objects.read(reader, draft, kind, "ALTER")


def _event_trigger(reader: Reader, draft: Draft) -> None:
    draft.typed("It changes what runs when objects are created, altered or dropped.")
    reader.expect("disable", "enable replica", "enable always", "enable")


def _policy(reader: Reader, draft: Draft) -> None:
    draft.locks("AccessExclusiveLock")
    draft.typed("It changes who sees which rows.")
    code.policy_rule(reader, draft)


def _defined(reader: Reader, draft: Draft) -> None:
    draft.typed("It changes how texts are searched, also in indexes that exist.")
    options.definitions(reader)


def _operator(reader: Reader, draft: Draft) -> None:
    draft.typed("It changes how queries with the operator are planned.")
    reader.expect("set")
    options.definitions(reader)


_REST: Final[dict[str, _Rest]] = {
    "sequence": sequences.alter,
    "type": types.alter_type,
    "domain": types.alter_domain,
    "statistics": _statistics,
    "collation": _collation,
    "function": routines.alter,
    "procedure": routines.alter,
    "routine": routines.alter,
    "operator": _operator,
    "policy": _policy,
    "event trigger": _event_trigger,
    "extension": _extension,
    "text search dictionary": _defined,
    "database": power.alter_database,
    "tablespace": power.alter_storage,
    "server": power.alter_foreign,
    "user mapping": power.alter_foreign,
    "foreign data wrapper": power.alter_foreign,
    "publication": power.alter_publication,
    "subscription": power.alter_subscription,
}

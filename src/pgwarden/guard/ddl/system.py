"""PostgreSQL's own objects: what the guard trusts by name must not be made, changed or given away."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pgwarden.guard import functions, relations
from pgwarden.guard.ddl import typenames
from pgwarden.guard.ddl.definition import CALLABLE, Object
from pgwarden.guard.parsed import Name, Refused

if TYPE_CHECKING:
    from pgwarden.guard.ddl.draft import Draft

_SCHEMAS: Final = frozenset({"pg_catalog", "information_schema", "pg_toast"})
_CHANGES: Final = ("ALTER", "DROP", "COMMENT")
_MAINTENANCE: Final = ("VACUUM", "ANALYZE", "REINDEX")


def check(draft: Draft) -> None:
    """Refuse a definition with a target among PostgreSQL's own objects, or one that names a relation with secrets.

    VACUUM, ANALYZE and REINDEX may have system catalogs for a target.

    Raises:
        Refused: `relation_not_allowed`.
    """
    for reference in draft.relations:
        if relations.is_denied(reference.name):
            raise Refused("relation_not_allowed", f"{reference.name} holds secrets or server files.")
    if draft.command.startswith(_MAINTENANCE):
        return
    changed = [reference.name for reference in draft.relations if reference.operation != "SELECT"]
    for name in (*(it.name for it in draft.objects), *(it.on for it in draft.objects if it.on)):
        _refuse(name, draft.command)
    for name in changed:
        _refuse(name, draft.command)
        if not name.schema and name.name.startswith("pg_"):
            raise _no(name, draft.command, f"If it is a table of your own, write its schema before it: s.{name.name}.")
    for it in draft.objects:
        if (it.kind == "schema" or it.kind.startswith("all ")) and it.name.name in _SCHEMAS:
            raise _no(it.name, draft.command)
        if draft.command.startswith(_CHANGES) and _is_builtin(it):
            hint = "If it is one of your own, write its schema before it."
            raise _no(it.name, draft.command, hint)
    if draft.given and draft.given.schema in _SCHEMAS:
        raise _no(draft.given, draft.command)


def _is_builtin(it: Object) -> bool:
    """Tell whether a name without a schema is, or may be, the one of a built-in function, type or operator."""
    if it.name.schema:
        return False
    if it.kind in CALLABLE:
        return it.name.name in functions.ALLOWED or it.name.name in functions.DENIED
    if it.kind in ("type", "domain"):
        return typenames.is_builtin(it.name)
    return it.kind == "operator"


def _refuse(name: Name, command: str) -> None:
    if name.schema in _SCHEMAS or name.schema.startswith("pg_toast"):
        raise _no(name, command)


def _no(name: Name, command: str, hint: str = "") -> Refused:
    return Refused("relation_not_allowed", f"{name} belongs to PostgreSQL; {command} is not accepted on it.", hint)

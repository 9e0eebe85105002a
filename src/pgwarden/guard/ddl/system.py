"""PostgreSQL's own objects: what the guard trusts by name must not be made, changed or given away."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pgwarden.guard import relations
from pgwarden.guard.parsed import Name, Refused

if TYPE_CHECKING:
    from pgwarden.guard.ddl.draft import Draft

_SCHEMAS: Final = frozenset({"pg_catalog", "information_schema", "pg_toast"})
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
        if it.kind in ("schema", "all tables in schema") and it.name.name in _SCHEMAS:
            raise _no(it.name, draft.command)


def _refuse(name: Name, command: str) -> None:
    if name.schema in _SCHEMAS or name.schema.startswith("pg_toast"):
        raise _no(name, command)


def _no(name: Name, command: str, hint: str = "") -> Refused:
    return Refused("relation_not_allowed", f"{name} belongs to PostgreSQL; {command} is not accepted on it.", hint)

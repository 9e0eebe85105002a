"""What the policy hides, kept out of every answer that our own SQL gives.

The blocks of `sql/*.sql` read the system catalogs. Where something is hidden each catalog is shadowed by a WITH query
of its name that leaves the hidden rows out, so that no tool has to think of it, and none can forget it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

_JUDGE = ("guard_", "objects_", "impact_")
"""How the names of blocks start that judge or count what is hidden, and do not show it."""
_OURS = frozenset({"type_names", "role", "health"})
"""Blocks whose answers no caller sees."""


@dataclass(frozen=True, slots=True)
class Hiding:
    """What is hidden in one database.

    Attributes:
        relations: Object ids of relations, with their indexes and sequences.
        schemas: Object ids of schemas.
        views: Object ids of views that can be seen and whose definition names something hidden.
        databases: Names of databases.
    """

    relations: frozenset[int] = frozenset()
    schemas: frozenset[int] = frozenset()
    views: frozenset[int] = frozenset()
    databases: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        """Whether there is anything."""
        return bool(self.relations or self.schemas or self.databases)


_CONDITIONS = {
    "pg_class": "oid <> ALL ({relations}) AND relnamespace <> ALL ({schemas})",
    "pg_namespace": "oid <> ALL ({schemas})",
    "pg_proc": "pronamespace <> ALL ({schemas})",
    "pg_type": "typnamespace <> ALL ({schemas}) AND typrelid <> ALL ({relations})",
    "pg_constraint": "connamespace <> ALL ({schemas}) AND conrelid <> ALL ({relations})"
    " AND confrelid <> ALL ({relations})",
    "pg_index": "indrelid <> ALL ({relations})",
    "pg_inherits": "inhrelid <> ALL ({relations}) AND inhparent <> ALL ({relations})",
    "pg_trigger": "tgrelid <> ALL ({relations}) AND tgconstrrelid <> ALL ({relations})",
    "pg_attribute": "attrelid <> ALL ({relations})",
    "pg_description": "NOT (classoid = 'pg_catalog.pg_class'::pg_catalog.regclass AND objoid = ANY ({relations})"
    " OR classoid = 'pg_catalog.pg_namespace'::pg_catalog.regclass AND objoid = ANY ({schemas}))",
    "pg_locks": "relation IS NULL OR relation <> ALL ({relations})",
    "pg_stats": "NOT EXISTS (SELECT FROM pg_catalog.pg_class h JOIN pg_catalog.pg_namespace s ON s.oid = h.relnamespace"
    " WHERE h.oid = ANY ({relations}) AND s.nspname = schemaname AND h.relname = tablename)",
    "pg_database": "datname <> ALL ({databases})",
}
_CATALOG = re.compile(rf"(?<!')\bpg_catalog\.({'|'.join(_CONDITIONS)})\b(?!\s*\()")
_VIEW_DEFINITION = re.compile(r"pg_catalog\.pg_get_viewdef\(([a-z.]+)((?:, true)?)\)")
_SEARCH_PATH = "current_setting('search_path')"
_VISIBLE_PATH = (
    "(SELECT pg_catalog.string_agg(n.nspname, ', ' ORDER BY s.place) FROM pg_catalog.pg_namespace n"
    " JOIN pg_catalog.unnest(pg_catalog.current_schemas(false)) WITH ORDINALITY AS s (name, place)"
    " ON s.name = n.nspname)"
)
_WITH = re.compile(r"\A((?:\s*--[^\n]*\n)*\s*)(with\s+(?:recursive\s+)?)?", re.IGNORECASE)


def veils(block: str) -> bool:
    """Tell whether a block's answer is shown to callers."""
    return not block.startswith(_JUDGE) and block not in _OURS


@lru_cache(maxsize=128)
def veil(text: str, hiding: Hiding) -> str:
    """Return the text of a block with the catalogs that it reads shadowed.

    Args:
        text: A statement that names each catalog as `pg_catalog.name`.
        hiding: What to leave out.
    """
    arrays = {
        "relations": _oids(hiding.relations),
        "schemas": _oids(hiding.schemas),
        "databases": _names(hiding.databases),
    }
    text = text.replace(_SEARCH_PATH, _VISIBLE_PATH)
    used = sorted({match[1] for match in _CATALOG.finditer(text)})
    if not used:
        return text
    shadows = ", ".join(
        f"{name} AS NOT MATERIALIZED (SELECT * FROM pg_catalog.{name} WHERE {_CONDITIONS[name].format(**arrays)})"  # noqa: S608 - oids and quoted names
        for name in used
    )
    text = _CATALOG.sub(r"\1", text)
    views = _oids(hiding.views)
    text = _VIEW_DEFINITION.sub(lambda m: f"CASE WHEN {m[1]} <> ALL ({views}) THEN {m[0]} END", text)
    head = _WITH.match(text)
    assert head is not None
    keyword, rest = head[2], text[head.end() :]
    return f"{head[1]}{keyword}{shadows}, {rest}" if keyword else f"{head[1]}WITH {shadows} {rest}"


def _oids(oids: Iterable[int]) -> str:
    return "'{" + ",".join(map(str, sorted(oids))) + "}'::pg_catalog.oid[]"


def _names(names: Iterable[str]) -> str:
    quoted = ", ".join("'" + name.replace("'", "''") + "'" for name in sorted(names))
    return f"ARRAY[{quoted}]::pg_catalog.name[]"

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
_OURS = frozenset(
    {
        *("type_names", "role", "health", "relation_ids", "undo_ended", "undo_others"),
        *("undo_identity", "undo_identity_plain", "undo_place", "undo_place_plain"),
    }
)
"""Blocks whose answers no caller sees."""


@dataclass(frozen=True, slots=True)
class Hiding:
    """What is hidden in one database.

    Attributes:
        relations: Object ids of relations, with their indexes and sequences.
        schemas: Object ids of schemas.
        views: Object ids of views that can be seen and whose definition names something hidden.
        databases: Names of databases.
        schema_names: The hidden schemas as SQL writes them: quoted where they have to be.
        names: Hidden relations of other schemas likewise, but for those that share their name with one that is shown.
    """

    relations: frozenset[int] = frozenset()
    schemas: frozenset[int] = frozenset()
    views: frozenset[int] = frozenset()
    databases: frozenset[str] = frozenset()
    schema_names: frozenset[str] = frozenset()
    names: frozenset[str] = frozenset()

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
_PRINTED = re.compile(
    r"pg_catalog\.(format_type|pg_get_(?:expr|constraintdef|indexdef|triggerdef|partkeydef|function_(?:result|arguments"
    r"|identity_arguments)))\("
)
"""Functions that print definitions, in which other objects are named."""
_OF_TYPES = ("format_type", "pg_get_function")
NOT_SHOWN = "[not shown]"
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
    text = _veil_printed(text, hiding)
    head = _WITH.match(text)
    assert head is not None
    keyword, rest = head[2], text[head.end() :]
    return f"{head[1]}{keyword}{shadows}, {rest}" if keyword else f"{head[1]}WITH {shadows} {rest}"


def _veil_printed(text: str, hiding: Hiding) -> str:
    """Take hidden names out of what PostgreSQL prints of defaults, types, signatures and the like."""
    schemas, names = (_alternatives(each) for each in (hiding.schema_names, hiding.names))
    if not (schemas or names):
        return text
    found = [rf'(?<![\w$".])({schemas})\.("([^"]|"")+"|[\w$]+)'] if schemas else []
    # A relation's name alone can be any word: it means the relation as a type, and before a cast to regclass.
    of_types = [*found, rf'(?<![\w$".])({names})(?![\w$"])'] if names else found
    elsewhere = [*found, rf"(?<=')({names})(?='::regclass)"] if names else found
    out, at = [], 0
    for match in _PRINTED.finditer(text):
        if match.start() < at:
            continue
        end = _closing(text, match.end())
        pattern = "|".join(of_types if match[1].startswith(_OF_TYPES) else elsewhere).replace("'", "''")
        printed = text[match.start() : end]
        out += [text[at : match.start()], f"pg_catalog.regexp_replace({printed}, '{pattern}', '{NOT_SHOWN}', 'g')"]
        at = end
    return "".join([*out, text[at:]])


def _closing(text: str, start: int) -> int:
    """Return the index behind the bracket that closes the one before `start`; our own SQL has none in strings there."""
    depth = 1
    while depth:
        depth += {"(": 1, ")": -1}.get(text[start], 0)
        start += 1
    return start


def _alternatives(names: Iterable[str]) -> str:
    return "|".join(re.sub(r"([^\w\s\"])", r"\\\1", name) for name in sorted(names))


def _oids(oids: Iterable[int]) -> str:
    return "'{" + ",".join(map(str, sorted(oids))) + "}'::pg_catalog.oid[]"


def _names(names: Iterable[str]) -> str:
    quoted = ", ".join("'" + name.replace("'", "''") + "'" for name in sorted(names))
    return f"ARRAY[{quoted}]::pg_catalog.name[]"

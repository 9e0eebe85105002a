"""The built-in profiles: one for the statement types, one for the tool categories. Both layers must pass."""

from __future__ import annotations

STATEMENT_TYPES = (
    "SELECT",
    "SHOW",
    "DESCRIBE",
    "EXPLAIN",
    "INSERT",
    "SET",
    "UPDATE",
    "DELETE",
    "CREATE",
    "ALTER",
    "CALL",
    "MERGE",
    "DROP",
    "TRUNCATE",
    "GRANT",
    "REVOKE",
    "USE",
)

_READ = frozenset({"SELECT", "SHOW", "DESCRIBE", "EXPLAIN"})
_ANALYST = _READ | {"INSERT", "SET"}
_DEVELOPER = _ANALYST | {"UPDATE", "DELETE", "CREATE", "ALTER", "CALL"}

SQL_PROFILES: dict[str, frozenset[str]] = {
    "read_only": _READ,
    "analyst": _ANALYST,
    "developer": _DEVELOPER,
    "admin": frozenset(STATEMENT_TYPES),
}

_SESSION = frozenset({"session"})
_SCHEMA = _SESSION | {"schema_read"}
_QUERY = _SCHEMA | {"sql_query"}

TOOL_PROFILES: dict[str, frozenset[str]] = {
    "read_only": _QUERY,
    "analyst": _QUERY,
    "developer": _QUERY,
    "admin": _QUERY,
    "operator": _SCHEMA,
}

CATEGORIES: frozenset[str] = frozenset().union(*TOOL_PROFILES.values())

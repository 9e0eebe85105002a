"""The built-in profiles: one for the statement types, one for the tool categories. Both layers must pass."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol, get_args

StatementType = Literal[
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
]
STATEMENT_TYPES: tuple[str, ...] = get_args(StatementType)

TIERS = {
    **dict.fromkeys(("SELECT", "SHOW", "EXPLAIN"), "read"),
    **dict.fromkeys(("INSERT", "SET", "CREATE", "CALL", "MERGE", "GRANT"), "confirm"),
    **dict.fromkeys(("UPDATE", "DELETE"), "confirm; typed without a real WHERE"),
    "ALTER": "confirm; typed where it drops or rewrites",
    **dict.fromkeys(("DROP", "TRUNCATE", "REVOKE"), "typed"),
    **dict.fromkeys(("DESCRIBE", "USE"), "not of PostgreSQL"),
}
"""What a statement of each type needs before it runs, beside being allowed."""

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
_SCHEMA = _SESSION | {"schema_read", "rows_read", "quality", "feature_read", "connection"}
_QUERY = _SCHEMA | {"sql_query", "knowledge", "insight"}
_WRITE = _QUERY | {"sql_write", "rows_write", "knowledge_write", "transaction", "export"}

TOOL_PROFILES: dict[str, frozenset[str]] = {
    "read_only": _QUERY,
    "analyst": _WRITE,
    "developer": _WRITE,
    "admin": _WRITE,
    "operator": _SCHEMA,
}

CATEGORIES: frozenset[str] = frozenset().union(*TOOL_PROFILES.values())


class ProfileSource(Protocol):
    """Where profiles can be given: the environment, a role, the file."""

    @property
    def model_fields_set(self) -> set[str]:
        """The names of what it gives."""


def profile_of(sources: Sequence[ProfileSource], layer: Literal["sql_profile", "tool_profile"]) -> str:
    """Return a layer's profile: of the first source that gives one, its own key before `profile`."""
    known = SQL_PROFILES if layer == "sql_profile" else TOOL_PROFILES
    for source in sources:
        for key in (layer, "profile"):
            name: str | None = getattr(source, key) if key in source.model_fields_set else None
            if name is not None:
                # `operator` grants tools without free SQL; what those run only reads.
                return name if name in known else "read_only"
    return "read_only"

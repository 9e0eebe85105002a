"""The parser has to see a query at the root: anything else was misread by the token rules."""

from __future__ import annotations

from typing import Any, Final

from pgwarden.guard.names import Names
from pgwarden.guard.parsed import Refused

_QUERIES: Final = frozenset({"Select", "Union", "Intersect", "Except", "Values", "Subquery", "Paren"})


def check(nodes: list[Any], names: Names) -> None:
    """Refuse a tree whose root is no query, and does not change rows where the statement is known to."""
    root = type(nodes[0]).__name__
    if root not in _QUERIES and root.lower() not in names.changes:
        raise Refused("not_a_read", "The statement is not a query; only reads run here.", "Start with SELECT or WITH.")

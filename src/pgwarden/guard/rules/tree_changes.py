"""Parser and token rules must agree on what changes rows, and where."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pgwarden.guard.names import Names
from pgwarden.guard.parsed import Refused

_VERBS = frozenset({"insert", "update", "delete", "merge"})


def check(nodes: list[Any], names: Names) -> None:
    """Refuse a tree that changes other things, or more often, than the token rules saw."""
    if not names.changes:
        return  # a query: no node that changes rows is allowed in it
    targets = {names.relations[index].name.replace('"', "_") for index in names.targets}
    found = [change for node in nodes for change in _changes(node)]
    aims = {_target(node) for node in nodes if type(node).__name__.lower() in _VERBS} - {""}
    if tuple(sorted(found)) != names.changes or not aims <= targets:
        raise Refused("not_understood", "The statement can be read in two ways.", "Write it more plainly.")


def _changes(node: Any) -> Iterator[str]:
    """Yield what a node changes, in the words of `dml.Layout.changes`."""
    kind = type(node).__name__.lower()
    if kind in _VERBS:
        yield kind
    elif kind == "when" and node.args["then"].name == "DELETE":
        yield "delete"
    elif kind == "onconflict" and node.args["action"].name == "DO UPDATE":
        yield "conflict"


def _target(node: Any) -> str:
    """Return the name of the table that a node changes; nothing for the actions of MERGE."""
    table = node.this.this if type(node.this).__name__ == "Schema" else node.this
    return str(table.name) if type(table).__name__ == "Table" else ""

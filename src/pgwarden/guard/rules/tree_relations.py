"""Parser and token rules must agree on what is a relation."""

from __future__ import annotations

from typing import Any

from pgwarden.guard.names import Names
from pgwarden.guard.parsed import Refused


def check(nodes: list[Any], names: Names) -> None:
    """Refuse a tree with a relation that the token rules took for something else."""
    known = {name.name.replace('"', "_") for name in names.relations.values()} | {
        name.replace('"', "_") for name in names.ctes
    }
    for node in nodes:
        if type(node).__name__ == "Table" and type(node.this).__name__ == "Identifier" and node.name not in known:
            raise Refused("not_understood", "The statement can be read in two ways.", "Write it more plainly.")

"""Parser and token rules must agree on what is a call.

The skeleton bears one neutral name where the token rules see a call; a call of any other name is one they missed.
"""

from __future__ import annotations

from typing import Any

from pgwarden.guard.names import Names
from pgwarden.guard.parsed import Refused
from pgwarden.guard.skeleton import CALL


def check(nodes: list[Any], _: Names) -> None:
    """Refuse a tree with a call that the token rules took for something else."""
    for node in nodes:
        if type(node).__name__ == "Anonymous" and node.name != CALL:
            raise Refused("not_understood", "The statement can be read in two ways.", "Write it more plainly.")

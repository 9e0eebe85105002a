"""What is said of a statement that uses a masked column in a way that is not permitted."""

from __future__ import annotations

from typing import Final

from pgwarden.guard.parsed import Refused

CODE: Final = "mask_violation"

_USES: Final = {
    "filter": "filters by it",
    "join": "joins by it",
    "order": "orders by it",
    "group": "groups by it or drops duplicates of it",
    "store": "stores it in another place",
    "output": "computes with it",
    "other": "uses it otherwise",
}
PLAIN_HINT: Final = (
    "Uses that the policy permits need one plain SELECT: tables joined with ON, no subquery, WITH, set operation, "
    "alias with columns or whole row; the column by itself in the select list, or compared directly."
)


def use(column: str, kind: str) -> Refused:
    """Return the refusal of a use: "filter", "join", "order", "group", "store", "output" or "other"."""
    return Refused(
        CODE,
        f"The column {column} is masked and can only be shown as it is; the statement {_USES[kind]}.",
        "Select it by itself, or leave it out. If another table's column is meant, qualify it with that table's alias.",
    )


def plain(what: str) -> Refused:
    """Return the refusal of a statement that is permitted in a plainer form only."""
    return Refused(CODE, f"A permitted use of a masked column, but {what}.", PLAIN_HINT)


def changed(what: str) -> Refused:
    """Return the refusal of a change to a relation with masked columns."""
    return Refused(CODE, what, "Masked columns can be written, and returned by themselves; nothing else can read them.")

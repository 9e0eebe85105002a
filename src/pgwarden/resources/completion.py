"""Names that a caller may be about to write, from the live catalog; what the policy hides is not among them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from pgwarden.resources.spec import Surroundings

MOST = 100
"""Names of one answer at most: the protocol's limit."""
_LONGEST = 260
"""Characters of what is looked for: two names with their quotes; nothing is as long as more."""

Names = Literal["schema", "table", "qualified_table", "column"]
"""What an argument takes; a table alone is named as in the address of a resource, a qualified one as in SQL."""

_TOOLS: dict[Names, str] = {
    "schema": "list_schemas",
    "table": "list_tables",
    "qualified_table": "list_tables",
    "column": "describe_table",
}
"""The tool that would show the same names: who has not got it is not shown them here either."""


@dataclass(frozen=True, slots=True)
class Found:
    """Names, those that start with what was written first, and how many there are in all."""

    names: tuple[str, ...] = ()
    total: int = 0


async def complete(around: Surroundings, what: Names, value: str, known: Mapping[str, str]) -> Found:
    """Return the names that contain a text, whatever its case.

    Args:
        around: What is granted, and the way to the database.
        what: The kind of names.
        value: What was written so far.
        known: Other arguments' values: `schema` narrows tables, `table` is whose columns are meant.

    Raises:
        DatabaseError: The catalog cannot be read.
        PolicyError: as Database.query.
    """
    texts = (value, known.get("schema", ""), known.get("table", ""))
    if _TOOLS[what] not in around.tools or any(len(text) > _LONGEST or "\0" in text for text in texts):
        return Found()
    params = {"value": value, "limit": MOST, "schema": texts[1], "table": texts[2]}
    block = "complete_tables" if what == "qualified_table" else f"complete_{what}s"
    database = await around.database()
    rows = (await database.query(block, params | {"qualified": what == "qualified_table"})).rows
    return Found(tuple(name or "" for name, _ in rows), int(rows[0][1] or 0) if rows else 0)

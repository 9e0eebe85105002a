"""`pg://schema` and `pg://schema/{schema}/{table}`: the texts of object_tree and describe_table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from pgwarden.errors import NotFoundError
from pgwarden.resources.spec import Surroundings
from pgwarden.results import Report


async def tree(around: Surroundings, _: Mapping[str, str]) -> Report:
    """Return the names of everything, by schema and kind."""
    return await _report(around, "object_tree", {})


async def table(around: Surroundings, values: Mapping[str, str]) -> Report:
    """Return the description of a table; its address has exact names, nothing in them is folded.

    Raises:
        NotFoundError: There is none of this name; the hint says which are near.
    """
    if any("\0" in value for value in values.values()):
        raise NotFoundError("No name has a NUL in it.", hint="pg://schema shows the names.")
    name = ".".join(quoted(values[part]) for part in ("schema", "table"))
    return await _report(around, "describe_table", {"tables": [name]})


def quoted(name: str) -> str:
    """Return a name as SQL that means just this name."""
    return '"' + name.replace('"', '""') + '"'


async def _report(around: Surroundings, tool: str, arguments: Mapping[str, Any]) -> Report:
    return cast(Report, await around.run(tool, arguments))

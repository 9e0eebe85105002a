"""The relations of a statement that are shielded, under the names that its columns go by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from pgwarden.guard import keywords
from pgwarden.guard.catalog import Catalog
from pgwarden.guard.parsed import Refused, Source
from pgwarden.guard.shields import Shield, Shields
from pgwarden.guard.stream import Stream

_ONLY: Final = "Write ONLY without brackets."
_NO_ALIAS: Final = keywords.RESERVED | keywords.NAMES_FUNCTION


@dataclass(frozen=True, slots=True)
class Reference:
    """A relation that a statement names.

    Attributes:
        start: The index of its first token.
        behind: The index behind its name, and behind the star of `name *`.
        alias: What its columns are qualified with.
        renamed: Whether an alias is written.
        list: The index of the bracket of a column alias list, else -1.
        after: The index behind all of it.
        shield: What masks it; None where nothing does.
    """

    start: int
    behind: int
    alias: str
    renamed: bool
    list: int
    after: int
    shield: Shield | None = None


def find(source: Source, shields: Shields, catalog: Catalog | None) -> dict[int, Reference]:
    """Return the relations that a statement names, by the index of their first token.

    Raises:
        Refused: Without a catalog it cannot be told which relation a name means.
    """
    found = {}
    for index, name in source.names.relations.items():
        if catalog is None and shields.relations:
            raise Refused("mask_violation", "Which columns are masked cannot be told now.", "Try again.")
        meant = (catalog.resolve(name) if catalog else None) or name
        shield = shields.relations.get(meant)
        if shield is not None and source.stream.marks[index - 1] == "(" and source.stream.words[index - 2] == "only":
            raise Refused("mask_violation", "ONLY with brackets is not accepted where columns are masked.", _ONLY)
        found[index] = _reference(source.stream, index, shield, index in source.targets)
    return found


def _reference(stream: Stream, start: int, shield: Shield | None, target: bool) -> Reference:
    insert = target and stream.words[start - 2] == "insert"
    refused = _NO_ALIAS | {"set"} if target else _NO_ALIAS
    end = stream.chain_end(start)
    behind = end + 2 if stream.marks[end + 1] == "*" else end + 1
    named = behind + 1 if stream.words[behind] == "as" else behind
    renamed = named > behind or (
        not insert and stream.is_name(behind) and stream.words[behind] not in refused and not _is_table(stream, start)
    )
    if not renamed:
        return Reference(start, behind, stream.value(end), False, -1, behind, shield)
    bracket = named + 1 if stream.marks[named + 1] == "(" and not insert else -1
    after = stream.partner[bracket] + 1 if bracket >= 0 else named + 1
    return Reference(start, behind, stream.value(named), True, bracket, after, shield)


def _is_table(stream: Stream, start: int) -> bool:
    """Tell whether this is the relation of a TABLE command, which has no alias."""
    return "table" in (stream.words[start - 1], stream.words[start - 2] if stream.words[start - 1] == "only" else "")
